"""`NearCache`: what is stored, what is served, what is forgotten."""

import gc
import weakref

import pytest

from flask_backend_patterns.cache import MISSING, LocalFeed, NearCache

INTERRUPTIONS = {
    "its key is published": lambda cache, feed: feed.publish("k"),
    "its key is published among others": lambda cache, feed: feed.publish("a", "k", "b"),
    "its key is discarded": lambda cache, feed: cache.discard("k"),
    "the feed is lost and found": lambda cache, feed: (feed.lose(), feed.find()),
    "the feed forgets everything": lambda cache, feed: feed.find(),
    "the process is forked": lambda cache, feed: cache.reset_after_fork(),
}


class Loads:
    """Loads `value`, and counts."""

    def __init__(self, value="loaded"):
        self.value = value
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.value


@pytest.fixture
def cache(feed, clock):
    return NearCache(max_entries=100, ttl_seconds=60.0, feed=feed, clock=clock)


@pytest.mark.parametrize("value", [None, False, 0, "", (), [], {}, "text", object(), MISSING, float("nan")])
def test_any_value_is_loaded_once(cache, value):
    """Also those that are false, or say that there is nothing: the very same object comes back."""
    load = Loads(value)
    assert all(cache.get_or_load("k", load) is value for _ in range(3))
    assert load.count == 1
    assert cache.get_or_load_many(["k"], lambda keys: pytest.fail("known"))["k"] is value
    assert cache.peek("k") is value


def test_known_is_all_or_nothing(cache):
    """The values in the order asked for; None as soon as one is not there. Nothing is loaded or stored by it."""
    assert cache.known(["a"]) is None
    cache.get_or_load("a", lambda: 1)
    cache.get_or_load("b", lambda: None)
    assert cache.known(["b", "a", "b"]) == [None, 1, None]
    assert cache.known(["a", "c"]) is None
    assert cache.known([]) == []
    assert len(cache) == 2


@pytest.mark.parametrize("end", sorted(INTERRUPTIONS.keys() - {"the process is forked"}))
def test_known_is_what_get_or_load_would_not_load(cache, feed, end):
    """Whatever makes a value be loaded again makes it unknown."""
    cache.get_or_load("k", lambda: 1)
    assert cache.known(["k"]) == [1]
    INTERRUPTIONS[end](cache, feed)
    assert cache.known(["k"]) is None


def test_known_ends_with_the_trust_and_with_the_time(cache, feed, clock):
    """As every other question but `peek`."""
    cache.get_or_load("k", lambda: 1)
    feed.lose()
    assert cache.known(["k"]) is None
    feed.find()
    cache.get_or_load("k", lambda: 2)
    clock.now += 59.0
    assert cache.known(["k"]) == [2]
    clock.now += 1.0
    assert cache.known(["k"]) is None


@pytest.mark.parametrize("key", ["", "*", "ключ", "\ud800", "a" * 100_000, "\0"])
def test_any_text_is_a_key(cache, feed, key):
    """Stored and invalidated by it."""
    assert cache.get_or_load(key, lambda: 1) == 1
    assert cache.get_or_load(key, lambda: 2) == 1
    feed.publish(key)
    assert cache.get_or_load(key, lambda: 3) == 3


def test_without_trust_every_call_loads_and_nothing_is_stored(cache, feed):
    """The cache is bypassed while its feed is lost."""
    feed.lose()
    load = Loads()
    for _ in range(3):
        assert cache.get_or_load("k", load) == "loaded"
        assert cache.get_or_load_many(["k"], lambda keys: {"k": load()}) == {"k": "loaded"}
    assert (load.count, len(cache), cache.peek("k")) == (6, 0, MISSING)


def test_what_was_known_before_a_loss_is_seen_by_peek_only(cache, feed):
    """A revocation that is known stays known while Redis is away, and is looked up again once it is back."""
    cache.get_or_load("k", lambda: "revoked")
    feed.lose()
    assert cache.get_or_load("k", lambda: "asked") == "asked"
    assert cache.peek("k") == "revoked"
    feed.find()
    assert cache.peek("k") is MISSING
    assert cache.get_or_load("k", lambda: "new") == "new"


