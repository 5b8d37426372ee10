"""`RedisOutage` with a real Redis that hangs or is gone: R1, R8."""

import statistics
import threading
import time
from functools import partial

import pytest

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.errors import CacheError

pytestmark = pytest.mark.xdist_group("redis_server")


@pytest.fixture
def client(redis_url):
    """As apps have it: 100 ms."""
    with connect(RedisSettings(url=redis_url)) as found:
        yield found


@pytest.fixture
def outage(log):
    return RedisOutage(log=log)


def seconds_of(call):
    """How long a refused call took."""
    start = time.perf_counter()
    with pytest.raises(CacheError):
        call()
    return time.perf_counter() - start


@pytest.mark.parametrize("loss", ["kill", "suspend"])
@pytest.mark.parametrize("is_connected", [True, False])
def test_the_first_caller_loses_a_tenth_of_a_second_the_next_ones_nothing(
    loss, is_connected, redis_server, client, outage, wait_until, show
):
    """Each way of going away, with connections and without; it is back by itself."""
    if is_connected:
        outage.call(client.ping)
    getattr(redis_server, loss)()
    first = seconds_of(partial(outage.call, client.ping))
    others = [seconds_of(partial(outage.call, client.ping)) for _ in range(100)]
    show(f"{loss}: first {first * 1000:.1f} ms, next {statistics.median(others) * 1e6:.0f} us")
    assert first < 0.3  # 0.1 by the client's time limit; a busy machine adds to it
    assert statistics.median(others) < 0.001
    redis_server.resume()
    redis_server.start()

    def is_back():
        try:
            return outage.call(client.ping)
        except CacheError:
            return False

    show(f"back after {wait_until(is_back):.2f} s")
    assert outage._log.names == ["dependency.down", "dependency.up"]


def test_a_hanging_redis_holds_no_thread_for_long(redis_server, client, outage, log, show):
    """50 threads at once, 20 calls each: all are through after about one time limit, and one event is logged."""
    outage.call(client.ping)
    redis_server.suspend()
    slow = []

    def work():
        slow.extend(1 for _ in range(20) if seconds_of(partial(outage.call, client.ping)) > 0.05)

    threads = [threading.Thread(target=work) for _ in range(50)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    show(f"1000 calls took {time.perf_counter() - start:.2f} s, {len(slow)} of them waited")
    assert len(slow) <= 50
    assert log.names == ["dependency.down"]
