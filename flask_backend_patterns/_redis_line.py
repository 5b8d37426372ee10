"""One connection to Redis: how a command is sent over it, its answer read, and the end of it noticed.

Every system call lets go of the interpreter lock, which another thread of a busy server then takes: so there are two for
a command, and none of them is a `poll`.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hiredis import Reader, pack_command
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

TCP_ESTABLISHED: Final = b"\x01"  # the first byte of Linux's `struct tcp_info`
READ_BYTES: Final = 65_536
INCOMPLETE: Final = object()


class Line:
    """A connection of redis-py's, for one thread at a time, that is connected and has nothing to be read.

    `is_over` is a question that costs little: whether its end, or anything, has come since it was used. `ask` sends a
    command and returns the answer, bytes undecoded; after any error but a `ResponseError` the connection is unusable.
    """

    __slots__ = ("ask", "connection", "is_over")

    def __init__(self, connection: Any) -> None:
        is_named = hasattr(connection, "_get_socket")
        sock = connection._get_socket() if is_named else connection._sock  # noqa: SLF001 - it has no public name
        if sock is None:
            raise RedisConnectionError("the connection was closed at once")
        self.connection = connection
        self.is_over: Callable[[], Any] = connection.can_read
        if _tells_state(sock):
            self.is_over = partial(_has_ended, sock.getsockopt)
        elif hasattr(select, "poll"):  # not on Windows; a tenth of what redis-py's own question costs
            self.is_over = _poll(sock)
        _let_kernel_wait(sock)
        self.ask: Callable[[tuple[Any, ...]], Any] = partial(_ask_by_redis_py, connection)
        if _is_plain(connection, sock):
            self.ask = Exchange(connection, sock).ask


class Exchange:
    """Sends and reads for one connection by the socket itself: redis-py's own way through its connection takes as long as the system calls."""

    __slots__ = ("_connection", "_reader", "_receive", "_send")

    def __init__(self, connection: Any, sock: socket.socket) -> None:
        self._connection = connection
        self._send = sock.sendall
        self._receive = sock.recv
        self._reader = Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,  # noqa: SLF001 - it has no public name
            notEnoughData=INCOMPLETE,
        )

    def ask(self, args: tuple[Any, ...]) -> Any:
        """See `Line.ask`."""
        reader = self._reader
        try:
            for part in _packed(self._connection, args):
                self._send(part)
            answer = INCOMPLETE
            while answer is INCOMPLETE:
                received = self._receive(READ_BYTES)
                if not received:
                    raise RedisConnectionError("Connection closed by server.")
                reader.feed(received)
                answer = reader.gets()
        except (BlockingIOError, TimeoutError) as error:  # the kernel's timeout, or Python's
            raise RedisTimeoutError("Timeout reading from socket") from error
        except OSError as error:
            raise RedisConnectionError(f"Error {error.errno} on the socket. {error.strerror}.") from error
        if isinstance(answer, RedisError):
            try:
                raise answer
            finally:
                del answer  # or it would refer to itself
        return answer


def _is_plain(connection: Any, sock: Any) -> bool:
    """Whether bytes go over the socket as they are, and are one answer after another.

    Else redis-py has to do it: with TLS, with what may be sent unasked (RESP3), and where a subclass has a say, such as
    that for Sentinels, which looks whether the server is still the one they name.
    """
    kind, plain = type(connection), Connection
    return (
        type(sock) is socket.socket
        and getattr(connection, "protocol", None) in (2, "2")
        and getattr(kind, "send_packed_command", None) is plain.send_packed_command
        and getattr(kind, "read_response", None) is plain.read_response
        and hasattr(getattr(connection, "_parser", None), "parse_error")
    )


def _ask_by_redis_py(connection: Any, args: tuple[Any, ...]) -> Any:
    try:
        connection.send_packed_command(_packed(connection, args), check_health=False)
        return connection.read_response(disable_decoding=True)
    except RedisConnectionError as error:
        if isinstance(error.__context__, BlockingIOError):  # the kernel's timeout, see `_let_kernel_wait`
            raise RedisTimeoutError("Timeout reading from socket") from error
        raise


def _tells_state(sock: Any) -> bool:
    """Whether it is one of Linux's TCP sockets (TLS over it too): they are asked without letting go of the lock."""
    if sys.platform != "linux":
        return False
    try:
        return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == TCP_ESTABLISHED)
    except OSError:
        return False


def _has_ended(ask: Callable[[int, int, int], bytes]) -> bool:
    return ask(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != TCP_ESTABLISHED


def _poll(sock: Any) -> Callable[[], Any]:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)


def _let_kernel_wait(sock: Any) -> None:
    """Have the kernel keep the socket's timeout: Python's own is a `poll` before each read and each write.

    Not where the kernel does not do so (TLS, Windows), nor with sockets of gevent and its like, which never block.
    """
    seconds = sock.gettimeout() if type(sock) is socket.socket and sys.platform == "linux" else None
    if not seconds:
        return
    fraction, whole = math.modf(seconds)
    wait = struct.pack("ll", int(whole), max(1, int(fraction * 1e6)))
    sock.settimeout(None)
    if not os.get_blocking(sock.fileno()):
        sock.settimeout(seconds)
        return
    try:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, wait)
    except OSError:  # a kernel with another idea of the time
        sock.settimeout(seconds)


def _packed(connection: Any, args: tuple[Any, ...]) -> Any:
    """`args` as they are sent; what redis-py does beside that (commands of two words, other types) costs as much again."""
    name = args[0]
    if type(name) is str and " " not in name:
        try:
            return (pack_command(args),)
        except TypeError:
            pass
    return connection.pack_command(*args)
