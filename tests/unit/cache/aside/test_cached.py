"""`@cached` and `get_or_load` on one process: what is kept, for how long, and who loads. PITFALLS C3, C4, C8."""

import asyncio
import threading
import time

import pytest

from flask_backend_patterns import SetupError
from flask_backend_patterns.cache import (
    NotStored,
    UncacheableValueError,
    cached,
    get_many_or_load,
    get_or_load,
    get_or_load_async,
    invalidate,
    write_through,
)


class Clock:
    """Moves the engine's, the store's and the near cache's time."""

    def __init__(self, engine):
        self.offset = 0.0
        engine.wall_clock = lambda: time.time() + self.offset
        engine.near._clock = lambda: time.monotonic() + self.offset
        engine.store._clock = engine.wall_clock
        engine.store._monotonic = engine.near._clock

    def pass_(self, seconds):
        self.offset += seconds


@pytest.fixture
def clock(engine):
    return Clock(engine)


class Counted:
    """A loader that counts, and returns what it is told to; an exception is raised."""

    def __init__(self, value="value", seconds=0.0):
        self.value, self.seconds, self.count = value, seconds, 0

    def __call__(self):
        self.count += 1
        time.sleep(self.seconds)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    async def coroutine(self):
        self.count += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("value", [None, False, 0, "", [], {"a": [1, (2,)]}, b"\0", 1.5])
def test_any_value_is_loaded_once_and_comes_back_equal(cache_app, value, near):
    """None too (C4), from the process and from the store."""
    load = Counted(value)
    results = [get_or_load("k", load, near=near) for _ in range(3)]
    assert results == [value] * 3
    assert load.count == 1


def test_a_caller_may_change_what_it_got(cache_app):
    """Without the next one noticing."""
    for _ in range(4):
        found = get_or_load("k", lambda: {"list": [1]})
        assert found == {"list": [1]}
        found["list"].append(2)


@pytest.mark.parametrize(
    ("options", "value", "seconds", "loads"),
    [
        ({"ttl": 100}, "v", 99, 1),
        ({"ttl": 100}, "v", 101, 2),
        ({"ttl": 100}, None, 9, 1),
        ({"ttl": 100}, None, 11, 2),
        ({"ttl": 5}, None, 6, 2),
        ({"ttl": 100, "none_ttl": 50}, None, 49, 1),
        ({"ttl": 100, "none_ttl": 50}, None, 51, 2),
        ({"ttl": 100, "none_ttl": 0}, None, 0, 2),
        ({"ttl": 100, "none_ttl": 0}, "v", 1, 1),
    ],
)
def test_values_live_for_their_time(cache_app, clock, options, value, seconds, loads):
    """C4: None has a life of its own, 10 s at most unless it is given."""
    load = Counted(value)
    get_or_load("k", load, jitter=0, **options)
    clock.pass_(seconds)
    assert get_or_load("k", load, jitter=0, **options) == value
    assert load.count == loads


def test_jitter_shortens_lives_and_spreads_them(cache_app):
    """By up to its part, never longer than the ttl."""
    from flask_backend_patterns.cache.policy import Lifetimes

    lives = [Lifetimes(ttl=100, jitter=0.2).of("v")[0] for _ in range(1000)]
    assert 80 <= min(lives) < 83
    assert 97 < max(lives) <= 100


def test_one_refreshes_while_the_others_get_the_old_value_at_once(cache_app, clock, in_threads):
    """C8: 16 callers at expiry make one load; the 15 others do not wait for it."""
    get_or_load("k", lambda: "old", ttl=10, stale=60, jitter=0)
    clock.pass_(11)
    is_loading, go_on = threading.Event(), threading.Event()
    loads = []

    def slow():
        loads.append(1)
        is_loading.set()
        assert go_on.wait(60)
        return "new"

    results = []
    refresher = threading.Thread(
        target=lambda: results.extend(in_threads(lambda: get_or_load("k", slow, ttl=10, stale=60), 1))
    )
    refresher.start()
    assert is_loading.wait(60)
    assert in_threads(lambda: get_or_load("k", slow, ttl=10, stale=60), 15) == ["old"] * 15
    go_on.set()
    refresher.join()
    assert (results, len(loads)) == (["new"], 1)
    assert get_or_load("k", slow, ttl=10, stale=60) == "new"


