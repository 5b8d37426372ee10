"""`SharedRedis.command` and `script` on a real Redis: answers, errors, and what becomes of the connections."""

import gc
import multiprocessing
import random
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import exceptions as errors

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.errors import CacheError

ECHO = "return {KEYS[1], ARGV[1], ARGV[2]}"
ANSWERS = [
    (("PING",), b"PONG"),
    (("SET", "k", "ф\ud7ff"), b"OK"),
    (("GET", "k"), "ф\ud7ff".encode()),
    (("SET", "k", b"\x00\xff\r\n"), b"OK"),
    (("GET", "k"), b"\x00\xff\r\n"),
    (("GET", "none"), None),
    (("MGET", "k", "none"), [b"\x00\xff\r\n", None]),
    (("SET", "n", 7), b"OK"),
    (("INCRBYFLOAT", "n", 0.5), b"7.5"),
    (("STRLEN", "k"), 4),
    (("MGET",) + ("k",) * 5_000, [b"\x00\xff\r\n"] * 5_000),
    (("SET", "big", b"x" * 3_000_000), b"OK"),
    (("GET", "big"), b"x" * 3_000_000),
    (("HSET", "h", "a", "1"), 1),
    (("HGETALL", "h"), [b"a", b"1"]),
]


def clients(redis):
    return redis.client.info("clients")["connected_clients"]


def test_answers_come_as_redis_gave_them(redis):
    """Bytes, numbers, None and lists, of any size; over one connection."""
    before = clients(redis)
    for command, answer in ANSWERS:
        assert redis.command(*command) == answer
    assert clients(redis) == before + 1


@pytest.mark.parametrize(
    "query", ["?protocol=3", "?decode_responses=true", "?client_name=shop&health_check_interval=1"]
)
def test_options_of_the_url_change_no_bytes(make_redis, redis_url, query):
    """RESP3 included."""
    redis = make_redis(redis_url + query)
    assert redis.command("SET", "k", "v") == b"OK"
    assert redis.command("GET", "k") == b"v"
    assert redis.script(ECHO)(["k"], [1, b"\xff"]) == [b"k", b"1", b"\xff"]


def test_a_script_is_sent_once_and_again_when_redis_forgot_it(redis):
    """EVALSHA; with all of it only where that is unknown."""
    script = redis.script(ECHO)
    redis.client.config_resetstat()
    for turn in range(3):
        assert [script(["k"], ["a", 2]) for _ in range(3)] == [[b"k", b"a", b"2"]] * 3
        stats = redis.client.info("commandstats")
        assert stats["cmdstat_eval"]["calls"] == turn + 1
        redis.client.script_flush()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda redis: redis.command("HGETALL", "text"), errors.ResponseError),
        (lambda redis: redis.command("NO-SUCH-COMMAND"), errors.ResponseError),
        (lambda redis: redis.command("SET", "k", None), errors.DataError),
        (lambda redis: redis.script("return redis.call('GET')")(["k"]), errors.ResponseError),
        (lambda redis: redis.run(lambda client: client.hgetall("text")), errors.ResponseError),
    ],
)
def test_an_error_is_the_callers_alone(redis, log, ask, error):
    """`CacheError` by redis-py's own; the next command is answered, and not with the error's."""
    redis.command("SET", "text", "x")
    with pytest.raises(CacheError) as caught:
        ask(redis)
    assert isinstance(caught.value.__cause__, error)
    assert [redis.command("GET", "text") for _ in range(3)] == [b"x"] * 3
    assert (redis.is_down, log.events) == (False, [])


def test_threads_never_see_each_others_answers(redis):
    """24 threads, 300 commands each, scripts and plain ones: every answer is to its question."""
    script = redis.script(ECHO)

    def work(number):
        for turn in range(300):
            own = f"{number}:{turn}:{random.random()}"
            assert redis.command("ECHO", own) == own.encode()
            assert script([own], [1, 2])[0] == own.encode()
        return True

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(work, range(24))) == [True] * 24


def test_connections_are_bounded(make_redis, log):
    """Too many at once are refused, which is no outage; they are free again afterwards."""
    redis = make_redis(max_connections=3)
    blocked = [threading.Thread(target=redis.command, args=("BLPOP", "list", 20)) for _ in range(3)]
    other = make_redis()
    for thread in blocked:
        thread.start()
    while other.client.info("clients")["blocked_clients"] < 3:
        pass
    with pytest.raises(CacheError, match="unavailable") as caught:
        redis.command("PING")
    assert "BACKEND_REDIS_MAX_CONNECTIONS" in str(caught.value.__cause__)
    other.command("RPUSH", "list", 1, 2, 3)
    for thread in blocked:
        thread.join()
    assert redis.command("PING") == b"PONG"
    assert log.events == []


class Interrupt(BaseException):
    """What a job's time limit or Ctrl-C raises anywhere."""


def test_an_interrupted_command_leaves_no_answer_behind(redis):
    """The connection whose answer was not read is not used again."""

    def interrupt(*_):
        raise Interrupt

    def block(redis):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        redis.command("BLPOP", "nothing", 15)

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(3):
            with pytest.raises(Interrupt):
                block(redis)
            redis.client.rpush("other", "x")
            assert redis.command("ECHO", "mine") == b"mine"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_late_answer_is_nobodys(make_redis, redis_server, wait_until):
    """After a time limit: what Redis says later does not answer the next command."""
    redis = make_redis(timeout_seconds=0.2)
    redis.command("PING")
    redis_server.suspend()
    with pytest.raises(CacheError):
        redis.command("ECHO", "late")
    redis_server.resume()
    wait_until(lambda: not redis.is_down)
    assert {redis.command("ECHO", "mine") for _ in range(20)} == {b"mine"}


def test_a_restart_between_two_commands_is_not_noticed(redis, redis_server, log):
    """Idle connections that Redis has closed are made again before anything is sent; no caller fails."""
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: redis.command("PING"), range(50)))
    for _ in range(2):
        redis_server.restart()
        assert redis.command("PING") == b"PONG"
        assert redis.run(lambda client: client.ping())
    assert log.events == []


def test_a_client_that_redis_throws_out_comes_back(redis, make_redis, log):
    """As it does with what is idle for long."""
    redis.command("PING")
    make_redis().run(lambda client: client.client_kill_filter(_type="normal", skipme=True))
    assert redis.command("PING") == b"PONG"
    assert log.events == []


def ask_in_child(redis, answers):
    answers.put([redis.command("ECHO", f"child {turn}") for turn in range(50)])


def test_a_forked_child_has_connections_of_its_own(redis):
    """Parent and child ask at the same time, and each gets its own answers; the child ends none of the parent's."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: redis.command("PING"), range(20)))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, from 3.12 on
        child = context.Process(target=ask_in_child, args=(redis, answers))
        child.start()
    for turn in range(200):
        assert redis.command("ECHO", f"parent {turn}") == f"parent {turn}".encode()
    assert answers.get(timeout=60) == [f"child {turn}".encode() for turn in range(50)]
    child.join()


def test_what_is_thrown_away_closes_its_connections(redis, redis_url, log, wait_until):
    """Also in a circle, as apps are, where the collector may find a socket before its owner (warnings are errors)."""
    gc.collect()  # what other tests have thrown away
    before = clients(redis)
    for query in ("", "?protocol=3"):
        made = SharedRedis(RedisSettings(url=redis_url + query), namespace="x", log=log)
        made.command("PING")
        made.client.ping()
        made.circle = [made]
    assert clients(redis) > before
    del made
    gc.collect()
    wait_until(lambda: clients(redis) == before)
