"""What every feature of an app may stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._contribution import EventLog
    from ._redis import RedisSettings
    from ._shared_redis import SharedRedis
    from ._wrapped import WrappedExtensions
    from .observability.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """One for each app; `redis` is None where it has none, `metrics` where nobody scrapes them.

    `namespace` is part of every key in Redis. `redis_settings` are for those who need a client of their own.
    """

    wrapped: WrappedExtensions
    log: EventLog
    metrics: Metrics | None
    namespace: str
    redis: SharedRedis | None
    redis_settings: RedisSettings