def test_an_old_value_serves_while_the_loader_fails_until_stale_ends(cache_app, clock, engine):
    """C8, second half; logged once; a loader that works again is used again."""
    events = []
    engine.log = type("Log", (), {"warning": lambda self, event, **fields: events.append(event)})()
    load = Counted("old")
    options = {"ttl": 10, "stale": 60, "jitter": 0}
    get_or_load("k", load, **options)
    load.value = ValueError("database is away")
    clock.pass_(11)
    assert [get_or_load("k", load, **options) for _ in range(5)] == ["old"] * 5
    assert load.count == 2  # one has tried, and for a second nobody else does
    clock.pass_(2)
    assert get_or_load("k", load, **options) == "old"
    assert (load.count, events) == (3, ["cache_load_failed"])
    clock.pass_(60)
    with pytest.raises(ValueError, match="away"):
        get_or_load("k", load, **options)
    load.value = "new"
    assert get_or_load("k", load, **options) == "new"


@pytest.mark.parametrize("count", [2, 32])
def test_threads_share_one_load(cache_app, in_threads, count):
    """C3 within the process."""
    load = Counted({"a": 1}, seconds=0.05)
    assert in_threads(lambda: get_or_load("k", load), count) == [{"a": 1}] * count
    assert load.count == 1


def test_each_waiter_has_its_own_value(cache_app, in_threads):
    """What one changes, the others do not see."""
    found = in_threads(lambda: get_or_load("k", Counted([], seconds=0.05)), 8)
    assert len({id(value) for value in found}) == 8


def test_waiters_load_in_turn_when_the_loader_fails(cache_app, in_threads):
    """Each gets its own exception; never two loads at once."""
    at_work, most = [], []

    def fail():
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.005)
        at_work.pop()
        raise ValueError("no")

    results = in_threads(lambda: get_or_load("k", fail), 8)
    assert [type(error) for error in results] == [ValueError] * 8
    assert (len(most), max(most)) == (8, 1)


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration("x"), KeyError("x"), KeyboardInterrupt()])
def test_the_loaders_exception_is_the_callers(cache_app, error):
    """Unchanged, whatever it is; and nothing is left behind."""

    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        get_or_load("k", fail)
    assert caught.value is error
    assert get_or_load("k", lambda: 1) == 1


def test_what_is_not_stored_is_for_its_caller_alone(cache_app, in_threads):
    """`NotStored`: a waiter loads its own, and nothing is kept."""
    numbers = iter(range(100))

    def load():
        time.sleep(0.02)
        return NotStored(next(numbers))

    assert sorted(in_threads(lambda: get_or_load("k", load), 8)) == list(range(8))


def test_waiting_ends(cache_app, engine, in_threads):
    """After `wait_seconds` a caller loads by itself."""
    object.__setattr__(engine.settings, "wait_seconds", 0.05)
    go_on = threading.Event()

    def slow():
        assert go_on.wait(60)
        return "slow"

    results = []
    leader = threading.Thread(target=lambda: results.extend(in_threads(lambda: get_or_load("k", slow), 1)))
    leader.start()
    while not engine.flights._flights:
        time.sleep(0.001)
    assert get_or_load("k", lambda: "own") == "own"
    go_on.set()
    leader.join()
    assert results == ["slow"]


def test_a_cached_call_within_a_loader(cache_app):
    """Nested: both are kept; of the same key: it is loaded, and nobody waits for himself."""

    @cached(key="outer:{n}")
    def outer(n):
        return [inner(n), inner(n)]

    @cached(key="inner:{n}")
    def inner(n):
        return n * 2

    @cached(key="self:{n}")
    def again(n, depth=0):
        return "end" if depth == 3 else again(n, depth + 1)

    assert outer(2) == [4, 4]
    assert again(1) == "end"
    assert get_or_load("outer:2", pytest.fail) == [4, 4]


