"""`RedisOutage`: who is refused, who looks whether Redis is back, who is told, and what is logged."""

import gc
import itertools
import threading
import time
import weakref

import pytest
from redis import exceptions as errors

from flask_backend_patterns._recovery_probe import RecoveryProbe
from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.errors import CacheError


def caused(error, cause):
    error.__cause__ = cause
    return error


OUTAGES = [
    errors.ConnectionError("refused"),
    errors.TimeoutError("slow"),
    errors.BusyLoadingError("loading"),
    errors.AuthenticationError("who are you"),
    errors.ClusterDownError("CLUSTERDOWN"),
    caused(errors.RedisClusterException("no node"), errors.TimeoutError()),
]
ANSWERS = [
    errors.ResponseError("WRONGTYPE"),
    errors.OutOfMemoryError("full"),
    errors.ReadOnlyError("replica"),
    errors.NoScriptError("unknown script"),
    errors.DataError("not text"),
    errors.MaxConnectionsError("our own pool is exhausted"),
    errors.RedisClusterException("keys in several slots"),
]


class RecordedLog:
    """An `EventLog` that keeps what it is told."""

    def __init__(self):
        self.events = []

    def note(self, event, **fields):
        self.events.append((event, fields))

    info = warning = error = note


class Redis:
    """Answers PINGs as told."""

    def __init__(self):
        self.error = None
        self.pings = 0

    def ping(self):
        self.pings += 1
        if self.error is not None:
            raise self.error


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def log():
    return RecordedLog()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def redis():
    return Redis()


@pytest.fixture
def outage(log, clock, redis):
    """Its own thread first looks after hours: tests look in its place."""
    return RedisOutage(log=log, ping=redis.ping, probe_seconds=99_999, clock=clock)


def fail(error):
    raise error


def never():
    pytest.fail("Redis must not be asked")


def break_it(outage, error=OUTAGES[0]):
    with pytest.raises(CacheError) as caught:
        outage.call(fail, error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("result", [None, False, 7, []])
def test_the_result_comes_through(outage, log, result):
    """As it is, each time; arguments are handed on."""
    assert [outage.call(lambda given: given, result) for _ in range(3)] == [result] * 3
    assert (log.events, outage.is_down) == ([], False)


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_refuses_everybody_until_a_ping_succeeds(outage, redis, error):
    """Without asking, however long it takes, with the time to wait."""
    break_it(outage, error)
    assert outage.is_down
    for still in OUTAGES:
        redis.error = still
        assert outage.look() is False
        with pytest.raises(CacheError) as caught:
            outage.call(never)
        assert (caught.value.headers["Retry-After"], caught.value.__cause__) == ("1", None)
    redis.error = None
    assert outage.look() is True
    assert not outage.is_down
    assert outage.call(lambda: "again") == "again"


@pytest.mark.parametrize("error", ANSWERS, ids=lambda error: type(error).__name__)
def test_an_error_that_redis_answers_is_no_outage(outage, log, error):
    """`CacheError` for this caller, nothing for the others."""
    break_it(outage, error)
    assert (outage.is_down, log.events) == (False, [])


@pytest.mark.parametrize("answer", ["NOPERM no permission for PING", "unknown command"])
def test_a_refused_ping_is_a_sign_of_life(outage, redis, answer):
    """Who is not allowed to send a PING is not kept away for ever."""
    break_it(outage)
    redis.error = errors.ResponseError(answer)
    assert outage.look() is True


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, OSError, errors.MaxConnectionsError])
def test_a_ping_that_could_not_be_sent_says_nothing(outage, redis, error):
    """The outage goes on."""
    break_it(outage)
    redis.error = error()
    assert outage.look() is False
    assert outage.is_down


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, KeyboardInterrupt, OSError])
def test_other_exceptions_pass_through(outage, error):
    """They say nothing about Redis: no outage begins."""
    with pytest.raises(error):
        outage.call(fail, error())
    assert not outage.is_down


def test_one_event_for_each_change(outage, log, clock):
    """However many are refused: how many is told at the end."""
    for _ in range(2):
        break_it(outage)
        for _ in range(1000):
            with pytest.raises(CacheError):
                outage.call(never)
        clock.now += 3
        assert outage.look()
        outage.call(lambda: None)
    down = ("dependency.down", {"dependency": "redis", "reason": "ConnectionError", "cause": "refused"})
    up = ("dependency.up", {"dependency": "redis", "seconds": 3.0, "refused": 1000})
    assert log.events == [down, up, down, up]


def test_no_refusal_is_lost_or_waits(outage, log):
    """50 threads at once: counted exactly."""
    break_it(outage)

    def call():
        for _ in range(200):
            with pytest.raises(CacheError):
                outage.call(never)

    run_threads(50, call)
    outage.look()
    assert log.events[-1][1]["refused"] == 10_000


def test_many_failures_at_once_are_one_outage(outage, log):
    """Those that were under way when Redis went fail with it; one event, one probe."""
    together = threading.Barrier(50)
    before = probes()

    def call():
        with pytest.raises(CacheError):
            outage.call(lambda: together.wait(60) is None or fail(OUTAGES[0]))

    run_threads(50, call)
    assert [name for name, _ in log.events] == ["dependency.down"]
    assert len(probes() - before) == 1


