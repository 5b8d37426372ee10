"""A `SharedRedis` on a real Redis, closed when the test ends, and what it has logged."""

import time

import pytest

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis


class RecordedLog:
    """An `EventLog` that keeps what it is told."""

    def __init__(self):
        self.events = []

    def note(self, event, **fields):
        self.events.append((event, fields))

    info = warning = error = note

    @property
    def names(self):
        return [name for name, _ in self.events]


@pytest.fixture
def log():
    return RecordedLog()


@pytest.fixture
def make_redis(redis_url, log):
    """As apps have it, but patient unless told otherwise: the machine may be busy."""
    made = []

    def make(url=redis_url, timeout_seconds=20, **options):
        settings = RedisSettings(url=url, timeout_seconds=timeout_seconds, **options)
        made.append(SharedRedis(settings, namespace="test", log=log))
        return made[-1]

    yield make
    for redis in made:
        redis.close()


@pytest.fixture
def redis(make_redis):
    return make_redis()


@pytest.fixture
def wait_until():
    """Wait for a condition, up to a deadline that is only met when something is broken; gives the seconds it took."""

    def wait(condition, seconds=60):
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < seconds, "it did not come about"
            time.sleep(0.002)
        return time.monotonic() - start

    return wait
