"""The short way to one Redis: redis-py's connections without its client, which costs more than the connection itself.

What is left out: parsing of answers by command, metrics, events, and a second look at a connection that is given back.
Every system call lets go of the interpreter lock, which another thread of a busy server then takes: so there are two.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

TCP_ESTABLISHED: Final = b"\x01"  # the first byte of Linux's `struct tcp_info`


class ExhaustedError(RedisError):
    """All connections that this process may have are in use; which says nothing about Redis."""


class RedisLane:
    """Connections made as those of `client`'s pool, but its own, used by one thread at a time. Thread-safe.

    A command is sent once: on a connection that is found closed it is sent over a new one, since nothing was sent
    then; one that fails after that may have been executed, and its error is raised. A connection with an answer that
    was not read is never used again. Once one fails all others that are idle are closed, too.
    """

    def __init__(self, client: Redis, *, max_connections: int) -> None:
        self._pool = client.connection_pool
        self._room = self._max_connections = max_connections
        self._idle: list[_Line] = []
        self.made = 0  # connections so far
        self._address: tuple[Any, Any] | None = None
        self._lock = threading.RLock()  # a signal's handler may come back here
        finalize(self, _close_all, self._idle)
        reset_in_children(self)

    def ask(self, *args: str | bytes | float) -> Any:
        """Redis's answer to a command: bytes, numbers, None and lists of them (RESP3: maps, sets and floats as well).

        Raises redis-py's errors.
        """
        line = self._taken()
        connection = line.connection
        try:
            connection.send_packed_command(_packed(connection, args), check_health=False)
            answer = connection.read_response(disable_decoding=True)
        except ResponseError as error:
            # It has been read, so the next one can follow; but a server that has become a replica is the wrong one.
            if isinstance(error, ReadOnlyError):
                self._give_up(connection)
            else:
                self._idle.append(line)
            raise
        except RedisConnectionError as error:
            self._give_up(connection)
            if isinstance(error.__context__, BlockingIOError):  # the kernel's timeout, see `_let_kernel_wait`
                raise RedisTimeoutError("Timeout reading from socket") from error
            raise
        except BaseException:  # an interrupt, too, may have left an answer unread
            self._give_up(connection)
            raise
        self._idle.append(line)
        return answer

    def close_idle(self) -> None:
        """Close the connections that nobody uses just now."""
        with self._lock:
            self._room += _close_all(self._idle)

    def reset_after_fork(self) -> None:
        """The connections are the parent's; here only the child's descriptors of them are closed."""
        self._lock = threading.RLock()
        self._room = self._max_connections
        self._idle.clear()

    def _taken(self) -> _Line:
        try:
            line = self._idle.pop()
        except IndexError:
            return self._opened()
        try:
            if not line.is_over():
                return line
        except (RedisError, OSError, ValueError):  # how else a closed one says so
            pass
        self._give_up(line.connection)  # the server has restarted, or closed what was idle for long
        return self._opened()

    def _opened(self) -> _Line:
        with self._lock:
            if not self._room:
                raise ExhaustedError(
                    f"all {self._max_connections} connections are in use: BACKEND_REDIS_MAX_CONNECTIONS"
                )
            self._room -= 1
        connection = None
        try:
            connection = self._pool.connection_class(**self._pool.connection_kwargs)
            connection.connect()
            line = _Line(connection)
        except BaseException:
            self._give_up(connection)
            raise
        with self._lock:
            self.made += 1
        address = (getattr(connection, "host", None), getattr(connection, "port", None))
        if address != self._address:  # Sentinels have named another server
            self._address = address
            self.close_idle()
        return line

    def _give_up(self, connection: Any) -> None:
        with self._lock:
            self._room += 1
        if connection is not None:
            connection.disconnect()
        self.close_idle()


class _Line:
    """A connection, and a question that costs little: whether its end, or anything, has come since it was used."""

    __slots__ = ("connection", "is_over")

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


def _close_all(idle: list[_Line]) -> int:
    """How many there were."""
    count = 0
    while idle:
        try:
            line = idle.pop()
        except IndexError:  # another thread took the last one
            break
        line.connection.disconnect()
        count += 1
    return count
