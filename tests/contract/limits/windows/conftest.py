import itertools

import pytest

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.limits.backends.memory import MemoryWindows
from flask_backend_patterns.limits.backends.redis import RedisWindows
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

START = 1_800_000_000_000_000  # microseconds since the epoch


class Clock:
    """Seconds, kept in whole microseconds."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now / 1_000_000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shared_redis(redis_url):
    # Patient, since the machine may be busy.
    settings = RedisSettings(url=redis_url, connect_timeout_seconds=10, timeout_seconds=10)
    return SharedRedis(settings, namespace="test", log=LoggingEventLog(Masker()))


@pytest.fixture
def redis_windows(shared_redis, clock):
    return RedisWindows(shared_redis, clock=clock)


@pytest.fixture
def memory_windows(clock):
    return MemoryWindows(max_keys=100_000, clock=clock)


@pytest.fixture
def both(redis_windows, memory_windows):
    return redis_windows, memory_windows


@pytest.fixture(params=["memory", "redis"])
def windows(request):
    return request.getfixturevalue(f"{request.param}_windows")


_numbers = itertools.count()


@pytest.fixture
def fresh():
    """A name that was not used before, since hypothesis runs many examples on one store."""
    return lambda: f"k{next(_numbers)}"
