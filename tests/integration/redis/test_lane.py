"""The lane's own sockets: the kernel keeps their timeout, and says whether they are closed."""

import contextlib
import socket
import threading
from contextlib import closing

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from flask_backend_patterns._redis_lane import RedisLane


@pytest.fixture
def silent_port():
    """Of a server that takes what it is sent and never answers."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take():
            with contextlib.suppress(OSError):  # closed
                while True:
                    taken.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


def lane_to(**options):
    """A lane with connections of these options."""
    client = Redis(socket_timeout=0.1, **options)
    return RedisLane(client, max_connections=4)


def test_waiting_ends_by_the_kernel_s_timeout_and_is_told_as_a_timeout(redis_url):
    """`socket_timeout` holds though Python's own is off: what Redis does not answer in time is a `TimeoutError`."""
    lane = RedisLane(Redis.from_url(redis_url, socket_timeout=0.1), max_connections=4)
    assert lane.ask("PING") == b"PONG"
    assert lane._idle[0].connection._sock.gettimeout() is None
    with pytest.raises(RedisTimeoutError):
        lane.ask("BLPOP", "nothing-is-ever-put-here", 0)
    assert lane._idle == []
    assert lane.ask("PING") == b"PONG"


def test_a_server_that_never_answers_is_a_timeout(silent_port):
    """Also while the connection is being made."""
    with pytest.raises(RedisTimeoutError):
        lane_to(host="127.0.0.1", port=silent_port).ask("PING")


def test_a_connection_that_the_server_has_closed_is_noticed(redis_url):
    """At once, whatever it was used for a moment ago; the command is sent over a new one."""
    lane = RedisLane(Redis.from_url(redis_url), max_connections=4)
    with closing(Redis.from_url(redis_url)) as other:
        for _ in range(20):
            mine = lane.ask("CLIENT", "ID")
            assert other.client_kill_filter(_id=mine) == 1
    assert lane.ask("CLIENT", "ID") != mine


@pytest.mark.parametrize(
    "value", [b"\x00\xff bytes", "text \u00e9", 7, 2.5, bytearray(b"array"), memoryview(b"view")]
)
def test_every_kind_of_value_is_sent(redis_url, value):
    """As redis-py sends it."""
    lane, client = RedisLane(Redis.from_url(redis_url), max_connections=1), Redis.from_url(redis_url)
    with closing(client):
        client.set("lane:theirs", value)
        lane.ask("SET", "lane:ours", value)
        assert lane.ask("GET", "lane:ours") == lane.ask("GET", "lane:theirs")
        assert lane.ask("CLIENT ID") == lane.ask("CLIENT", "ID")
        client.delete("lane:ours", "lane:theirs")
