"""One connection that listens to one Redis channel, and knows up to when it has heard everything."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from ..._redis_cluster import LateCluster

PINGS_PER_SILENCE = 4
MAX_PING_SECONDS = 0.25  # also how soon the thread sees that it is to stop


class RedisSubscription:
    """A connection of its own, outside of the client's pool, for one thread; ends with its first error.

    It never reconnects by itself: what was published in between would be lost unnoticed. Redis answers in order, so
    the answer to a PING says that everything published before it was sent has been read.
    """

    def __init__(
        self, client: Redis, *, channel: str, max_silence_seconds: float, clock: Callable[[], float]
    ) -> None:
        pool = _subscriber(client, channel).connection_pool
        self._connection: Any = pool.connection_class(**pool.connection_kwargs)
        self._channel = channel
        self._max_silence = max_silence_seconds
        self._clock = clock
        self._next_ping = -math.inf
        self._pings: deque[float] = deque()  # when those without an answer were sent, the oldest first
        self.heard_until = -math.inf  # everything published before has been read

    def open(self) -> None:
        """Connect and subscribe. Raises redis-py's errors, like `read`."""
        self._connection.connect()
        self._connection.register_connect_callback(self._refuse_reconnect)
        self._connection.send_command("SUBSCRIBE", self._channel, check_health=False)

    def read(self) -> bytes | str | None:
        """The next message; None when there is none for now (waits until the next PING, at most `MAX_PING_SECONDS`)."""
        if self._clock() >= self._next_ping:
            self._ping()
        # what has arrived is read before silence is complained of: it may be this process that was stopped
        if self._connection.can_read(timeout=max(0.0, self._next_ping - self._clock())):
            return self._message_in(self._connection.read_response(push_request=True))
        if self._pings and self._clock() - self._pings[0] > self._max_silence:
            raise RedisConnectionError(f"no answer to a PING within {self._max_silence} s")
        return None

    def close(self) -> None:
        """Disconnect; in a forked child only the child's own descriptor is closed, the parent goes on."""
        self._connection.disconnect()

    def _ping(self) -> None:
        now = self._clock()
        self._connection.send_command("PING", check_health=False)
        self._pings.append(now)
        self._next_ping = now + min(MAX_PING_SECONDS, self._max_silence / PINGS_PER_SILENCE)

    def _message_in(self, answer: Any) -> bytes | str | None:
        # RESP2 answers a PING with [b"pong", b""] here, RESP3 with b"PONG"; pushed are [b"message", channel, data] and
        # [b"subscribe", channel, count]; text instead of bytes if the client decodes.
        kind, *rest = answer if isinstance(answer, list) else [answer]
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if kind == "message":
            return rest[1]  # type: ignore[no-any-return]  # bytes, or text from a client that decodes
        if kind in ("pong", "PONG") and self._pings:
            self.heard_until = self._pings.popleft()
        elif kind != "subscribe":
            raise RedisConnectionError(f"not the answer of a subscription: {kind}")
        return None

    def _refuse_reconnect(self, _connection: Any) -> None:
        raise RedisConnectionError("the connection was lost, and made again by redis-py")


def _subscriber(client: Redis | LateCluster, channel: str) -> Redis:
    """The client itself, or that of the node of a Cluster where the channel is published."""
    from ..._redis_cluster import LateCluster

    return client.subscriber(channel) if isinstance(client, LateCluster) else client
