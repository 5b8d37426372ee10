"""The settings of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .._config import FeatureSettings, setting

AUTO, REDIS, FLASK_CACHING, MEMORY = "auto", "redis", "flask-caching", "memory"


@dataclass(frozen=True, kw_only=True)
class CacheSettings(FeatureSettings):
    """Where values are kept, and for how long."""

    PREFIX: ClassVar[str] = "BACKEND_CACHE_"

    store: str = setting(
        AUTO,
        choices=(AUTO, REDIS, FLASK_CACHING, MEMORY),
        doc="`redis` (BACKEND_REDIS_URL), `flask-caching` (the app's `Cache`), `memory` (this process); `auto` takes the "
        "first that is there.",
    )
    near_entries: int = setting(
        10_000, minimum=0, maximum=10_000_000, doc="Values that a process keeps near; 0 keeps none."
    )
    near_bytes: int = setting(
        32 * 1024 * 1024, minimum=0, maximum=1 << 40, doc="Their size, as stored, taken together."
    )
    near_seconds: float = setting(
        30.0, minimum=0, maximum=86_400, doc="How long a process uses a value without asking the store."
    )
    max_value_bytes: int = setting(
        1024 * 1024, minimum=1024, maximum=512 * 1024 * 1024, doc="Larger values are not stored."
    )
    lease_seconds: float = setting(
        2.0,
        minimum=0.5,
        maximum=60,
        doc="After this time without a sign of life another process loads in its place.",
    )
    wait_seconds: float = setting(
        10.0,
        minimum=0.0,
        maximum=600,
        doc="How long callers wait for another's load before they load themselves.",
    )
