"""Builds the enforcer of `@idempotent`."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from ..._config import SetupError
from .enforcement import Enforcement

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._contribution import EventLog
    from ..._shared_redis import SharedRedis
    from ..._wrapped import WrappedExtensions
    from ...guard import Around
    from .protocols import IdempotencyStore
    from .settings import IdempotencySettings


def build(
    settings: IdempotencySettings,
    *,
    wrapped: WrappedExtensions,
    redis: SharedRedis | None,
    log: EventLog,
    caller: Callable[[], str],
    clock: Callable[[], float] = time.time,
) -> Around:
    """The enforcer of `Idempotent` on one app.

    `caller` is asked inside each request and returns what identifies the sender: keys are theirs alone. `clock` gives
    seconds since the epoch. Stores are made when first used.
    """

    @cache
    def store_called(name: str) -> IdempotencyStore:
        if name == "redis":
            if redis is None:
                raise SetupError(
                    'An @idempotent view uses store="redis", but BACKEND_REDIS_URL is not set; set it, or use '
                    'store="database".'
                )
            from .backends.redis import RedisStore

            return RedisStore(redis, lease_seconds=settings.lease_seconds, log=log)
        from .backends.database import DatabaseStore

        return DatabaseStore(wrapped, log=log, clock=clock)

    return Enforcement(settings, store_called, caller).enforce