def test_loaders_that_want_each_others_value_do_not_wait_for_ever(cache_app, in_threads):
    """Two threads, each loading what the other's loader asks for."""
    both = threading.Barrier(2)
    names = iter([("a", "b"), ("b", "a")])

    def work():
        mine, other = next(names)

        def load():
            both.wait(60)
            return mine + get_or_load(other, lambda: other)

        return get_or_load(mine, load)

    start = time.monotonic()
    assert {value[0] for value in in_threads(work, 2)} == {"a", "b"}
    assert time.monotonic() - start < 9  # as long as anybody waits for another's load: 10 s


def test_coroutines_share_one_load(cache_app, engine):
    """In one loop, and over loops of several threads."""
    load = Counted("v", seconds=0.1)

    async def main():
        return await asyncio.gather(*(get_or_load_async("k", load.coroutine) for _ in range(20)))

    found = []

    def loop():
        with cache_app.app_context():
            found.append(asyncio.run(main()))

    threads = [threading.Thread(target=loop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["v"] * 20] * 3
    assert load.count == 1


def test_who_waits_leaves_the_loop_free(cache_app):
    """The load goes on only once another coroutine of the same loop has run."""

    async def main():
        go_on = asyncio.Event()

        async def load():
            await asyncio.wait_for(go_on.wait(), 20)
            return "v"

        async def free():
            await asyncio.sleep(0.02)
            go_on.set()

        return await asyncio.gather(get_or_load_async("k", load), get_or_load_async("k", load), free())

    assert asyncio.run(main()) == ["v", "v", None]


def test_a_cancelled_load_is_taken_over(cache_app):
    """Who waits for it loads."""

    async def main():
        load = Counted("v", seconds=0.2)
        first = asyncio.create_task(get_or_load_async("k", load.coroutine))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(get_or_load_async("k", load.coroutine))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == "v"
        with pytest.raises(asyncio.CancelledError):
            await first
        return load.count

    assert asyncio.run(main()) == 2


def test_a_decorated_coroutine_function(cache_app):
    """Kept like a function, also its recursion in a task of its own."""
    calls = []

    @cached(key="k:{n}")
    async def double(n, depth=1):
        calls.append(n)
        if depth:
            await asyncio.gather(double(n, 0))
        return n * 2

    async def main():
        return [await double(2), await double(2), await double.fresh(2), await double.refresh(2)]

    assert asyncio.run(main()) == [4] * 4
    assert calls == [2, 2, 2]  # with the recursion while loading, and the refresh


def test_fresh_refresh_invalidate_key_uncached(cache_app, engine):
    """What a decorated function and method have beside the call."""

    class Shop:
        count = 0

        @cached(key="shop:{item_id}", tags=["items"])
        def item(self, item_id):
            """Documented."""
            self.count += 1
            return self.count

    shop = Shop()
    assert [shop.item(1), shop.item(1), shop.item(item_id=1)] == [1, 1, 1]
    engine.store.invalidate(keys=["shop:1"])  # behind the back of this process
    assert (shop.item(1), shop.item.fresh(1), shop.item(1)) == (1, 2, 2)
    assert (shop.item.refresh(1), shop.item(1)) == (3, 3)
    shop.item.invalidate(1)
    assert (shop.item(1), shop.item.key(1), shop.item.uncached(1)) == (4, "shop:1", 5)
    assert Shop.item.__name__ == "item"
    assert Shop.item.__doc__ == "Documented."


@pytest.mark.parametrize(
    "change",
    [
        lambda: invalidate(tags=["items"]),
        lambda: invalidate(keys=["k"]),
        lambda: invalidate(prefix="k"),
        lambda: invalidate(everything=True),
        lambda: write_through("k", "new"),
    ],
)
def test_who_comes_after_a_change_does_not_share_an_older_load(cache_app, engine, in_threads, change):
    """C7 in one process: the load at work has read the old value; the one that asks afterwards gets the new one."""
    current = ["old"]
    has_read, go_on = threading.Event(), threading.Event()

    def load():
        value = current[0]
        if value == "old":
            has_read.set()
            assert go_on.wait(60)
        return value

    def ask():
        return get_or_load("k", load, tags=["items"])

    leader = threading.Thread(target=in_threads, args=(ask, 1))
    leader.start()
    assert has_read.wait(60)
    current[0] = "new"
    change()
    assert ask() == "new"
    go_on.set()
    leader.join()
    assert ask() == "new"
    engine.near.forget(None)
    assert ask() == "new"


def test_many_values_are_one_question_and_one_load(cache_app, engine):
    """The loader gets all misses at once; what it leaves out stays missing; the order is that of the question."""
    reads, loads = [], []
    read = engine.store.read
    engine.store.read = lambda wanted: reads.append(len(wanted)) or read(wanted)

    def load_many(ids):
        loads.append(list(ids))
        return {number: {"id": number} for number in ids if number != 3}

    options = {"key": "item:{}".format, "tags": lambda number: [f"item:{number}", "items"]}
    assert list(get_many_or_load([2, 1, 2, 3], load_many, **options)) == [2, 1]
    assert get_many_or_load([1, 2, 3, 4], load_many, **options)[4] == {"id": 4}
    assert (reads, loads) == ([3, 2], [[2, 1, 3], [3, 4]])
    invalidate(tags=["item:1"])
    get_many_or_load([1, 2], load_many, **options, fresh=True)
    assert loads[2:] == [[1]]
    assert get_or_load("item:4", pytest.fail, tags=["item:4", "items"]) == {"id": 4}
    assert get_many_or_load([], pytest.fail) == {}
    with pytest.raises(ZeroDivisionError):
        get_many_or_load(["a"], lambda keys: 1 / 0)
    assert get_many_or_load(["a"], lambda keys: {"a": 1}) == {"a": 1}


def test_many_old_values_serve_when_the_loader_fails(cache_app, clock):
    """Those that have one; stale as for single values."""
    options = {"ttl": 10, "stale": 60, "jitter": 0}
    get_many_or_load(["a", "b"], lambda keys: dict.fromkeys(keys, "old"), **options)
    clock.pass_(11)
    assert get_many_or_load(["a", "b"], lambda keys: 1 / 0, **options) == {"a": "old", "b": "old"}


def test_many_are_overtaken_one_by_one(cache_app):
    """C7: of what was loaded only the one that was invalidated meanwhile is not kept."""

    def load_many(keys):
        invalidate(keys=["b"])
        return dict.fromkeys(keys, "old")

    get_many_or_load("abc", load_many)
    assert get_many_or_load("abc", lambda keys: dict.fromkeys(keys, "new")) == {
        "a": "old",
        "b": "new",
        "c": "old",
    }


def test_a_value_that_cannot_be_stored_is_an_error(cache_app):
    """It names the type; the next call is told the same."""

    class Thing:
        pass

    for _ in range(2):
        with pytest.raises(UncacheableValueError, match="Thing"):
            get_or_load("k", Thing)


def test_too_large_a_value_is_not_stored(cache_app, engine):
    """It is returned, and loaded again."""
    load = Counted("x" * (engine.settings.max_value_bytes + 1))
    assert len({get_or_load("k", load) for _ in range(2)}) == 1
    assert load.count == 2


def test_without_a_context_functions_are_called():
    """In a script, and where the cache is switched off; without BackendPatterns it is an error."""
    from flask import Flask

    from flask_backend_patterns import BackendPatterns

    load = Counted()

    @cached(key="k")
    def function():
        return load()

    assert [function(), function()] == ["value"] * 2
    invalidate(tags=["t"])
    off = Flask("off")
    off.config["BACKEND_CACHE_ENABLED"] = False
    BackendPatterns(off)
    with off.app_context():
        assert [function(), function.fresh(), get_or_load("k", load)] == ["value"] * 3
        function.invalidate()
    assert load.count == 5
    with Flask("bare").app_context(), pytest.raises(SetupError, match="BackendPatterns"):
        function()


def test_apps_keep_apart(cache_app):
    """One function, two apps: two values, without Redis."""
    from flask import Flask

    from flask_backend_patterns import BackendPatterns

    load = Counted()

    @cached(key="k")
    def function():
        return load()

    other = Flask("other")
    BackendPatterns(other)
    function()
    with other.app_context():
        function()
        function()
    function()
    assert load.count == 2
