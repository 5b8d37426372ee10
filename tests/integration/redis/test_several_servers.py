"""A real Sentinel with a replica that it promotes, and a real Cluster: commands, scripts with two keys, the feed."""

import signal
import time
from functools import partial

import pytest
from flask import Flask
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache import NearCache, RedisFeed
from flask_backend_patterns.errors import CacheError
from flask_backend_patterns.testing.local_server import HOST
from flask_backend_patterns.testing.redis_server import RedisServer

BOTH = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return redis.call('GET', KEYS[2])"


class ReplicaServer(RedisServer):
    """A Redis that follows another one."""

    def __init__(self, primary):
        super().__init__()
        self._primary = primary

    def _command(self, port):
        return [*super()._command(port), "--replicaof", HOST, str(self._primary.port)]


class SentinelServer(RedisServer):
    """A Sentinel that watches `primary` as the service `shop`, alone and impatient."""

    def __init__(self, primary, folder):
        super().__init__()
        self._primary = primary
        self._file = folder / "sentinel.conf"

    @property
    def url(self):
        return f"redis+sentinel://{HOST}:{self.port}/shop/1"

    def _command(self, port):
        self._file.write_text(
            f"port {port}\nbind {HOST}\ndir {self._file.parent}\n"
            f"sentinel monitor shop {HOST} {self._primary.port} 1\n"
            "sentinel down-after-milliseconds shop 300\nsentinel failover-timeout shop 3000\n"
        )
        return [self._executable, self._file, "--sentinel"]


