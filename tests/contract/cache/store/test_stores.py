"""What every store promises, whatever it stands on. PITFALLS C3, C7, R4."""

import threading
import time

import pytest

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.cache.protocols import Asked, Loaded, Wanted

KEPT = {"fresh_seconds": 60, "kept_seconds": 600}
ITEM = Wanted(key="item:7", tags=("item:7", "items"))
PLAIN = Wanted(key="plain")
NAMES = ["a b\tc\n", "ключ", "*", "a?b[c]\\", "{other}", "x" * 2000, "\ud800", "\0", "a:b", "'\"", "v:", "-^"]


def begin(store, wanted=ITEM, owner="me", seconds=60, **options):
    return store.begin(wanted, owner=owner, lease_seconds=seconds, **options)


def put(store, wanted=ITEM, payload=b"value"):
    assert store.finish(begin(store, wanted, owner=ascii(wanted.key)).lease, payload, **KEPT)


def payload_of(store, wanted=ITEM):
    (stored,) = store.read([wanted])
    return None if stored is None else stored.payload


def until_it_is(wanted, get):
    deadline = time.monotonic() + 60
    while (found := get()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.005)


@pytest.mark.parametrize("wanted", [ITEM, PLAIN], ids=["tags", "no tags"])
def test_a_value_comes_back_as_it_was_put(store, wanted):
    """Bytes and the time until which they are fresh; before, there is nothing."""
    assert store.read([wanted]) == [None]
    begun = begin(store, wanted)
    assert begun.stored is None
    now = time.time()
    assert store.finish(begun.lease, b"\x00\xff value", **KEPT)
    (stored,) = store.read([wanted])
    assert stored.payload == b"\x00\xff value"
    assert now + 60 <= stored.fresh_until <= time.time() + 60


@pytest.mark.parametrize("payload", [b"", b"\n", b"\x01" * 40, bytes(range(256)) * 2000], ids=len)
def test_any_bytes_can_be_stored(store, payload):
    """Empty ones, such as look like a head, half a megabyte."""
    put(store, payload=payload)
    assert payload_of(store) == payload
    assert begin(store).stored.payload == payload


def test_keys_and_tags_are_any_text(store):
    """Blanks, patterns, braces, surrogates, long ones: each is a name of its own."""
    for name in NAMES:
        check_name(store, name)


def check_name(store, name):
    wanted, other = Wanted(key=name, tags=(name,)), Wanted(key=f"{name}!", tags=(f"{name}!",))
    put(store, wanted, b"this")
    put(store, other, b"other")
    assert [stored.payload for stored in store.read([wanted, other])] == [b"this", b"other"]
    assert store.invalidate(keys=[name]) == 1
    store.invalidate(tags=[f"{name}!"])
    assert store.read([wanted, other]) == [None, None]


def test_many_are_read_in_their_order(store):
    """Each with its own tags, shared or not; the same one twice; none at all."""
    first, second = Wanted(key="1", tags=("a", "b")), Wanted(key="2", tags=("b",))
    put(store, first, b"1")
    put(store, second, b"2")
    missing = Wanted(key="3", tags=("c",))
    found = store.read([second, missing, first, second])
    assert [None if stored is None else stored.payload for stored in found] == [b"2", None, b"1", b"2"]
    store.invalidate(tags=["a"])
    assert [stored is None for stored in store.read([first, second])] == [True, False]
    assert store.read([]) == []


def test_a_value_is_read_by_the_tags_it_was_put_with(store):
    """Read with others, as after a change of the code, it is a miss."""
    put(store)
    assert payload_of(store, Wanted(key=ITEM.key, tags=("items",))) is None
    assert payload_of(store, Wanted(key=ITEM.key, tags=(*ITEM.tags, "more"))) is None


def test_one_loads_at_a_time(store):
    """While a lease is held nobody else gets one; then all get the value, and no lease."""
    lease = begin(store).lease
    assert begin(store, owner="other") == begin(store, owner="third")
    assert begin(store, owner="other").lease is None
    assert begin(store, Wanted(key="another")).lease is not None
    assert store.finish(lease, b"value", **KEPT)
    begun = begin(store, owner="other")
    assert (begun.stored.payload, begun.lease) == (b"value", None)


def test_a_refresh_takes_the_lease_beside_the_value(store):
    """One gets the lease to refresh, the others none; all get the old value, until the new one is there."""
    put(store, payload=b"old")
    begun = begin(store, is_refresh=True)
    assert begun.stored.payload == b"old"
    other = begin(store, owner="other", is_refresh=True)
    assert (other.stored.payload, other.lease, payload_of(store)) == (b"old", None, b"old")
    assert store.finish(begun.lease, b"new", **KEPT)
    assert payload_of(store) == b"new"


