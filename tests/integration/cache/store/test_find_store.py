"""Which store an app gets, and what its own cache may not do to our Redis. PITFALLS C6, R1, R4."""

from contextlib import ExitStack

import pytest
from flask import Flask
from flask_caching import Cache

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._config import SetupError
from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache.backends.app_redis import url_of
from flask_backend_patterns.cache.backends.flask_caching_store import FlaskCachingStore
from flask_backend_patterns.cache.backends.memory_store import MemoryStore
from flask_backend_patterns.cache.backends.redis_store import RedisStore
from flask_backend_patterns.cache.clearing import guard_clear
from flask_backend_patterns.cache.protocols import Wanted
from flask_backend_patterns.cache.settings import CacheSettings
from flask_backend_patterns.cache.stores import find_store, slots_for
from flask_backend_patterns.errors import CacheError

CHANNEL = "backend:cache:shop"
KEPT = {"fresh_seconds": 60, "kept_seconds": 600}


def find(app, base, store="auto"):
    return find_store(app, CacheSettings(store=store), base, CHANNEL)


def app_with(**config):
    app = Flask("shop")
    cache = Cache(app, config=config) if config else None
    return app, cache


@pytest.fixture
def app_on_redis(redis_url):
    made = []

    def make(**config):
        app, cache = app_with(**{"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url, **config})
        made.append(cache)
        return app, cache

    yield make
    for cache in made:
        cache.cache._write_client.close()


def test_redis_comes_first(base):
    """`auto` takes Redis where there is one, also beside a Cache of the app."""
    app, _ = app_with(CACHE_TYPE="SimpleCache")
    assert isinstance(find(app, base), RedisStore)
    assert isinstance(find(app, base, "redis"), RedisStore)
    assert isinstance(find(app, base, "flask-caching"), FlaskCachingStore)
    assert isinstance(find(app, base, "memory"), MemoryStore)


def test_then_the_cache_of_the_app_then_this_process(make_base):
    """Also a Cache that is set up after us, when nobody has asked yet."""
    app, _ = app_with()
    assert isinstance(find(app, make_base()), MemoryStore)
    Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    assert find(app, make_base()).name == "flask-caching (SimpleCache)"


@pytest.mark.parametrize(
    ("store", "message"), [("redis", "BACKEND_REDIS_URL"), ("flask-caching", "cache.init_app")]
)
def test_what_is_not_there_is_a_setup_error(make_base, store, message):
    """That says what to do."""
    with pytest.raises(SetupError, match=message):
        find(Flask("shop"), make_base(), store)


def test_a_cache_that_keeps_nothing_keeps_nothing(make_base):
    """NullCache: every load runs, nothing is stored, nothing breaks."""
    app, _ = app_with(CACHE_TYPE="NullCache", CACHE_NO_NULL_WARNING=True)
    store = find(app, make_base())
    wanted = Wanted(key="a", tags=("b",))
    for _ in range(2):
        lease = store.begin(wanted, owner="me", lease_seconds=1).lease
        assert lease is not None
        assert not store.finish(lease, b"value", **KEPT)
        store.write(wanted, b"value", **KEPT)
        assert store.read([wanted]) == [None]
    assert store.invalidate(keys=["a"], tags=["b"]) == 0


def test_the_redis_of_the_apps_cache_is_used_without_its_pickles(make_base, app_on_redis, client, redis_url):
    """Its server and key prefix, with our timeouts; without BACKEND_REDIS_URL near caches are not told."""
    app, _ = app_on_redis(CACHE_KEY_PREFIX="mine:")
    store = find(app, make_base())
    try:
        assert isinstance(store, RedisStore)
        assert not store.reaches_near_caches
        store.write(Wanted(key="a"), b"payload", **KEPT)
        assert client.get("mine:backend:cache:{shop}:v:a").endswith(b"payload")
        assert store.invalidate(keys=["a"]) == 1
    finally:
        store._redis.close()
    assert url_of(connect(RedisSettings(url=redis_url))) is not None


def test_the_apps_cache_on_our_redis_shares_our_connection_and_feed(base, app_on_redis):
    """One client, one breaker, and near caches are told."""
    app, _ = app_on_redis(CACHE_KEY_PREFIX="mine:")
    store = find(app, base, "flask-caching")
    assert store._redis is base.redis
    assert store.reaches_near_caches
    assert store.prefix == "mine:backend:cache:{shop}:"


def test_the_apps_cache_on_our_redis_is_found_while_that_is_away(base, app_on_redis):
    """Which store an app gets needs no answer of Redis: calls load meanwhile."""
    app, _ = app_on_redis(CACHE_KEY_PREFIX="mine:")
    base.redis.outage._down_since = 0.0
    try:
        assert find(app, base, "flask-caching")._redis is base.redis
    finally:
        base.redis.outage._down_since = None


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/3",
        "redis://user:p%2Fw%40@host:1/0",
        "redis://:secret@[::1]:6379/0",
        "unix://some/where/redis.sock?db=2",
        "rediss://host:6380/1?ssl_ca_certs=ca.pem",
    ],
)
def test_a_client_is_said_as_a_url(url):
    """Credentials, IPv6, sockets and TLS come along."""
    import redis

    first = redis.Redis.from_url(url)
    second = redis.Redis.from_url(url_of(first))
    options = [one.connection_pool.connection_kwargs for one in (first, second)]
    for name in ("host", "port", "path", "db", "username", "password", "ssl_ca_certs"):
        assert (options[0].get(name) or None) == (options[1].get(name) or None)
    assert first.connection_pool.connection_class is second.connection_pool.connection_class


