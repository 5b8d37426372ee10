"""The short way to one Redis: redis-py's connections without its client, which costs more than the connection itself.

What is left out: parsing of answers by command, metrics, events, and a second look at a connection that is given back.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import finalize

from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from ._after_fork import reset_in_children
from ._redis_line import Line

if TYPE_CHECKING:
    from redis import Redis


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
        self._idle: list[Line] = []
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
        try:
            answer = line.ask(args)
        except ResponseError as error:
            # It has been read, so the next one can follow; but a server that has become a replica is the wrong one.
            if isinstance(error, ReadOnlyError):
                self._give_up(line.connection)
            else:
                self._idle.append(line)
            raise
        except BaseException:  # an interrupt, too, may have left an answer unread
            self._give_up(line.connection)
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

    def _taken(self) -> Line:
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

    def _opened(self) -> Line:
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
            line = Line(connection)
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


def _close_all(idle: list[Line]) -> int:
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