@pytest.mark.parametrize(("seconds", "is_known"), [(0, True), (59.999, True), (60, False), (1e12, False)])
def test_a_value_is_used_for_its_time(cache, clock, seconds, is_known):
    """`ttl_seconds` exactly; afterwards `peek` still has it, and a load that fails leaves it there."""
    cache.get_or_load("k", lambda: "old")
    clock.now += seconds
    with pytest.raises(ZeroDivisionError):
        cache.get_or_load("other", lambda: 1 / 0)
    if not is_known:
        with pytest.raises(ZeroDivisionError):
            cache.get_or_load("k", lambda: 1 / 0)
    assert cache.peek("k") == "old"
    assert cache.get_or_load("k", lambda: "new") == ("old" if is_known else "new")
    assert cache.get_or_load_many(["k"], lambda keys: {}) == {"k": "old" if is_known else "new"}


def test_time_counts_from_before_the_load(cache, clock):
    """A slow load does not make its value younger."""

    def load():
        clock.now += 59
        return "slow"

    cache.get_or_load("k", load)
    clock.now += 1
    assert cache.get_or_load("k", lambda: "new") == "new"


@pytest.mark.parametrize("interruption", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
@pytest.mark.parametrize("is_many", [False, True], ids=["one", "many"])
def test_a_value_that_was_overtaken_is_returned_but_not_kept(cache, feed, interruption, is_many):
    """C7: loaded before the write, arriving after its invalidation, the old value is not stored."""

    def load():
        value = "old"  # read here ...
        interruption(cache, feed)  # ... and written and invalidated meanwhile
        return value

    if is_many:
        assert cache.get_or_load_many(["k", "j"], lambda keys: dict.fromkeys(keys, load())) == {
            "k": "old",
            "j": "old",
        }
    else:
        assert cache.get_or_load("k", load) == "old"
    assert cache.peek("k") is MISSING
    assert cache.get_or_load("k", lambda: "new") == "new"
    assert cache.get_or_load("k", lambda: "newer") == "new"


def test_one_overtaken_key_of_many_leaves_the_others(cache, feed):
    """Only what was invalidated is loaded again."""

    def load_many(keys):
        feed.publish("b")
        return dict.fromkeys(keys, 1)

    cache.get_or_load_many("abc", load_many)
    asked = []
    cache.get_or_load_many("abc", lambda keys: asked.extend(keys) or dict.fromkeys(keys, 2))
    assert asked == ["b"]


def test_a_load_that_began_after_the_invalidation_is_kept(cache, feed):
    """While an overtaken load of the same key is still at work, and whichever of them ends first."""

    def overtaken():
        feed.publish("k")
        assert cache.get_or_load("k", lambda: "new") == "new"
        return "old"

    assert cache.get_or_load("k", overtaken) == "old"
    assert cache.get_or_load("k", lambda: "newest") == "new"


def test_loads_of_one_key_at_the_same_time_are_overtaken_together(cache, feed):
    """Both read before the write; neither is kept."""

    def outer():
        def inner():
            feed.publish("k")
            return "old"

        cache.get_or_load("k", inner)
        return "old"

    cache.get_or_load("k", outer)
    assert cache.peek("k") is MISSING


def test_a_loss_while_loading_keeps_the_value_from_being_served_afterwards(cache, feed):
    """What was read before the loss and arrives before the feed is back is gone with the rest."""

    def load():
        feed.lose()
        return "old"

    cache.get_or_load("k", load)
    feed.find()
    assert cache.get_or_load("k", lambda: "new") == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_errors_of_a_load_pass_through_and_leave_nothing(cache, error):
    """Neither a value nor a trace of the load."""

    def fail(*_):
        raise error

    with pytest.raises(error):
        cache.get_or_load("k", fail)
    with pytest.raises(error):
        cache.get_or_load_many(["k", "j"], fail)
    assert cache.peek("k") is MISSING
    assert cache._loads == {}
    assert cache.get_or_load("k", lambda: 1) == 1


def test_no_trace_of_ended_loads_is_kept(cache, feed):
    """Loaded, overtaken, nested: afterwards nothing is noted any more."""
    for number in range(50):
        cache.get_or_load(str(number), lambda: cache.get_or_load("k", lambda: feed.publish("k")))
    assert cache._loads == {}


def test_many_are_loaded_in_one_call(cache):
    """Only what is not known, each key once, in order; the result has the order of the keys."""
    cache.get_or_load("b", lambda: "B")
    calls = []

    def load_many(keys):
        calls.append(keys)
        return {key: key.upper() for key in reversed(keys)} | {"unasked": 1}

    found = cache.get_or_load_many(iter("abcab"), load_many)
    assert list(found.items()) == [("a", "A"), ("b", "B"), ("c", "C")]
    assert calls == [["a", "c"]]
    assert cache.get_or_load_many("cba", load_many) == {"c": "C", "b": "B", "a": "A"}
    assert (len(calls), cache.peek("unasked")) == (1, MISSING)


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_key_without_a_value_is_left_out(cache, feed, is_trusted):
    """And asked for again the next time; no keys are no call."""
    feed.is_trusted = is_trusted
    calls = []
    for _ in range(2):
        assert cache.get_or_load_many("ab", lambda keys: calls.append(keys) or {"a": None}) == {"a": None}
    assert calls == [["a", "b"], ["b"] if is_trusted else ["a", "b"]]
    assert cache.get_or_load_many([], lambda keys: pytest.fail("nothing to load")) == {}
    assert cache.peek("b") is MISSING


@pytest.mark.parametrize("max_entries", [0, 1, 2, 3, 10, 101])
def test_the_number_of_entries_is_bounded(feed, max_entries):
    """Never more than `max_entries`, and what was used among the last half is there."""
    cache = NearCache(max_entries=max_entries, ttl_seconds=60.0, feed=feed)
    for number in range(1000):
        assert cache.get_or_load(str(number), lambda number=number: number) == number
        assert len(cache) <= max_entries
        recent = range(max(0, number + 1 - max_entries // 2), number + 1) if max_entries > 1 else []
        assert all(cache.peek(str(known)) == known for known in recent)
    assert (len(cache) > 0) == (max_entries > 0)


def test_what_is_used_stays(feed):
    """A key that is asked for now and then outlives any number of others, and is never two entries."""
    cache = NearCache(max_entries=10, ttl_seconds=60.0, feed=feed)
    load = Loads()
    for number in range(1000):
        cache.get_or_load("used", load)
        cache.get_or_load(str(number), lambda: 0)
        assert not cache._recent.keys() & cache._older.keys()
    assert load.count == 1


def test_what_is_forgotten_is_released(feed):
    """Pushed out, discarded, or dropped with the feed: the memory is free at once."""

    class Value:
        pass

    def watch(key):
        value = Value()
        cache.get_or_load(key, lambda: value)
        return weakref.ref(value)

    cache = NearCache(max_entries=4, ttl_seconds=60.0, feed=feed)
    pushed_out = [watch(str(number)) for number in range(8)]
    assert [value() is None for value in pushed_out] == [True] * 4 + [False] * 4
    cache.discard("7")
    assert pushed_out[7]() is None
    feed.find()
    assert [value() for value in pushed_out] == [None] * 8


def test_a_finalizer_may_use_the_cache(feed):
    """A value that is dropped while the cache is at work does not lock it."""

    class Value:
        def __del__(self):
            cache.discard("other")

    cache = NearCache(max_entries=1, ttl_seconds=60.0, feed=feed)
    for number in range(5):
        cache.get_or_load(str(number), Value)
    feed.find()
    assert len(cache) == 0


def test_several_caches_share_a_feed():
    """Each hears of every change, in its own keys."""
    feed = LocalFeed()
    caches = [NearCache(max_entries=10, ttl_seconds=60.0, feed=feed) for _ in range(3)]
    for number, cache in enumerate(caches):
        cache.get_or_load("k", lambda number=number: number)
    feed.publish("k", "unknown")
    assert [cache.peek("k") for cache in caches] == [MISSING] * 3


def test_a_cache_that_is_thrown_away_with_its_feed_is_collected():
    """The two hold each other, and nothing else holds them."""
    feed = LocalFeed()
    cache = weakref.ref(NearCache(max_entries=10, ttl_seconds=60.0, feed=feed))
    assert cache() is not None
    del feed
    gc.collect()
    assert cache() is None