def test_a_redis_that_has_no_url_is_a_setup_error(make_base):
    """Sentinel, a Cluster: set BACKEND_REDIS_URL."""
    app, _ = app_with(CACHE_TYPE="RedisSentinelCache", CACHE_REDIS_SENTINELS=[("127.0.0.1", 1)])
    with pytest.raises(SetupError, match="BACKEND_REDIS_URL"):
        find(app, make_base())


@pytest.mark.parametrize(("threshold", "slots"), [(0, 4096), (500, 125), (10, 16), (10**6, 4096)])
def test_slots_leave_room_for_values(tmp_path, threshold, slots):
    """At most a quarter of what a bounded backend holds."""
    _, cache = app_with(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path), CACHE_THRESHOLD=threshold)
    assert slots_for(cache.cache) == slots


def test_a_small_backend_goes_on_holding_values(make_base):
    """With far more keys and tags than it holds, what was stored last is there."""
    app, _ = app_with(CACHE_TYPE="SimpleCache", CACHE_THRESHOLD=100)
    store = find(app, make_base())
    for number in range(1000):
        wanted = Wanted(key=f"k{number}", tags=(f"t{number}",))
        lease = store.begin(wanted, owner="me", lease_seconds=1).lease
        assert store.finish(lease, b"value", **KEPT)
        assert store.read([wanted])[0].payload == b"value"
    kept = [store.read([Wanted(key=f"k{number}", tags=(f"t{number}",))])[0] for number in range(960, 1000)]
    assert None not in kept


class Failing:
    def get_many(self, *_):
        raise OSError("the disk is gone")

    add = set = delete = get_many


def test_whatever_a_backend_raises_is_a_cache_error():
    """Of any driver."""
    store = FlaskCachingStore(Failing(), namespace="shop")
    wanted = Wanted(key="a")
    steps = [
        lambda: store.read([wanted]),
        lambda: store.begin(wanted, owner="me", lease_seconds=1),
        lambda: store.write(wanted, b"", **KEPT),
        lambda: store.invalidate(tags=["a"]),
    ]
    for step in steps:
        with pytest.raises(CacheError):
            step()


def test_near_caches_are_told_of_what_changes_in_files(base, client, tmp_path):
    """Over our Redis, after the files have changed."""
    app, _ = app_with(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path))
    store = find(app, base, "flask-caching")
    assert store.reaches_near_caches
    with client.pubsub() as listener:
        listener.subscribe(CHANNEL)
        listener.get_message(timeout=60)
        store.write(Wanted(key="a"), b"", **KEPT)
        store.invalidate(keys=["b"], tags=["c"])
        assert [listener.get_message(timeout=60)["data"] for _ in range(2)] == [b'["k:a"]', b'["k:b", "t:c"]']


# --- R4 ---


@pytest.mark.parametrize("prefix", ["", "*", "b", "back*", "backend:", "backend:limits:"], ids=repr)
def test_r4_a_clear_that_would_empty_our_redis_is_refused(base, app_on_redis, client, prefix):
    """With a hint; everything is still there. Undone, the app's cache is as it was."""
    app, cache = app_on_redis(CACHE_KEY_PREFIX=prefix)
    client.set("backend:limits:{shop}:x", "1")
    client.set("rq:queue:default", "1")
    with ExitStack() as undo:
        guard_clear(app, base.redis, undo)
        guard_clear(app, base.redis, undo)
        find(app, base)
        for clear in (cache.clear, cache.cache.clear):
            with pytest.raises(SetupError, match="CACHE_KEY_PREFIX"):
                clear()
        assert client.dbsize() == 2
        assert cache.set("a", 1)
        assert cache.get("a") == 1
    cache.clear()
    assert client.exists("backend:limits:{shop}:x") == 0


