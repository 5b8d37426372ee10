"""Redis that answers, but does not count, is not a reason to let everybody through, nor for a log line a request."""

import pytest

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.errors import CacheError
from flask_backend_patterns.limits.backends.fallback import QUIET_SECONDS, FallbackWindows
from flask_backend_patterns.limits.backends.memory import MemoryWindows
from flask_backend_patterns.limits.backends.redis import RedisWindows
from flask_backend_patterns.limits.protocols import Charge
from flask_backend_patterns.limits.settings import FIXED_WINDOW

ONE = [Charge(key="a", amount=2, window_seconds=3600, cost=1, strategy=FIXED_WINDOW)]


class Log:
    def __init__(self):
        self.events = []

    def warning(self, event, **fields):
        self.events.append((event, fields))

    info = error = warning


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def windows_on(url, log, clock):
    settings = RedisSettings(url=url, connect_timeout_seconds=10, timeout_seconds=10)
    redis = SharedRedis(settings, namespace="test", log=log)
    return redis, FallbackWindows(RedisWindows(redis), MemoryWindows(max_keys=100), log=log, clock=clock)


def test_a_full_redis_counts_in_memory_and_says_so_once_a_minute(redis_url):
    """The limit holds in this process; when Redis takes writes again, it counts there again."""
    log, clock = Log(), Clock()
    redis, windows = windows_on(redis_url, log, clock)
    assert windows.charge(ONE)[0].remaining == 1
    redis.client.config_set("maxmemory", "1")
    redis.client.config_set("maxmemory-policy", "noeviction")
    found = [windows.charge(ONE)[0].is_allowed for _ in range(5)]
    assert found == [True, True, False, False, False]
    assert [event for event, _ in log.events] == ["limits_not_shared"]
    assert "OOM" in log.events[0][1]["cause"]
    clock.now += QUIET_SECONDS
    windows.charge(ONE)
    windows.charge(ONE)
    assert len(log.events) == 2
    assert not windows.is_down
    redis.client.config_set("maxmemory", "0")
    assert windows.charge(ONE)[0].remaining == 0


def test_a_redis_that_was_never_there_is_no_failure():
    """The process counts; only forgetting the shared counts says that it could not."""
    log = Log()
    _, windows = windows_on("redis://127.0.0.1:1/0", log, Clock())
    assert [windows.charge(ONE)[0].is_allowed for _ in range(3)] == [True, True, False]
    assert [event for event, _ in log.events] == ["dependency.down"]
    with pytest.raises(CacheError):
        windows.clear("a")
    assert windows.charge(ONE)[0].is_allowed
