"""`UnsentInvalidations` and `NearValues`: bounded, and never wrong."""

import pytest

from flask_backend_patterns.cache import LocalFeed
from flask_backend_patterns.cache.near_values import NearValues
from flask_backend_patterns.cache.unsent import UnsentInvalidations
from flask_backend_patterns.errors import CacheError


class Store:
    def __init__(self):
        self.is_away, self.told = True, []

    def invalidate(self, **what):
        if self.is_away:
            raise CacheError
        self.told.append(
            {name: set(value) if name != "prefix" else value for name, value in what.items() if value}
        )


def test_what_was_not_sent_is_sent_once(clock):
    """After an attempt that failed, and not more often than four times a second."""
    unsent, store = UnsentInvalidations(clock=clock), Store()
    unsent.add(keys=["k"], tags=["t"], prefixes=["p"])
    assert not unsent.send(store, everything_tag="*")
    store.is_away = False
    assert not unsent.send(store, everything_tag="*")
    clock.now += 1
    assert unsent.send(store, everything_tag="*")
    assert unsent.send(store, everything_tag="*")
    assert store.told == [{"keys": {"k"}, "tags": {"t"}}, {"prefix": "p"}]


def test_too_many_are_everything(clock):
    """The memory of an outage is bounded; then all values are forgotten."""
    unsent, store = UnsentInvalidations(max_names=100, clock=clock), Store()
    for number in range(1000):
        unsent.add(tags=[f"t{number}"])
        assert len(unsent._tags) <= 100
    store.is_away = False
    assert unsent.send(store, everything_tag="*")
    assert store.told == [{"tags": {"*"}}]


@pytest.fixture
def near(feed, clock):
    return NearValues(max_entries=100, max_bytes=100_000, ttl_seconds=60, feed=feed, clock=clock)


def keep(near, key, *, payload=b"x", tags=(), seconds=60.0):
    near.keep(near.begin(key, tags), payload, "v", is_shared=True, seconds=seconds)


@pytest.mark.parametrize("size", [1, 10_000])
def test_it_never_grows_beyond_its_bounds(near, size):
    """By entries, and by bytes; what was used last stays."""
    for number in range(10_000):
        keep(near, f"k{number}", payload=b"x" * size, tags=[f"t{number}"])
        facts = near.stats()
        assert facts["entries"] <= 100
        assert facts["bytes"] <= 100_000
    assert near.find("k9999") is not None
    assert len(near._marks) <= 100


def test_bytes_are_counted_right(near):
    """After overwriting, promoting and forgetting nothing is left over."""
    for number in range(1000):
        keep(near, f"k{number % 70}", payload=b"x" * (number % 300))
        near.find(f"k{number % 13}")
        if number % 7 == 0:
            near.invalidate(keys=[f"k{number % 11}"])
    near.invalidate(prefix="k")
    assert (near.stats()["entries"], near.stats()["bytes"]) == (0, 0)


WAYS = {
    "key": lambda near, feed: near.invalidate(keys=["k"]),
    "tag": lambda near, feed: near.invalidate(tags=["b"]),
    "prefix": lambda near, feed: near.invalidate(prefix="k"),
    "message of a key": lambda near, feed: feed.publish("k:k"),
    "message of a tag": lambda near, feed: feed.publish("revoked:x", "t:a"),
    "message of a prefix": lambda near, feed: feed.publish("p:k"),
    "everything": lambda near, feed: feed.publish("t:*"),
    "loss": lambda near, feed: (feed.lose(), feed.find()),
    "fork": lambda near, feed: near.reset_after_fork(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_is_invalidated_is_gone_and_what_was_being_read_is_not_kept(near, feed, way):
    """C7 for the near cache: also when the read began before, and other keys stay."""
    keep(near, "k", tags=["a", "b"])
    reading = near.begin("k", ["a", "b"])
    way(near, feed)
    assert near.find("k") is None
    near.keep(reading, b"x", "old", is_shared=True, seconds=60)
    assert near.find("k") is None
    keep(near, "k", tags=["a", "b"])
    assert near.find("k").value == "v"


def test_it_is_used_only_while_trusted_and_for_its_time(near, feed, clock):
    """Bypassed at once."""
    keep(near, "k", seconds=10)
    feed.lose()
    assert near.find("k") is None
    feed.is_trusted = True
    clock.now += 9
    assert near.find("k") is not None
    clock.now += 1
    assert near.find("k") is None


@pytest.mark.parametrize("bounds", [(0, 1000), (10, 0), (1, 10_000)])
def test_small_bounds(clock, bounds):
    """None kept, or one."""
    near = NearValues(
        max_entries=bounds[0], max_bytes=bounds[1], ttl_seconds=60, feed=LocalFeed(), clock=clock
    )
    for key in "abc":
        keep(near, key)
    assert near.stats()["entries"] == (bounds == (1, 10_000))
