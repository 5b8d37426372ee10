"""The settings of rate limits and bans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .._config import FeatureSettings, setting

FIXED_WINDOW, SLIDING_WINDOW, GCRA = "fixed-window", "sliding-window-counter", "gcra"


@dataclass(frozen=True, kw_only=True)
class LimitsSettings(FeatureSettings):
    """How often callers may call, and what happens to those who will not stop."""

    PREFIX: ClassVar[str] = "BACKEND_LIMITS_"

    default: str | None = setting(
        None, doc='Rates for every route of our blueprints that declares none (`"100/minute; 2000/hour"`).'
    )
    default_key: Any = setting(
        "actor", doc="Whom the default counts: `actor`, `address`, `api_key` or a function."
    )
    default_tiers: Mapping[str, Any] = field(
        default_factory=dict,
        metadata={
            "doc": 'Other rates by role in place of the default (`{"partner": "1000/minute"}`); the widest counts.',
            "minimum": None,
            "maximum": None,
            "choices": None,
            "secret": False,
        },
    )
    strategy: str = setting(
        SLIDING_WINDOW,
        choices=(FIXED_WINDOW, SLIDING_WINDOW, GCRA),
        doc="How requests are counted where a limit does not say.",
    )
    headers: bool = setting(default=True, doc="Send `RateLimit-Policy` and `RateLimit`.")
    legacy_headers: bool = setting(
        default=False, doc="Send `X-RateLimit-Limit`, `-Remaining` and `-Reset` too."
    )
    exempt_addresses: tuple[str, ...] = setting(
        (), doc="Addresses and networks (`10.0.0.0/8`) that are never limited by address, and never banned."
    )
    memory_entries: int = setting(
        50_000, minimum=100, maximum=10_000_000, doc="Callers counted in a process while Redis is away."
    )
    ban_after: int | None = setting(
        None,
        minimum=1,
        maximum=1_000_000,
        doc="Refusals of an address within the window after which it is banned.",
    )
    ban_window_seconds: int = setting(60, minimum=1, maximum=86_400, doc="See `BACKEND_LIMITS_BAN_AFTER`.")
    ban_seconds: int = setting(600, minimum=1, maximum=2_592_000, doc="How long a ban lasts.")
    ban_paths: tuple[str, ...] = setting(
        (), doc="Paths that only scanners ask for (`/wp-login.php`, `*.php`): who asks is banned at once."
    )