def test_a_lease_is_released_by_its_owner_only(store):
    """After a release the next one loads; a stranger's release does nothing, and a released lease stores nothing."""
    lease = begin(store).lease
    stranger = type(lease)(wanted=lease.wanted, owner="stranger", versions=lease.versions)
    store.release(stranger)
    assert begin(store, owner="other").lease is None
    store.release(lease)
    other = begin(store, owner="other").lease
    assert other is not None
    store.release(lease)
    assert not store.finish(lease, b"late", **KEPT)
    assert payload_of(store) is None
    assert store.finish(other, b"value", **KEPT)


def test_a_lease_whose_holder_is_silent_is_taken_over_and_fenced(store):
    """The first holder's value is refused, before and after the second has stored."""
    silent = begin(store, seconds=0.03).lease
    taken = []
    until_it_is(True, lambda: taken.append(begin(store, owner="second").lease) or taken[-1] is not None)
    assert not store.finish(silent, b"late", **KEPT)
    store.renew([silent], lease_seconds=60)
    store.release(silent)
    assert store.finish(taken[-1], b"value", **KEPT)
    assert not store.finish(silent, b"late", **KEPT)
    assert payload_of(store) == b"value"


def test_a_lease_is_renewed(store):
    """Held on, it is not taken over when its first time is over; those of others are left alone."""
    lease, lost = begin(store, seconds=0.25).lease, begin(store, PLAIN, seconds=0.02).lease
    store.renew([lease, lost], lease_seconds=60)
    store.renew([type(lease)(wanted=ITEM, owner="stranger", versions=lease.versions)], lease_seconds=0.001)
    time.sleep(0.3)
    assert begin(store, owner="other").lease is None
    assert store.finish(lease, b"value", **KEPT)
    store.renew([], lease_seconds=1)


def test_a_value_is_kept_for_its_time(store):
    """Then it is gone, and somebody loads again."""
    assert store.finish(begin(store).lease, b"value", fresh_seconds=0.01, kept_seconds=0.05)
    until_it_is(None, lambda: payload_of(store))
    assert begin(store).lease is not None


def forget_all(store, way):
    if way == "prefix" and not store.can_list:
        pytest.skip("this store cannot list its keys")
    options = {"key": {"keys": ["item:7"]}, "tag": {"tags": ["items"]}, "prefix": {"prefix": "item:"}}[way]
    return store.invalidate(**options)


WAYS = pytest.mark.parametrize("way", ["key", "tag", "prefix"])


@WAYS
def test_what_is_invalidated_is_gone(store, way):
    """By key, by one of its tags, by the beginning of its key; how many keys were there is said (tags count none)."""
    put(store)
    put(store, PLAIN, b"plain")
    assert forget_all(store, way) == (0 if way == "tag" else 1)
    assert payload_of(store) is None
    assert payload_of(store, PLAIN) == b"plain"
    assert forget_all(store, way) == 0


@WAYS
@pytest.mark.parametrize("had_value", [False, True], ids=["cold", "refresh"])
def test_c7_what_was_loaded_before_an_invalidation_is_not_stored(store, way, had_value):
    """The reader has the old value, the writer invalidates, the reader stores: refused, and never seen (C7)."""
    if had_value:
        put(store, payload=b"older")
    lease = begin(store, is_refresh=had_value).lease
    forget_all(store, way)
    assert not store.finish(lease, b"old", **KEPT)
    assert payload_of(store) is None


@WAYS
def test_c7_an_invalidation_breaks_the_lease(store, way):
    """The next reader need not wait for a load that is overtaken; its own value stays when the old one arrives."""
    old = begin(store).lease
    forget_all(store, way)
    new = begin(store, owner="new").lease
    assert new is not None
    assert not store.finish(old, b"old", **KEPT)
    assert store.finish(new, b"new", **KEPT)
    assert not store.finish(old, b"old", **KEPT)
    assert payload_of(store) == b"new"


@WAYS
def test_c7_a_tag_never_takes_old_values_back(store, way):
    """However often a tag is forgotten and made again, what was stored under it before stays gone."""
    put(store)
    for _ in range(3):
        forget_all(store, way)
        store.release(begin(store, Wanted(key="another", tags=ITEM.tags)).lease)
        assert payload_of(store) is None


def test_c7_a_write_overtakes_those_who_load(store):
    """The value that was written stays; the load's is refused, and others need not wait for it."""
    lease = begin(store).lease
    store.write(ITEM, b"written", **KEPT)
    assert payload_of(store) == b"written"
    assert begin(store, owner="other").stored.payload == b"written"
    assert not store.finish(lease, b"old", **KEPT)
    assert payload_of(store) == b"written"
    store.write(ITEM, b"again", **KEPT)
    assert payload_of(store) == b"again"


@WAYS
def test_what_was_written_is_invalidated_like_anything_else(store, way):
    """Write-through leaves nothing behind."""
    store.write(ITEM, b"written", **KEPT)
    forget_all(store, way)
    assert payload_of(store) is None


