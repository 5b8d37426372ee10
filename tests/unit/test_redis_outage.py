"""`RedisOutage`: who asks Redis while it is away, who is refused, and what is logged."""

import threading

import pytest
from redis import exceptions as errors

from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.errors import CacheError

OUTAGES = [
    errors.ConnectionError("refused"),
    errors.TimeoutError("slow"),
    errors.BusyLoadingError("loading"),
    errors.AuthenticationError("who are you"),
]
ANSWERS = [
    errors.ResponseError("WRONGTYPE"),
    errors.OutOfMemoryError("full"),
    errors.ReadOnlyError("replica"),
    errors.NoScriptError("unknown script"),
    errors.DataError("not text"),
    errors.MaxConnectionsError("our own pool is exhausted"),
]


class RecordedLog:
    """An `EventLog` that keeps what it is told."""

    def __init__(self):
        self.events = []

    def note(self, event, **fields):
        self.events.append((event, fields))

    info = warning = error = note


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
def outage(log, clock):
    return RedisOutage(log=log, retry_seconds=0.5, clock=clock)


def fail(error):
    raise error


def never():
    pytest.fail("Redis must not be asked")


def break_it(outage, error=OUTAGES[0]):
    with pytest.raises(CacheError) as caught:
        outage.call(lambda: fail(error))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("result", [None, False, 7, []])
def test_the_result_comes_through(outage, log, result):
    """As it is, each time."""
    assert [outage.call(lambda: result) for _ in range(3)] == [result] * 3
    assert (log.events, outage.is_down) == ([], False)


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_refuses_the_next_callers(outage, clock, error):
    """Without asking, for the whole of `retry_seconds`, with the time to wait; then one asks, and all is well."""
    break_it(outage, error)
    assert outage.is_down
    for now in (0, 0.25, 0.499):
        clock.now = 1000 + now
        with pytest.raises(CacheError) as caught:
            outage.call(never)
        assert (caught.value.retry_after, caught.value.headers["Retry-After"]) == (0.5, "1")
    clock.now = 1000.5
    assert outage.call(lambda: "back") == "back"
    assert not outage.is_down
    assert outage.call(lambda: "again") == "again"


@pytest.mark.parametrize("error", ANSWERS, ids=lambda error: type(error).__name__)
def test_an_error_that_redis_answers_is_no_outage(outage, log, clock, error):
    """`CacheError` for this caller, nothing for the others; while it is away such an answer says that it is back."""
    break_it(outage, error)
    assert (outage.is_down, log.events) == (False, [])
    break_it(outage)
    clock.now += 1
    if not isinstance(error, errors.ConnectionError):
        break_it(outage, error)
        assert not outage.is_down


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, KeyboardInterrupt, OSError])
def test_other_exceptions_pass_through(outage, clock, error):
    """They say nothing about Redis: no outage begins, and none ends; the next caller asks at once."""
    with pytest.raises(error):
        outage.call(lambda: fail(error()))
    assert not outage.is_down
    break_it(outage)
    clock.now += 1
    with pytest.raises(error):
        outage.call(lambda: fail(error()))
    assert outage.is_down
    assert outage.call(lambda: "back") == "back"


def test_each_failed_look_puts_the_next_one_off(outage, clock):
    """One look each `retry_seconds`, however long it lasts."""
    asked = []

    def ask():
        asked.append(clock.now)
        raise OUTAGES[1]

    for tenth in range(100):
        clock.now = 1000 + tenth / 10
        with pytest.raises(CacheError):
            outage.call(ask)
    assert asked == [1000 + half / 2 for half in range(20)]


def test_one_event_for_each_change(outage, log, clock):
    """However many are refused: how many is told at the end."""
    for _ in range(2):
        break_it(outage)
        for _ in range(1000):
            with pytest.raises(CacheError):
                outage.call(never)
        clock.now += 2
        break_it(outage)
        clock.now += 1
        outage.call(lambda: None)
        outage.call(lambda: None)
    down = ("dependency.down", {"dependency": "redis", "reason": "ConnectionError", "cause": "refused"})
    up = ("dependency.up", {"dependency": "redis", "seconds": 3.0, "refused": 1000})
    assert log.events == [down, up, down, up]


@pytest.mark.parametrize("is_back", [True, False])
def test_exactly_one_of_many_threads_looks(outage, log, clock, is_back):
    """49 of 50 are refused while the one waits for its answer."""
    break_it(outage)
    clock.now += 1
    others_are_done, asked, refused = threading.Event(), [], []

    def look():
        asked.append(1)
        assert others_are_done.wait(30)
        return is_back or fail(OUTAGES[1])

    def call():
        try:
            outage.call(look)
        except CacheError:
            refused.append(1)
            if len(refused) == 49:
                others_are_done.set()

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), len(refused)) == (1, 49 if is_back else 50)
    assert outage.is_down != is_back
    assert len(log.events) == 1 + is_back


def test_many_failures_at_once_are_one_outage(outage, log):
    """Those that were under way when Redis went fail with it; nobody's wait is put off by the others'."""
    together = threading.Barrier(50)

    def call():
        with pytest.raises(CacheError):
            outage.call(lambda: together.wait(30) is None or fail(OUTAGES[0]))

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [name for name, _ in log.events] == ["dependency.down"]


def test_a_call_that_fails_after_the_recovery_starts_no_new_outage(outage, log, clock):
    """It was sent while Redis was away, and only timed out later."""

    def late():
        break_it(outage)
        clock.now += 1
        outage.call(lambda: "back")
        raise OUTAGES[1]

    with pytest.raises(CacheError):
        outage.call(late)
    assert not outage.is_down
    assert [name for name, _ in log.events] == ["dependency.down", "dependency.up"]


def test_a_forked_child_looks_for_itself(outage, clock):
    """The parent's thread that was looking, and the lock that another one held, are not there."""
    break_it(outage)
    clock.now += 1
    outage._claim_probe()
    outage._lock.acquire()
    outage.reset_after_fork()
    assert outage.call(lambda: "back") == "back"
