"""The one way to Redis that all features of an app share: one client, one breaker, one naming of keys."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ._redis import connect
from ._redis_outage import RedisOutage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from ._contribution import EventLog
    from ._redis import RedisSettings

T = TypeVar("T")


class Script(Protocol):
    """A Lua script that Redis runs as one step."""

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """What the script returns (bytes, not text). Raises `CacheError` when Redis fails or is known to be away."""


class SharedRedis:
    """The Redis of `BACKEND_REDIS_URL`, for one app; connects at its first command. Thread-safe, usable after a fork.

    While Redis is away every call is refused at once with `CacheError`: see `RedisOutage`.
    """

    def __init__(self, settings: RedisSettings, *, namespace: str, log: EventLog) -> None:
        self.namespace = namespace
        self.outage = RedisOutage(log=log)
        self._settings = settings

    @property
    def is_down(self) -> bool:
        """Whether the last that was heard of Redis is that it does not answer. Costs nothing."""
        return self.outage.is_down

    @cached_property
    def client(self) -> Redis:
        """redis-py's client, for what needs it; its commands are not guarded by the breaker."""
        return connect(self._settings)

    def key(self, feature: str, *parts: str) -> str:
        """The name of something that `feature` keeps; all keys of a feature of an app are in one slot of a Cluster."""
        return ":".join((f"backend:{feature}:{{{self.namespace}}}", *parts))

    def run(self, function: Callable[[Redis], T]) -> T:
        """What `function` returns, which sends commands by the client it is given; `CacheError` as said above."""
        return self.outage.call(lambda: function(self.client))

    def command(self, *args: str | bytes | float) -> Any:
        """The answer to one command, as Redis gave it (bytes): the cheapest way to send one. `CacheError` as above."""
        return self.outage.call(lambda: self.client.execute_command(*args))  # type: ignore[no-untyped-call]

    def script(self, source: str) -> Script:
        """A script, sent once and then known by its hash."""
        return _Script(self, source)


class _Script:
    def __init__(self, redis: SharedRedis, source: str) -> None:
        self._redis = redis
        self._source = source

    @cached_property
    def _registered(self) -> Any:
        return self._redis.client.register_script(self._source)

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """See `Script`."""
        return self._redis.run(lambda _: self._registered(keys=list(keys), args=list(args)))
