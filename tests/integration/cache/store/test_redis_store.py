"""Cached values in a real Redis: what is kept where, what is told, and what is never touched. PITFALLS C3, C7, R4."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from flask_backend_patterns.cache.feed import decode_keys
from flask_backend_patterns.cache.protocols import Wanted
from flask_backend_patterns.errors import CacheError
from tests.redis_commands import commands_of

HERE = Path(__file__).parent
KEPT = {"fresh_seconds": 60, "kept_seconds": 600}
ITEM = Wanted(key="item:7", tags=("item:7", "items"))
PREFIX = "backend:cache:{shop}:"
DAY = 86_400
CHANNEL = "backend:cache:shop"


def put(store, wanted=ITEM, payload=b"value", **options):
    lease = store.begin(wanted, owner="me", lease_seconds=60).lease
    assert store.finish(lease, payload, **{**KEPT, **options})


def seconds_left(client, name):
    return client.pttl(PREFIX + name) / 1000


def test_what_is_kept_is_named_by_prefix_kind_and_name(store, client):
    """A value, a lease, the version of each tag; all with a life of their own, none for ever."""
    store.begin(Wanted(key="loading"), owner="me", lease_seconds=5)
    put(store)
    names = {name.decode() for name in client.scan_iter()}
    kinds = ["v:item:7", "t:item:7", "t:items", "l:loading"]
    assert names == {PREFIX + kind for kind in kinds}
    assert 599 < seconds_left(client, "v:item:7") <= 600
    assert 4 < seconds_left(client, "l:loading") <= 5


@pytest.mark.parametrize("how", ["load", "write"])
def test_tags_outlive_every_value_that_bears_them(store, client, how):
    """By half a day at least, also where the tag was there before with a shorter life."""
    put(store, Wanted(key="short", tags=("items",)), kept_seconds=1)
    assert seconds_left(client, "t:items") <= 2 * DAY
    if how == "load":
        put(store, kept_seconds=30 * DAY)
    else:
        store.write(ITEM, b"value", fresh_seconds=1, kept_seconds=30 * DAY)
    assert seconds_left(client, "t:items") >= 30.5 * DAY
    assert seconds_left(client, "t:item:7") >= 30.5 * DAY
    put(store, Wanted(key="short again", tags=("items",)), kept_seconds=1)
    assert seconds_left(client, "t:items") >= 30.5 * DAY


def test_an_evicted_tag_makes_its_values_misses_for_ever(store, client):
    """Redis may throw out any key: the tag's next version is another one."""
    put(store)
    client.delete(PREFIX + "t:items")
    assert store.read([ITEM]) == [None]
    lease = store.begin(ITEM, owner="me", lease_seconds=60).lease
    assert lease is not None
    assert store.read([ITEM]) == [None]
    client.delete(PREFIX + "t:items")
    assert not store.finish(lease, b"value", **KEPT)


def test_no_pickle_is_written_and_none_is_read(store, client):
    """The payload stands in the value as it is; what somebody else puts there is a miss (C6)."""
    put(store, payload=b"payload")
    stored = client.get(PREFIX + "v:item:7")
    assert stored.endswith(b"payload")
    with pytest.raises(Exception):  # noqa: B017 - whatever pickle says of it
        pickle.loads(stored)


HOSTILE = [
    b"",
    b"\x01",
    b"\x01" * 8,
    b"\x02" + b"\0" * 60,
    pickle.dumps("x"),
    b"\xff" * 100,
    b"\x01" + b"\0" * 60,
]


@pytest.mark.parametrize("tags", [(), ("a",), ("a", "b")], ids=len)
def test_foreign_bytes_under_our_names_are_misses(store, client, tags):
    """Cut, of another version, without our versions of the tags; only what looks like ours is given to the decoder."""
    wanted = Wanted(key="x", tags=tags)
    put(store, wanted)
    for stored in HOSTILE:
        client.set(PREFIX + "v:x", stored)
        looks_like_ours = not tags and len(stored) >= 9 and stored[0] == 1
        assert (store.read([wanted])[0] is not None) is looks_like_ours
        begun = store.begin(wanted, owner="me", lease_seconds=60)
        assert (begun.stored is not None) is looks_like_ours
        assert (begun.lease is None) is looks_like_ours
        client.delete(PREFIX + "l:x")


