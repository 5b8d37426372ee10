"""Settings of idempotency keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._config import FeatureSettings, setting

STORES = ("database", "redis")


@dataclass(frozen=True, kw_only=True)
class IdempotencySettings(FeatureSettings):
    """Where the results of `@idempotent` views are kept, and for how long."""

    PREFIX: ClassVar[str] = "BACKEND_IDEMPOTENCY_"

    store: str = setting(
        "database",
        choices=STORES,
        doc="`database` commits result and write together; `redis` may run a request again when a process is killed.",
    )
    ttl_seconds: int = setting(
        86_400, minimum=1, maximum=31_536_000, doc="How long a result can be replayed."
    )
    lease_seconds: int = setting(
        60,
        minimum=1,
        maximum=86_400,
        doc="With `redis`: how long one attempt holds a key; longer than the slowest such view takes.",
    )
    max_response_bytes: int = setting(
        1_048_576, minimum=1, doc="The largest response body that is stored; a larger one is an error."
    )
