"""Many threads on one near cache: exact counts."""

import functools
import random
import sys
import threading

import pytest

from flask_backend_patterns.cache import MISSING, LocalFeed, NearCache

KEYS = [f"k{number}" for number in range(8)]
WRITES = 20_000
READERS = 6


@pytest.fixture(autouse=True)
def _quick_switches():
    """Threads take turns often, so that every interleaving comes up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Race:
    """One writer counts the keys up and publishes each; readers note what is older than a write that was published."""

    def __init__(self, max_entries):
        self.feed = LocalFeed()
        self.cache = NearCache(max_entries=max_entries, ttl_seconds=1e9, feed=self.feed)
        self.store = dict.fromkeys(KEYS, 0)
        self.published = dict.fromkeys(KEYS, 0)
        self.is_over = threading.Event()
        self.stale = []
        self.reads = [0] * READERS

    def run(self):
        threads = [threading.Thread(target=self.read, args=(number,)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        for number in range(WRITES):
            self.write(KEYS[number % len(KEYS)])
        self.is_over.set()
        for thread in threads:
            thread.join()

    def write(self, key):
        self.store[key] += 1
        self.feed.publish(key)
        self.published[key] = self.store[key]

    def load(self, keys):
        values = {key: self.store[key] for key in keys}
        for _ in range(random.randrange(20)):  # they arrive late
            pass
        return values

    def load_one(self, key):
        return self.load([key])[key]

    def read(self, reader):
        while not self.is_over.is_set():
            key = random.choice(KEYS)
            at_least = self.published[key]
            if reader % 2:
                value = self.cache.get_or_load(key, functools.partial(self.load_one, key))
            else:
                value = self.cache.get_or_load_many([key], self.load)[key]
            self.reads[reader] += 1
            if value < at_least:
                self.stale.append((key, value, at_least))


@pytest.mark.parametrize("max_entries", [4, 100], ids=["pushing out", "all fit"])
def test_no_reader_sees_a_value_older_than_a_finished_write(max_entries):
    """0 of all reads that begin after a write was published return something older than it (C7, and promotion)."""
    race = Race(max_entries)
    race.run()
    assert race.stale == []
    assert all(race.reads)
    assert all(race.cache.peek(key) in (MISSING, race.store[key]) for key in KEYS)
    assert race.cache._loads == {}
    assert len(race.cache) <= max_entries
