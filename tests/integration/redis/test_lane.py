"""The lane's own sockets: the kernel keeps their timeout, and says whether they are closed."""

import contextlib
import socket
import threading
from contextlib import closing

import pytest
from redis import Connection, ConnectionPool, Redis
from redis.exceptions import (
    BusyLoadingError,
    InvalidResponse,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from flask_backend_patterns._redis_lane import RedisLane
from flask_backend_patterns._redis_line import Exchange


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


class Scripted:
    """A server that says what it is told to, piece by piece, whatever it is asked once it is greeted."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.connections = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                connection = self._server.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while asked := connection.recv(65536):
                greetings = asked.upper().count(b"SETINFO")
                if greetings:
                    connection.sendall(b"+OK\r\n" * greetings)
                    continue
                for piece in self.pieces:
                    if piece is None:
                        connection.close()
                        return
                    connection.sendall(piece)

    def close(self):
        """Its port, and what is open."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self.connections:
            connection.close()


@contextlib.contextmanager
def lane_to_scripted(*pieces):
    """A lane to a server that answers with `pieces`; None closes the connection."""
    server = Scripted(pieces)
    client = Redis(host="127.0.0.1", port=server.port, socket_timeout=5, protocol=2)
    lane = RedisLane(client, max_connections=4)
    try:
        yield lane, server
    finally:
        lane.close_idle()
        server.close()


def is_direct(lane):
    """Whether the lane's idle connection is asked over its socket."""
    return type(getattr(lane._idle[0].ask, "__self__", None)) is Exchange


def test_an_answer_in_pieces_is_put_together():
    """However the network cuts it, within a line, a number or a value."""
    answer = b"*3\r\n$5\r\nfirst\r\n:12\r\n$-1\r\n"
    with lane_to_scripted(*[answer[place : place + 1] for place in range(len(answer))]) as (lane, server):
        assert [lane.ask("ANY") for _ in range(3)] == [[b"first", 12, None]] * 3
        assert is_direct(lane)
        assert len(server.connections) == 1


@pytest.mark.parametrize("pieces", [[None], [b"$10\r\nhalf", None]])
def test_an_answer_that_does_not_come_to_its_end_is_a_lost_connection(pieces):
    """Which is not used again, nor is the command sent once more: it may have been executed."""
    with lane_to_scripted(*pieces) as (lane, server):
        for count in (1, 2):
            with pytest.raises(RedisConnectionError):
                lane.ask("ANY")
            assert lane._idle == []
            assert len(server.connections) == count


def test_an_answer_that_nobody_can_read_is_an_error_and_ends_the_connection():
    """What follows cannot be told from the rest of it."""
    with lane_to_scripted(b"neither this nor that\r\n") as (lane, _):
        with pytest.raises(InvalidResponse):
            lane.ask("ANY")
        assert lane._idle == []


@pytest.mark.parametrize(
    ("line", "kind", "is_kept"),
    [
        (b"-ERR any\r\n", ResponseError, True),
        (b"-NOSCRIPT none\r\n", NoScriptError, True),
        (b"-READONLY a replica\r\n", ReadOnlyError, False),
        (b"-LOADING a moment\r\n", BusyLoadingError, False),
    ],
)
def test_refusals_are_the_errors_of_redis_py(line, kind, is_kept):
    """Of the same class, by redis-py's own table; who says that it is the wrong server, or not ready, is left."""
    with lane_to_scripted(line) as (lane, _):
        with pytest.raises(kind) as caught:
            lane.ask("ANY")
        assert type(caught.value) is kind
        assert len(lane._idle) == is_kept


def test_a_timeout_of_python_s_own_is_told_as_one(silent_port):
    """Where the kernel does not keep it."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", silent_port))) as sock:
        sock.settimeout(0.05)
        connection = Redis(host="127.0.0.1", port=silent_port).connection_pool.make_connection()
        connection._sock = sock
        with pytest.raises(RedisTimeoutError):
            Exchange(connection, sock).ask(("PING",))


def test_large_values_go_and_come_whole(redis_url):
    """Larger than the buffers of a socket, in both directions."""
    lane = RedisLane(Redis.from_url(redis_url, protocol=2, socket_timeout=10), max_connections=1)
    value = bytes(range(256)) * 40_000
    lane.ask("SET", "lane:large", value)
    assert lane.ask("GET", "lane:large") == value
    assert lane.ask("UNLINK", "lane:large") == 1
    assert is_direct(lane)
    assert lane.made == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"protocol": 2}, True),
        ({"protocol": 2, "decode_responses": True}, True),
        ({"protocol": 3}, False),
    ],
)
def test_what_may_send_something_unasked_is_left_to_redis_py(redis_url, options, expected):
    """RESP3 may; the answers are the same, bytes in any case."""
    lane = RedisLane(Redis.from_url(redis_url, **options), max_connections=1)
    lane.ask("SET", "lane:way", b"\xff")
    assert is_direct(lane) is expected
    assert lane.ask("GET", "lane:way") == b"\xff"
    with pytest.raises(ResponseError):
        lane.ask("LPUSH", "lane:way", 1)
    assert lane.ask("UNLINK", "lane:way") == 1
    assert lane.made == 1


def test_a_connection_class_with_a_say_of_its_own_has_it(redis_url):
    """As that for Sentinels, which looks whether the server is still the master."""
    read = []

    class Noting(Connection):
        def read_response(self, *args, **kwargs):
            read.append(args)
            return super().read_response(*args, **kwargs)

    client = Redis(connection_pool=ConnectionPool.from_url(redis_url, connection_class=Noting, protocol=2))
    lane = RedisLane(client, max_connections=1)
    lane.ask("PING")
    before = len(read)
    assert lane.ask("PING") == b"PONG"
    assert len(read) == before + 1