def test_a_prefix_is_the_beginning_of_keys_and_no_pattern(store):
    """Only what begins with it goes, whatever stands in it."""
    if not store.can_list:
        with pytest.raises(SetupError, match="give the values a tag"):
            store.invalidate(prefix="a*")
        return
    names = ["a*:1", "a*:2", "ab:1", "a", "?:1", "[a]:1", "\\:1", "a:1"]
    for name in names:
        put(store, Wanted(key=name))
    assert store.invalidate(prefix="a*") == 2
    for prefix in ("?", "[a]", "\\"):
        assert store.invalidate(prefix=prefix) == 1
    assert [payload_of(store, Wanted(key=name)) is None for name in names] == [
        *(True, True, False, False),
        *(True, True, True, False),
    ]


def test_r4_an_empty_prefix_is_refused(store):
    """It would mean everything; nothing is forgotten."""
    put(store)
    with pytest.raises(SetupError):
        store.invalidate(prefix="", keys=[ITEM.key])
    assert payload_of(store) == b"value"


def test_many_are_asked_for_and_stored_at_once(store):
    """Each answer is that of its own value: there, being loaded, cold; and stored unless it was forgotten meanwhile."""
    put(store)
    names = ("loading", "cold", "forgotten", "given back")
    wanted = [Wanted(key=name, tags=("items", name)) for name in names]
    store.begin(wanted[0], owner="other", lease_seconds=60)
    asked = [Asked(wanted=one, owner=f"me {one.key}") for one in (ITEM, *wanted)]
    begun = store.begin_many(asked, lease_seconds=60)
    assert [one.stored and one.stored.payload for one in begun] == [b"value", None, None, None, None]
    assert [one.lease is not None for one in begun] == [False, False, True, True, True]
    store.invalidate(tags=["forgotten"])
    store.release(begun[4].lease)
    loaded = [
        Loaded(lease=one.lease, payload=b"x" + one.lease.wanted.key.encode(), **KEPT) for one in begun[2:]
    ]
    assert store.finish_many(loaded) == [True, False, False]
    found = store.read(wanted)
    assert [one and one.payload for one in found] == [None, b"xcold", None, None]
    assert begin(store, wanted=wanted[3]).lease is not None
    assert store.begin_many([], lease_seconds=1) == store.finish_many([]) == []


@pytest.mark.parametrize("way", [{"tags": ["items"]}, {"keys": [ITEM.key]}], ids=["tag", "key"])
def test_what_is_about_to_change_is_not_stored(store, way):
    """On hold: there is nothing, who loads may not store, a write neither; until it is invalidated again, or time is over."""
    if not store.is_shared:
        pytest.skip("its values end with the process that changes them")
    put(store)
    before = begin(store, owner="before", is_refresh=True).lease
    store.invalidate(**way, hold_seconds=60)
    assert payload_of(store) is None
    assert not store.finish(before, b"old", **KEPT)
    lease = begin(store, owner="within").lease
    assert lease is not None
    assert not store.finish(lease, b"old", **KEPT)
    store.write(ITEM, b"old", **KEPT)
    assert payload_of(store) is None
    late = begin(store, owner="late").lease
    store.invalidate(**way)
    assert late is None or not store.finish(late, b"old", **KEPT)
    put(store)
    assert payload_of(store) == b"value"
    store.invalidate(**way, hold_seconds=0.05)
    deadline = time.monotonic() + 60
    while payload_of(store) is None:
        assert time.monotonic() < deadline
        lease = begin(store, owner="after", is_refresh=True).lease
        if lease is None or not store.finish(lease, b"after", **KEPT):
            time.sleep(0.05)


def test_c3_of_64_threads_one_gets_the_lease(store):
    """Exactly one, on a cold key; the others get neither value nor lease."""
    barrier, begun = threading.Barrier(64), []

    def ask(number):
        barrier.wait()
        begun.append(begin(store, owner=f"thread {number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 64
    assert [one.lease is not None for one in begun].count(True) == 1
    assert all(one.stored is None for one in begun)


def test_c7_under_load_nothing_older_than_the_last_invalidation_is_read(store):
    """Threads load and store while one writes: after each invalidation every read is of the new state."""
    current, stop, faults = [0], threading.Event(), []

    def load(name):
        number = 0
        while not stop.is_set():
            number += 1
            lease = begin(store, owner=f"{name}:{number}", is_refresh=True).lease
            if lease is not None:
                store.finish(lease, str(current[0]).encode(), **KEPT)

    threads = [threading.Thread(target=load, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 41):
            current[0] = number
            store.invalidate(**({"keys": [ITEM.key]} if number % 2 else {"tags": ["items"]}))
            faults += [found for _ in range(3) if (found := payload_of(store)) not in (None, b"%d" % number)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []


def test_facts_for_people(store):
    """The store says what it is."""
    put(store)
    facts = store.stats()
    assert facts["store"] == store.name
    assert facts["entries"] is None or facts["entries"] >= 1
