"""A real Redis that hangs, is gone, and comes back, under threads: R1, R8, R9."""

import threading
import time

import pytest

from flask_backend_patterns.errors import CacheError

LIMIT_SECONDS = 0.3  # a little more than apps have: a machine that is busy is no outage


@pytest.fixture
def redis(make_redis):
    made = make_redis(timeout_seconds=LIMIT_SECONDS)
    made.client.ping()
    return made


def seconds_of(call, *args):
    """How long a refused call took."""
    start = time.perf_counter()
    with pytest.raises(CacheError):
        call(*args)
    return time.perf_counter() - start


WAYS = {
    "command": lambda redis: redis.command("PING"),
    "script": lambda redis: redis.script("return 1")([]),
    "run": lambda redis: redis.run(lambda client: client.ping()),
}


@pytest.mark.parametrize("loss", ["kill", "suspend"])
@pytest.mark.parametrize("way", WAYS)
def test_the_first_caller_loses_a_tenth_of_a_second_the_next_ones_nothing(
    loss, way, redis_server, redis, log, wait_until
):
    """Each way of going away; nobody waits for a look whether it is back, and it is back by itself."""
    ask = WAYS[way]
    ask(redis)
    getattr(redis_server, loss)()
    assert (
        seconds_of(ask, redis) < 10 * LIMIT_SECONDS
    )  # once, by the client's time limit; a busy machine adds to it
    spent = []
    until = time.monotonic() + 0.8  # several probes
    while time.monotonic() < until or len(spent) < 101:
        begun = time.thread_time()
        seconds_of(ask, redis)
        spent.append(time.thread_time() - begun)
    assert sum(spent) / len(spent) < 0.001
    redis_server.resume()
    redis_server.start()
    wait_until(lambda: "dependency.up" in log.names)  # the last thing that is done at a recovery
    assert ask(redis)
    assert log.names == ["dependency.down", "dependency.up"]
    assert log.events[1][1]["refused"] == len(spent)


def test_a_hanging_redis_holds_no_thread_for_long(redis_server, redis, log, wait_until):
    """50 threads at once, 20 calls each: a thread waits at most once, and one event is logged."""
    redis_server.suspend()

    def work():
        for _ in range(20):
            seconds_of(redis.command, "PING")

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.names == ["dependency.down"]
    redis_server.resume()
    wait_until(lambda: "dependency.up" in log.names)
    assert 1_000 - 50 <= log.events[1][1]["refused"] <= 1_000  # without a wait


def test_the_probe_gives_up_dead_connections(redis_server, redis, wait_until):
    """Many idle connections to a machine that is gone do not each cost a look; all are made anew."""
    together = threading.Barrier(20)

    def ask():
        together.wait()
        redis.command("PING")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    redis_server.suspend()
    seconds_of(redis.command, "PING")
    assert redis._connections.lane._idle == []
    redis_server.resume()
    wait_until(lambda: not redis.is_down)


def test_recovery_is_told_before_anybody_asks(redis_server, redis, wait_until):
    """What a listener writes is there for whoever comes next, in every thread."""
    redis.on_recovery(lambda: redis.command("SET", "told", "yes"))
    redis_server.kill()
    seconds_of(redis.command, "PING")
    redis_server.start()
    seen = []

    def ask():
        while not seen:
            try:
                seen.append(redis.command("GET", "told"))
            except CacheError:
                time.sleep(0.001)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {b"yes"}