class ClusterServer(RedisServer):
    """A Cluster of one node that has all slots."""

    def __init__(self, folder):
        super().__init__()
        self._folder = folder

    @property
    def url(self):
        return f"redis+cluster://{HOST}:{self.port}"

    def _command(self, port):
        options = f"--dir {self._folder} --cluster-enabled yes --cluster-config-file nodes.conf"
        return [*super()._command(port), *options.split()]

    def form(self):
        """Give the node its slots, and wait until it serves them."""
        with Redis(host=HOST, port=self.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                pass


@pytest.fixture
def start():
    started = []

    def run(server):
        started.append(server)
        return server.start()

    yield run
    for server in reversed(started):
        server.close()


@pytest.fixture
def watched(start, tmp_path, wait_until):
    """A primary, its replica and a Sentinel. The replica is ready first: Sentinel looks at it every 10 s only."""
    primary = start(RedisServer())
    replica = start(ReplicaServer(primary))
    with Redis(port=replica.port) as follower:
        wait_until(lambda: follower.info("replication")["master_link_status"] == "up")
    sentinel = start(SentinelServer(primary, tmp_path))
    with Redis(port=sentinel.port) as client:
        wait_until(lambda: client.sentinel_master("shop")["num-slaves"] == 1)
    return primary, replica, sentinel


@pytest.fixture
def listen(log):
    """A trusted feed on a URL, and a near cache that it keeps true."""
    feeds = []

    def make(url):
        settings = RedisSettings(url=url, timeout_seconds=20)
        feeds.append(RedisFeed(partial(connect, settings), channel="test", log=log, max_silence_seconds=20))
        return feeds[-1], NearCache(max_entries=10, ttl_seconds=1e9, feed=feeds[-1])

    yield make
    for feed in feeds:
        feed.close()


def test_sentinel(watched, make_redis, listen, log, wait_until):
    """Commands, scripts and messages go to the primary; the replica that Sentinel promotes takes over by itself."""
    primary, replica, sentinel = watched
    redis = make_redis(sentinel.url, timeout_seconds=1)
    assert redis.script(BOTH)([redis.key("a"), redis.key("b")], ["before"]) == b"before"
    feed, cache = listen(sentinel.url)
    wait_until(lambda: feed.is_trusted)
    cache.get_or_load("k", lambda: "old")
    redis.command("PUBLISH", "test", '["k"]')
    wait_until(lambda: cache.get_or_load("k", lambda: "new") == "new")
    with Redis(port=replica.port, db=1) as follower:
        wait_until(lambda: follower.get(redis.key("a")))

    primary.kill()

    def write():
        try:
            return redis.command("SET", redis.key("a"), "after")
        except CacheError:
            return None

    wait_until(write)  # as long as Sentinel takes: about 2 s
    with Redis(port=replica.port, db=1) as promoted:
        assert promoted.get(redis.key("a")) == b"after"
    assert redis.client.get(redis.key("b")) == b"before"
    wait_until(lambda: feed.is_trusted)
    wait_until(lambda: "dependency.up" in log.names)


def has_begun(sentinel):
    """Whether the failover that it is told to make begins: not before it has seen the replica to be good."""
    try:
        return sentinel.execute_command("SENTINEL FAILOVER", "shop")
    except ResponseError:
        return False


class Interrupt(BaseException):
    """What a job's time limit raises."""


def interrupt(redis):
    """A command whose answer comes when nobody waits for it any more: redis-py keeps such a connection of a Sentinel's."""

    def stop(*_):
        raise Interrupt

    def block():
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        redis.command("BLPOP", "nothing", 1)

    previous = signal.signal(signal.SIGALRM, stop)
    try:
        with pytest.raises(Interrupt):
            block()
    finally:
        signal.signal(signal.SIGALRM, previous)
    time.sleep(1)


def test_a_demoted_primary_is_left(watched, make_redis, wait_until):
    """No answer is mixed up before, and READONLY, which is all that a connection to a demoted primary says: the next command finds the new one."""
    primary, replica, sentinel = watched
    with Redis(port=sentinel.port) as client:
        redis = make_redis(sentinel.url, timeout_seconds=5)
        redis.command("SET", "k", "before")
        interrupt(redis)
        assert [redis.command("ECHO", "mine") for _ in range(3)] == [b"mine"] * 3
        wait_until(lambda: has_begun(client))
        wait_until(lambda: client.sentinel_master("shop")["port"] == replica.port)
    with Redis(port=primary.port) as former:
        former.replicaof(
            HOST, replica.port
        )  # as Sentinel does some seconds later, closing connections besides
    with pytest.raises(CacheError) as caught:
        redis.command("SET", "k", "lost")
    assert "now a slave" in str(caught.value.__cause__)
    until = time.monotonic() + 60
    answer = None
    while answer is None and time.monotonic() < until:
        try:
            answer = redis.command("SET", "k", "after")
        except CacheError:
            time.sleep(0.01)
    assert answer == b"OK"
    with Redis(port=replica.port, db=1) as promoted:
        assert promoted.get("k") == b"after"


def test_cluster(start, make_redis, listen, log, tmp_path, wait_until):
    """Nothing is connected before the first command; keys of one namespace share a slot, whatever their feature."""
    server = start(ClusterServer(tmp_path))
    server.form()
    redis = make_redis(server.url, timeout_seconds=5)
    unused = redis.client.register_script("return 1")
    assert redis.client._client is None
    assert redis.script(BOTH)([redis.key("limits", "a"), redis.key("cache", "b")], ["x"]) == b"x"
    assert redis.command("MGET", redis.key("limits", "a"), redis.key("cache", "b"), redis.key("c")) == [
        b"x",
        b"x",
        None,
    ]
    assert unused(keys=[redis.key("a")]) == 1
    assert redis.run(lambda client: client.get(redis.key("limits", "a"))) == b"x"
    with pytest.raises(CacheError):
        redis.script(BOTH)(["in one slot", "in another"], ["x"])
    assert (redis.is_down, log.events) == (False, [])
    feed, cache = listen(server.url)
    wait_until(lambda: feed.is_trusted)
    cache.get_or_load("k", lambda: "old")
    redis.command("PUBLISH", "test", '["k"]')
    wait_until(lambda: cache.get_or_load("k", lambda: "new") == "new")

    redis = make_redis(server.url, timeout_seconds=0.3)
    redis.command("PING")
    server.suspend()
    begun = time.monotonic()
    with pytest.raises(CacheError):
        redis.command("GET", redis.key("c"))
    assert time.monotonic() - begun < 20  # some time limits of 0.3 s: it asks who has the slots now
    assert redis.is_down
    server.resume()
    wait_until(lambda: not redis.is_down)
    assert redis.command("SET", redis.key("c"), 1)


def test_the_feed_listens_on_the_node_that_the_messages_come_from(start, tmp_path, make_redis, wait_until):
    """In a Cluster PING says only what its own node has published before: so it is the one with the slot of our keys."""
    halves = [(0, 8191), (8192, 16383)]
    servers = []
    for number, (first, last) in enumerate(halves):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(start(ClusterServer(folder)))
        with Redis(host=HOST, port=servers[-1].port) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last + 1))
    with Redis(host=HOST, port=servers[0].port) as client:
        client.execute_command("CLUSTER", "MEET", HOST, servers[1].port)
    for server in servers:
        with Redis(host=HOST, port=server.port) as client:
            wait_until(lambda client=client: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
            wait_until(
                lambda client=client: client.execute_command("CLUSTER INFO")["cluster_known_nodes"] == "2"
            )
    ports = {}
    for namespace in ("shop", "b", "c", "d"):
        redis = make_redis(servers[0].url, timeout_seconds=20)
        channel = f"backend:cache:{{{namespace}}}"
        node = redis.client.subscriber(channel)
        port = ports[namespace] = node.connection_pool.connection_kwargs["port"]
        slot = node.execute_command("CLUSTER KEYSLOT", f"backend:cache:{{{namespace}}}:v:x")
        first, last = halves[[server.port for server in servers].index(port)]
        assert first <= slot <= last
    assert set(ports.values()) == {server.port for server in servers}


def test_the_channel_of_an_app_is_in_the_slot_of_its_keys(redis_url):
    """By the same hash tag."""
    app = Flask("shop")
    app.config["BACKEND_REDIS_URL"] = redis_url
    BackendPatterns(app)
    state = app.extensions["backend_patterns"]
    assert key_slot(state.cache.channel.encode()) == key_slot(state.redis.key("cache", "x").encode())
