"""The one way to Redis that all features of an app share: one client, one breaker, one naming of keys."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import finalize

from ._after_fork import reset_in_children
from ._redis import close_idle, connect, is_cluster
from ._redis_outage import RedisOutage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from ._contribution import EventLog
    from ._redis import RedisSettings
    from .observability.metrics import Metrics

T = TypeVar("T")


class Script(Protocol):
    """A Lua script that Redis runs as one step."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """What the script returns (bytes, not text). Raises `CacheError` when Redis fails or is known to be away."""


class SharedRedis:
    """The Redis of `BACKEND_REDIS_URL`, for one app; connects at its first command. Thread-safe, usable after a fork.

    While Redis is away every call is refused at once with `CacheError`: see `RedisOutage`. A command is sent once: one
    whose answer was lost may have been executed, and is for its caller to repeat.
    """

    def __init__(
        self, settings: RedisSettings, *, namespace: str, log: EventLog, metrics: Metrics | None = None
    ) -> None:
        self.namespace = namespace
        self.outage = RedisOutage(log=log, ping=_Ping(self), report=_report_to(metrics))
        self._settings = settings
        self._connections: _Connections | None = None
        self._lock = threading.RLock()
        reset_in_children(self)

    @property
    def is_down(self) -> bool:
        """Whether the last that was heard of Redis is that it does not answer. Costs nothing."""
        return self.outage.is_down

    @property
    def connections_made(self) -> int:
        """How many have been opened for `command` and scripts so far: after each Redis may be another. 0 for a Cluster."""
        connections = self._connections
        return 0 if connections is None or connections.lane is None else connections.lane.made

    @property
    def client(self) -> Redis:
        """redis-py's client, for what needs it; its commands are not guarded by the breaker."""
        return self._connected().client

    def key(self, feature: str, *parts: str) -> str:
        """The name of something that `feature` keeps; all keys of a feature of an app are in one slot of a Cluster."""
        return ":".join((f"backend:{feature}:{{{self.namespace}}}", *parts))

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Call `callback` when Redis is back, before anybody else is let through; see `RedisOutage.on_recovery`."""
        self.outage.on_recovery(callback)

    def run(self, function: Callable[[Redis], T]) -> T:
        """What `function` returns, which sends commands by the client it is given; `CacheError` as said above."""
        return self.outage.call(self._run, function)

    def command(self, *args: str | bytes | float) -> Any:
        """The answer to one command, as Redis gave it (bytes): the cheapest way to send one. `CacheError` as above.

        On a Cluster it is as redis-py gives it, which for some commands is parsed.
        """
        return self.outage.call(self._ask, *args)

    def script(self, source: str) -> Script:
        """A script, sent once and then known by its hash."""
        return _Script(self, source)

    def close(self) -> None:
        """Close the connections that are not in use; the next command makes new ones."""
        if self._connections is not None:
            self._connections.close()

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.RLock()

    def _run(self, function: Callable[[Redis], T]) -> T:
        return function(self._connected().client)

    def _ask(self, *args: str | bytes | float) -> Any:
        return (self._connections or self._connected()).ask(*args)

    def _connected(self) -> _Connections:
        if self._connections is None:
            with self._lock:
                if self._connections is None:
                    made = _Connections(self._settings)
                    finalize(self, made.close)
                    self._connections = made
        return self._connections


class _Connections:
    """The client, and the cheapest way to ask what it asks."""

    def __init__(self, settings: RedisSettings) -> None:
        from ._redis_lane import RedisLane  # here, since importing redis takes long

        self.client = connect(settings)
        self.is_cluster = is_cluster(self.client)
        self.lane: RedisLane | None = None
        self.ask: Callable[..., Any] = self._ask_cluster
        if not self.is_cluster:
            self.lane = RedisLane(self.client, max_connections=settings.max_connections)
            self.ask = self.lane.ask

    def _ask_cluster(self, *args: str | bytes | float) -> Any:
        return self.client.execute_command(*args)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close what is idle."""
        if self.lane is not None:
            self.lane.close_idle()
        close_idle(self.client)


class _Ping:
    """Asks Redis for a sign of life, over a new connection: old ones may lead to a machine that is gone."""

    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis

    def __call__(self) -> None:
        connections = self._redis._connected()  # noqa: SLF001 - two classes, one thing
        if connections.is_cluster:
            connections.ask("EXISTS", self._redis.key("ping"))  # the node that has our keys
        else:
            connections.close()
            connections.ask("PING")


class _Script:
    def __init__(self, redis: SharedRedis, source: str) -> None:
        self._redis = redis
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """See `Script`."""
        return self._redis.outage.call(self._ask, keys, args)

    def _ask(self, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
        redis = self._redis
        ask = (redis._connections or redis._connected()).ask  # noqa: SLF001 - two classes, one thing
        try:
            return ask("EVALSHA", self._sha, len(keys), *keys, *args)
        except Exception as error:
            if not _says_unknown(error):
                raise
        # It was not run: Redis is new, or has forgotten it.
        return ask("EVAL", self._source, len(keys), *keys, *args)


def _says_unknown(error: Exception) -> bool:
    from redis.exceptions import NoScriptError

    return isinstance(error, NoScriptError)


def _report_to(metrics: Metrics | None) -> Callable[[bool], object]:
    if metrics is None:
        return bool
    gauge = metrics.gauge("backend_dependency_up", "Whether a dependency answers.", ["name"])
    return gauge.labels("redis").set