def test_a_call_that_fails_after_the_recovery_starts_no_new_outage(outage, log):
    """It was sent while Redis was away, and only timed out later."""

    def late():
        break_it(outage)
        outage.look()
        raise OUTAGES[1]

    with pytest.raises(CacheError):
        outage.call(late)
    assert not outage.is_down
    assert [name for name, _ in log.events] == ["dependency.down", "dependency.up"]


def test_the_probe_looks_by_itself(log, redis):
    """Nobody has to call: PINGs until one succeeds, then no more, and no thread is left."""
    before = probes()
    outage = RedisOutage(log=log, ping=redis.ping, probe_seconds=0.01)
    redis.error = OUTAGES[0]
    break_it(outage)
    wait_until(lambda: redis.pings >= 3)
    assert outage.is_down
    redis.error = None
    wait_until(lambda: not outage.is_down and probes() <= before)
    assert [name for name, _ in log.events] == ["dependency.down", "dependency.up"]


def test_the_probe_keeps_nobody_alive(log):
    """An app that is thrown away in an outage takes its probe along."""
    before = probes()
    outage = RedisOutage(log=log, ping=lambda: fail(errors.TimeoutError()), probe_seconds=0.01)
    break_it(outage, errors.TimeoutError())
    gone = weakref.ref(outage)
    del outage

    def is_gone():
        gc.collect()  # frames of the error above
        return gone() is None and probes() <= before

    wait_until(is_gone)


def test_without_a_thread_there_is_no_outage(outage, log, monkeypatch):
    """At a limit of threads, or at the end of the process, nobody would see Redis come back."""
    monkeypatch.setattr(threading.Thread, "start", lambda _: fail(RuntimeError("can't start new thread")))
    break_it(outage)
    assert (outage.is_down, log.events) == (False, [])


def test_it_is_reported(log, redis):
    """To the metric: there at first, then each change."""
    told = []
    outage = RedisOutage(log=log, ping=redis.ping, report=told.append, probe_seconds=99_999)
    break_it(outage)
    outage.look()
    assert told == [True, False, True]


class Listener:
    """Is told of recoveries."""

    def __init__(self, outage):
        self.outage = outage
        self.told = []

    def note(self):
        self.told.append((self.outage.is_down, self.outage.call(lambda: "asked")))


def test_listeners_come_before_everybody_else(outage):
    """They may use Redis while all others are still refused; bound methods are held weakly."""
    listener, functions, refused = Listener(outage), [], []
    outage.on_recovery(listener.note)
    outage.on_recovery(lambda: functions.append(1))
    outage.on_recovery(Listener(outage).note)  # gone at once

    def ask():
        with pytest.raises(CacheError):
            outage.call(never)
        refused.append(1)

    def in_another_thread():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    outage.on_recovery(in_another_thread)
    break_it(outage)
    assert outage.look()
    assert (listener.told, functions, len(refused)) == ([(True, "asked")], [1], 1)


def test_redis_going_again_while_listeners_are_told_goes_on_with_the_outage(outage, log):
    """They are told again at the next look; nobody is let through in between, and nothing is logged."""
    answers = itertools.chain([OUTAGES[1]], itertools.repeat(None))
    calls = []

    def listener():
        calls.append(1)
        error = next(answers)
        outage.call(lambda: error and fail(error))

    outage.on_recovery(listener)
    break_it(outage)
    assert outage.look() is False
    assert outage.is_down
    assert outage.look() is True
    assert (len(calls), [name for name, _ in log.events]) == (2, ["dependency.down", "dependency.up"])


@pytest.mark.parametrize("error", [ValueError(), errors.OutOfMemoryError("full")])
def test_a_listener_that_fails_keeps_nobody_away(outage, log, error):
    """It is logged, if it is not Redis's own answer, and the others are told."""
    told = []
    outage.on_recovery(lambda: outage.call(fail, error))
    outage.on_recovery(lambda: told.append(1))
    break_it(outage)
    assert outage.look() is True
    assert told == [1]
    assert ("recovery_listener_failed" in [name for name, _ in log.events]) is isinstance(error, ValueError)


@pytest.mark.parametrize("culprit", ["listener", "log"])
def test_nothing_ends_the_thread_that_looks(log, culprit):
    """A listener's `sys.exit`, a log that cannot write: it looks again, else Redis would be away for ever."""
    failures = [OSError("disk full"), SystemExit()]

    def act(*_, **__):
        if failures:
            raise failures.pop()

    if culprit == "log":
        log.info = act
    outage = RedisOutage(log=log, ping=bool, probe_seconds=0.001)
    if culprit == "listener":
        outage.on_recovery(act)
    break_it(outage)
    wait_until(lambda: not outage.is_down)


def test_a_forked_child_finds_out_for_itself(outage):
    """The parent's probe, and the lock that another thread held, are not there."""
    break_it(outage)
    outage._lock.acquire()
    outage.reset_after_fork()
    assert outage.call(lambda: "asked") == "asked"


def probes():
    """The threads that look whether a Redis is back; those of other tests may end at any time."""
    return {thread for thread in threading.enumerate() if isinstance(thread, RecoveryProbe)}


def run_threads(count, target):
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.002)
