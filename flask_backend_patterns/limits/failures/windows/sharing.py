"""Finds the Redis in which processes count failures together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...._redis_outage import RedisOutage
from .redis import RedisFailureWindows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...._contribution import EventLog
    from ...._shared_redis import SharedRedis
    from .protocols import FailureWindows


def shared_windows(
    redis: SharedRedis | None,
    *,
    find_limiter: Callable[[], Any],
    log: EventLog,
    prefix: str,
    clock: Callable[[], float] | None = None,
) -> FailureWindows | None:
    """The windows on `BACKEND_REDIS_URL`; without it on the Redis of the app's `Limiter`, if it counts in one.

    None otherwise: then each process counts for itself. The client of the `Limiter` is used as it is, with its own
    timeouts.
    """
    if redis is not None:
        return RedisFailureWindows(lambda: redis.client, outage=redis.outage, prefix=prefix, clock=clock)
    client = _redis_of(find_limiter())
    if client is None:
        return None
    outage = RedisOutage(log=log, ping=client.ping)
    return RedisFailureWindows(lambda: client, outage=outage, prefix=prefix, clock=clock)


def _redis_of(limiter: Any) -> Any:
    """The client under a Flask-Limiter `Limiter`, None where it counts elsewhere or is not set up."""
    if limiter is None or getattr(limiter, "_storage", None) is None:
        return None
    from limits.storage import RedisStorage

    storage = limiter.storage
    return storage.storage if isinstance(storage, RedisStorage) else None
