"""Feeds on a real Redis, closed when the test ends, and what they have logged."""

import gc
import sys
import threading
import time
from functools import partial

import pytest

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache import NearCache, RedisFeed


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


@pytest.fixture(autouse=True)
def alone():
    """Apps of earlier tests that nobody has thrown away yet still listen; these tests count who does."""
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("near-cache-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "somebody keeps an app of an earlier test"
        gc.collect()
        time.sleep(0.01)


@pytest.fixture
def log():
    return RecordedLog()


@pytest.fixture
def wait_until():
    """Wait for a condition, up to a deadline that is only met when something is broken; gives the seconds it took."""

    def wait(condition, seconds=60):
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < seconds, "it did not come about"
            time.sleep(0.001)
        return time.monotonic() - start

    return wait


@pytest.fixture
def show():
    """Tell a measured figure to who reads the output; figures of a shared machine are not asserted."""
    return lambda text: sys.stdout.write(f"{text}\n")


@pytest.fixture
def client(redis_url):
    """A patient one: the machine may be busy."""
    with connect(RedisSettings(url=redis_url, timeout_seconds=20)) as found:
        yield found


@pytest.fixture
def make_feed(redis_url, log):
    made = []

    def make(**options):
        feed = RedisFeed(
            options.pop("connect", partial(connect, RedisSettings(url=redis_url, timeout_seconds=1))),
            **{"channel": "test:invalidations", "log": log, **options},
        )
        made.append(feed)
        return feed

    yield make
    for feed in made:
        feed.close()


@pytest.fixture
def feed(make_feed, wait_until):
    """A feed that is trusted."""
    feed = make_feed()
    wait_until(lambda: feed.is_trusted)
    return feed


@pytest.fixture
def cache(feed):
    return NearCache(max_entries=100, ttl_seconds=1e9, feed=feed)