@pytest.mark.parametrize("kind", ["list", "hash"])
@pytest.mark.parametrize("name", ["v:item:7", "l:item:7", "t:items", "t:item:7"])
def test_keys_of_another_type_are_misses_and_made_anew(store, client, kind, name):
    """Whatever somebody has put there: neither an exception nor a value that is never kept again."""
    put(store)
    client.delete(PREFIX + name)
    if kind == "list":
        client.rpush(PREFIX + name, "x")
    else:
        client.hset(PREFIX + name, "x", "y")
    assert store.read([ITEM]) == ([None] if name[0] != "l" else store.read([ITEM]))
    store.invalidate(keys=["none"])
    lease = store.begin(ITEM, owner="me", lease_seconds=60, is_refresh=True).lease
    assert store.finish(lease, b"new", **KEPT)
    assert store.read([ITEM])[0].payload == b"new"


@pytest.mark.parametrize("version", [b"\xff" * 16, b"\x80abc", b"", b"x" * 100])
def test_versions_that_are_not_ours_are_taken_or_made_anew(store, client, version):
    """Bytes that are no text, and such of another length."""
    put(store)
    client.set(PREFIX + "t:items", version)
    assert store.read([ITEM]) == [None]
    lease = store.begin(ITEM, owner="me", lease_seconds=60).lease
    store.renew([lease], lease_seconds=60)
    assert store.finish(lease, b"new", **KEPT)
    assert store.read([ITEM])[0].payload == b"new"


def test_a_tag_of_a_value_that_never_comes_is_soon_gone(store, client):
    """Else strangers who ask for what is not there fill Redis; a load that takes long keeps its tags alive."""
    lease = store.begin(ITEM, owner="me", lease_seconds=5).lease
    assert 60 < seconds_left(client, "t:items") <= 65
    store.release(lease)
    lease = store.begin(ITEM, owner="me", lease_seconds=5).lease
    for tag in ("t:items", "t:item:7"):
        client.pexpire(PREFIX + tag, 50)
    store.renew([lease], lease_seconds=5)
    assert 60 < seconds_left(client, "t:items") <= 65
    assert 60 < seconds_left(client, "t:item:7") <= 65
    client.pexpire(PREFIX + "t:items", 50)
    store.begin(Wanted(key="other", tags=("items",)), owner="me", lease_seconds=5)
    assert 60 < seconds_left(client, "t:items") <= 65
    assert store.finish(lease, b"value", **KEPT)


def test_what_is_on_hold_is_not_held_for_longer(store, client):
    """By those who begin a load of it, or go on with one."""
    lease = store.begin(ITEM, owner="me", lease_seconds=60).lease
    store.invalidate(tags=["items"], hold_seconds=5)
    store.begin(ITEM, owner="you", lease_seconds=60)
    store.renew([lease], lease_seconds=60)
    assert seconds_left(client, "t:items") <= 5


def test_values_of_another_server_are_forgotten(store, client):
    """One started again from a snapshot, or a replica that took over, may lack the last invalidations."""
    wanted = Wanted(key="item:7", tags=("item:7", "*"))
    put(store, wanted)
    assert store.read([wanted])[0].payload == b"value"
    assert client.get(PREFIX + "server").decode() == client.info("server")["run_id"]
    client.set(PREFIX + "server", "of another one")
    assert store.read([wanted])[0].payload == b"value"  # on a connection that was there before
    store._redis.close()
    with client.pubsub() as heard:
        heard.subscribe(CHANNEL)
        heard.get_message(timeout=60)
        assert store.read([wanted]) == [None]
        assert decode_keys(heard.get_message(timeout=60)["data"]) == ("t:*",)
    put(store, wanted)
    store._redis.close()
    assert store.read([wanted])[0].payload == b"value"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda store: store.read([ITEM]), ["MGET"]),
        (lambda store: store.read([ITEM, Wanted(key="b", tags=("items", "c"))]), ["MGET"]),
        (lambda store: store.begin(ITEM, owner="x", lease_seconds=1), ["EVALSHA"]),
        (lambda store: store.write(ITEM, b"", **KEPT), ["EVALSHA"]),
        (lambda store: store.invalidate(tags=["a", "b"]), ["EVALSHA"]),
        (lambda store: store.invalidate(keys=["a", "b"]), ["EVALSHA"]),
        (lambda store: store.renew([], lease_seconds=1), []),
    ],
    ids=["read", "read many", "begin", "write", "invalidate tags", "invalidate keys", "renew none"],
)
def test_each_step_is_one_round_trip(store, redis_url, act, expected):
    """Counted with MONITOR."""
    put(store)
    act(store)  # the scripts are known from now on
    assert commands_of(redis_url, lambda: act(store)) == expected