@pytest.mark.parametrize("order", ["before us", "after us"])
@pytest.mark.parametrize("is_cache_on", [True, False])
def test_r4_is_refused_though_nobody_has_asked_for_a_value(
    app_on_redis, client, redis_url, order, is_cache_on
):
    """From `init_app` on, or from the first request on for a Cache that came after us; also with our cache off."""
    config = {"BACKEND_REDIS_URL": redis_url, "BACKEND_CACHE_ENABLED": is_cache_on}
    if order == "before us":
        app, cache = app_on_redis(CACHE_KEY_PREFIX="")
        app.config.update(config)
        BackendPatterns(app)
    else:
        app = Flask("shop")
        app.config.update(config)
        BackendPatterns(app)
        _, cache = app_on_redis(CACHE_KEY_PREFIX="")
        cache.init_app(app, {**cache.config, "CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url})
        app.test_client().get("/")
    client.set("backend:limits:{shop}:x", "1")
    with app.app_context(), pytest.raises(SetupError, match="CACHE_KEY_PREFIX"):
        cache.clear()
    assert client.dbsize() == 1
    app.extensions["backend_patterns"].redis.close()


@pytest.mark.parametrize("kind", ["prefix", "other database", "no redis of ours"])
def test_r4_any_other_clear_is_let_through(make_base, base, app_on_redis, client, redis_url, kind):
    """With a prefix of its own, in another database, or where we have no Redis."""
    config = {"CACHE_KEY_PREFIX": "mine:" if kind == "prefix" else ""}
    if kind == "other database":
        config["CACHE_REDIS_URL"] = redis_url.removesuffix("/0") + "/3"
    app, cache = app_on_redis(**config)
    guard_clear(app, make_base().redis if kind == "no redis of ours" else base.redis)
    client.set("backend:limits:{shop}:x", "1")
    cache.set("a", 1)
    cache.clear()
    assert cache.get("a") is None
    assert client.exists("backend:limits:{shop}:x") == (kind != "no redis of ours")


def test_r4_our_redis_by_another_name_is_recognized(base, app_on_redis, redis_url):
    """`localhost` and `127.0.0.1`, two sockets of one server: the server is asked who it is."""
    app, cache = app_on_redis(CACHE_KEY_PREFIX="")
    guard_clear(app, base.redis)
    options = cache.cache._write_client.connection_pool.connection_kwargs
    if "host" in options:
        options["host"] = "localhost" if options["host"] != "localhost" else "127.0.0.1"
    else:
        head, _, tail = options["path"].rpartition("/")
        options["path"] = f"{head}/./{tail}"
    with pytest.raises(SetupError, match="CACHE_KEY_PREFIX"):
        cache.clear()


class Interrupted:
    """A backend between two processes: something happens just before a value is put, after all that `finish` looks at."""

    def __init__(self, backend):
        self._backend = backend
        self.before_put = None

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def set(self, name, value, timeout):
        if name.startswith("backend-v-") and self.before_put is not None:
            act, self.before_put = self.before_put, None
            act()
        return self._backend.set(name, value, timeout=timeout)


@pytest.mark.parametrize("way", ["key", "tag", "write"])
@pytest.mark.parametrize("kind", ["SimpleCache", "FileSystemCache"])
def test_c7_in_the_last_gap_of_a_backend_without_atomic_steps(tmp_path, kind, way):
    """Another process invalidates after `finish` has looked, and before it puts: the old value is put, and never read."""
    _, cache = app_with(CACHE_TYPE=kind, CACHE_DIR=str(tmp_path), CACHE_THRESHOLD=1000)
    backend = Interrupted(cache.cache)
    one, other = (FlaskCachingStore(found, namespace="shop") for found in (backend, cache.cache))
    wanted = Wanted(key="k", tags=("t",))
    acts = {
        "key": lambda: other.invalidate(keys=["k"]),
        "tag": lambda: other.invalidate(tags=["t"]),
        "write": lambda: other.write(wanted, b"new", **KEPT),
    }
    lease = one.begin(wanted, owner="me", lease_seconds=60).lease
    backend.before_put = acts[way]
    one.finish(lease, b"old", **KEPT)
    assert backend.before_put is None
    for store in (one, other):
        assert store.read([wanted]) == [None]
        assert store.begin(wanted, owner=f"next {store}", lease_seconds=60).stored is None
