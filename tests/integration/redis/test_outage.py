"""A real Redis that hangs, is gone, and comes back, under threads: R1, R8, R9."""

import threading
import time

import pytest

from flask_backend_patterns.errors import CacheError

pytestmark = pytest.mark.xdist_group("redis_server")


@pytest.fixture
def redis(make_redis):
    """With the time limits that apps have."""
    made = make_redis(timeout_seconds=0.1)
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
    """Each way of going away; nobody waits for a look whether it is back, and it is back by itself within 2 s."""
    ask = WAYS[way]
    ask(redis)
    getattr(redis_server, loss)()
    assert seconds_of(ask, redis) < 0.5  # 0.1 by the client's time limit; a busy machine adds to it
    spent = []
    until = time.monotonic() + 0.8  # several probes
    while time.monotonic() < until:
        begun = time.thread_time()
        seconds_of(ask, redis)
        spent.append(time.thread_time() - begun)
    assert len(spent) > 100
    assert sum(spent) / len(spent) < 0.001
    redis_server.resume()
    redis_server.start()
    assert wait_until(lambda: not redis.is_down) < 5
    assert ask(redis)
    assert log.names == ["dependency.down", "dependency.up"]
    assert log.events[1][1]["refused"] == len(spent)


def test_a_hanging_redis_holds_no_thread_for_long(redis_server, redis, log):
    """50 threads at once, 20 calls each: a thread waits at most once, and one event is logged."""
    redis_server.suspend()
    slow = []

    def work():
        waits = [seconds_of(redis.command, "PING") > 0.05 for _ in range(20)]
        slow.append(sum(waits))

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(slow) <= 60  # 50, and some that the machine was slow for
    assert log.names == ["dependency.down"]


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