def test_near_caches_are_told_in_the_same_step(store, client):
    """By the names that they know: keys, tags, prefixes; a load that stores tells nobody."""
    with client.pubsub() as listener:
        listener.subscribe("backend:cache:shop")
        assert listener.get_message(timeout=60)["type"] == "subscribe"
        put(store)
        store.write(ITEM, b"", **KEPT)
        store.invalidate(keys=["a", "\ud800", "ключ"])
        store.invalidate(tags=["t", '"'])
        store.invalidate(prefix="item:")
        store.invalidate()
        told = [decode_keys(listener.get_message(timeout=60)["data"]) for _ in range(4)]
        assert listener.get_message(timeout=0.05) is None
    assert told == [("k:item:7",), ("k:a", "k:\ud800", "k:ключ"), ("t:t", 't:"'), ("p:item:",)]


def test_r4_nothing_but_our_own_is_touched(store, client):
    """Limits, queues, sessions, another app's values, whatever begins alike, stay as they are."""
    foreign = [
        "rq:queue:default",
        "backend:limits:{shop}:x",
        "backend:cache:{shop2}:v:a",
        "backend:cache:{sho*}:v:a",
        "a",
    ]
    for name in foreign:
        client.set(name, "kept")
    names = [f"a{number}" for number in range(1200)]
    for name in names:
        client.set(f"{PREFIX}v:{name}", "x")
    client.set(f"{PREFIX}l:a7", "other\n")
    client.set(f"{PREFIX}t:a", "version")
    assert store.invalidate(prefix="a") == 1200
    assert store.invalidate(keys=["a", "*"], tags=["b", "*"]) == 0
    assert {name.decode() for name in client.scan_iter()} == {*foreign, f"{PREFIX}t:a"}
    assert client.mget(foreign) == [b"kept"] * len(foreign)


def test_many_names_go_in_steps(store, client, redis_url):
    """So that no script keeps Redis busy for long."""
    names = [f"n{number}" for number in range(1200)]
    for name in names:
        client.set(f"{PREFIX}v:{name}", "x")
    assert store.invalidate(keys=names) == 1200
    assert client.keys(f"{PREFIX}v:*") == []
    assert commands_of(redis_url, lambda: store.invalidate(keys=names)) == ["EVALSHA"] * 3


def test_c3_of_64_threads_in_two_processes_one_gets_the_lease(redis_url):
    """Exactly one."""
    command = [sys.executable, "-W", "error", HERE / "lease_process.py", redis_url]
    processes = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [int(asked) for asked, _ in answers] == [32, 32]
    assert sum(int(got) for _, got in answers) == 1


def test_every_step_is_a_cache_error_while_redis_is_away(make_base, redis_server, redis_url):
    """And works again when it is back."""
    from flask_backend_patterns.cache.backends.redis_store import RedisStore

    base = make_base(redis_url)
    store = RedisStore(base.redis, channel="c")
    lease = store.begin(ITEM, owner="me", lease_seconds=60).lease
    redis_server.kill()
    steps = [
        lambda: store.read([ITEM]),
        lambda: store.begin(ITEM, owner="me", lease_seconds=60),
        lambda: store.finish(lease, b"", **KEPT),
        lambda: store.release(lease),
        lambda: store.renew([lease], lease_seconds=60),
        lambda: store.write(ITEM, b"", **KEPT),
        lambda: store.invalidate(keys=["a"]),
        lambda: store.invalidate(prefix="a"),
        store.stats,
    ]
    for step in steps:
        with pytest.raises(CacheError):
            step()


def test_facts_of_redis(store):
    """Entries are ours; bytes and evictions are those of the whole Redis."""
    put(store)
    put(store, Wanted(key="other"))
    facts = store.stats()
    assert (facts["store"], facts["entries"], facts["counted_all"]) == ("redis", 2, True)
    assert facts["bytes_of_all_keys"] > 0
    assert facts["eviction_policy"] == "noeviction"
