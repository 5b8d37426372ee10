"""`BACKEND_REDIS_URL`: what it may name, and that no part of it is ever shown."""

import pytest
from redis.connection import SSLConnection

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._redis_url import Cluster, Sentinels, Server, read_url

WRONG = [
    "",
    "localhost",
    "http://u:hunter2@localhost",
    "redis+sentinel://u:hunter2@host",
    "redis+sentinel://u:hunter2@host/",
    "redis+sentinel://u:hunter2@host/service/db",
    "redis+sentinel://u:hunter2@host/service/-1",
    "redis+sentinel://u:hunter2@host/service/1/2",
    "redis+sentinel://u:hunter2@/service",
    "redis+sentinel://u:hunter2@host:port/service",
    "redis+sentinel://u:hunter2@host:99999/service",
    "redis+sentinel://u:hunter2@host,,other/service",
    "redis+sentinel://u:hunter2@[::1/service",
    "redis+cluster://u:hunter2@host/1",
    "redis+cluster://u:hunter2@host/?db=2",
    "redis+cluster://u:hunter2@",
    "redis+cluster://u:hunter2@host?socket_timeout=soon",
    "unix+cluster://u:hunter2@host",
    "redis+other://u:hunter2@host",
    "redis://u:hunter2@host:port",
]


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_a_problem_that_does_not_show_it(url):
    """When the settings are read, with what was expected and never the password."""
    problems = []
    settings = RedisSettings.from_config({"BACKEND_REDIS_URL": url}, problems)
    (problem,) = problems
    assert "BACKEND_REDIS_URL is wrong (not shown here); expected redis://" in problem
    assert "hunter2" not in problem + repr(settings)
    with pytest.raises(ValueError) as caught:
        read_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("hosts", "nodes"),
    [
        ("one", (("one", 0),)),
        ("one:1,two,10.0.0.1:3", (("one", 1), ("two", 0), ("10.0.0.1", 3))),
        ("[::1]:5,[fe80::1]", (("::1", 5), ("fe80::1", 0))),
    ],
)
@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_several_hosts_with_and_without_ports(hosts, nodes, kind):
    """The usual port of their kind is the default."""
    path, port = ("/service", 26379) if kind == "sentinel" else ("", 6379)
    found = read_url(f"redis+{kind}://{hosts}{path}")
    assert found.nodes == tuple((host, number or port) for host, number in nodes)


def test_sentinels():
    """Service, database, credentials for Redis and for the Sentinels, options of redis-py; nothing secret in its repr."""
    found = read_url(
        "rediss+sentinel://ada:hunter%402@one/my%2Fprimary/3"
        "?sentinel_username=s&sentinel_password=hunter3&ssl_cert_reqs=none&client_name=shop"
    )
    assert found == Sentinels(
        nodes=(("one", 26379),),
        service="my/primary",
        options={
            "username": "ada",
            "password": "hunter@2",
            "db": 3,
            "ssl": True,
            "ssl_cert_reqs": "none",
            "client_name": "shop",
        },
        own_options={"username": "s", "password": "hunter3", "ssl": True, "ssl_cert_reqs": "none"},
    )
    assert "hunter" not in repr(found)


def test_a_cluster():
    """It has one database."""
    found = read_url("redis+cluster://:hunter2@one:7000,two:7001/0?client_name=shop")
    assert found == Cluster(
        nodes=(("one", 7000), ("two", 7001)), options={"password": "hunter2", "client_name": "shop"}
    )
    assert "hunter" not in repr(found) + repr(read_url("redis://:hunter2@one"))


@pytest.mark.parametrize(
    "url", ["redis://host:1/2?client_name=x", "rediss://host", "unix:///tmp/socket?db=1"]
)
def test_redis_pys_own_urls_are_its_own_matter(url):
    """They go to it as they are."""
    assert read_url(url) == Server(url=url)


@pytest.mark.parametrize(
    "url", ["redis://h/1", "redis+sentinel://u:p@h,i/service/1?client_name=x", "rediss+sentinel://h/service"]
)
def test_every_connection_has_our_limits(url):
    """Timeouts, no retries, RESP2, as many connections as said; also to the Sentinels. Nothing is connected yet."""
    client = connect(
        RedisSettings(url=url, timeout_seconds=0.2, connect_timeout_seconds=0.3, max_connections=7)
    )
    pools = [client.connection_pool]
    if "sentinel" in url:
        pools += [one.connection_pool for one in pools[0].sentinel_manager.sentinels]
    for pool in pools:
        connection = pool.connection_class(**pool.connection_kwargs)
        assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.2, 0.3)
        assert (connection.retry.get_retries(), connection.protocol, pool.max_connections) == (0, 2, 7)
        assert isinstance(connection, SSLConnection) is url.startswith("rediss")


def test_a_url_may_choose_resp3():
    """Its query counts before our defaults."""
    client = connect(RedisSettings(url="redis://host?protocol=3"))
    assert client.connection_pool.connection_kwargs["protocol"] == 3
