"""The settings of rate limits and bans."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .._config import FeatureSettings, setting

STRATEGIES = FIXED_WINDOW, SLIDING_WINDOW, GCRA = "fixed-window", "sliding-window-counter", "gcra"
KEY_WORDS = ACTOR, ADDRESS, API_KEY = "actor", "address", "api_key"
HEADER_PREFIX = "header:"
NAME = re.compile(r"[ -~]{1,64}")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # a token (RFC 9110, 5.6.2)


@dataclass(frozen=True, kw_only=True)
class LimitsSettings(FeatureSettings):
    """How often callers may call, and what happens to those who will not stop."""

    PREFIX: ClassVar[str] = "BACKEND_LIMITS_"

    default: str | None = setting(
        None, doc='Rates for every route of our blueprints that declares none (`"100/minute; 2000/hour"`).'
    )
    default_key: Any = setting(
        "actor",
        doc="Whom the default counts: `actor`, `address`, `api_key`, `header:X-Name`, or a function.",
    )
    default_tiers: Any = setting(
        None,
        doc='Other rates by role in place of the default (`{"partner": "1000/minute"}`); of several the widest counts.',
    )
    rates: Any = setting(
        None,
        doc='Rates of limits by their name, in place of what the code says (`{"checkout": "10/minute; 100/hour"}`).',
    )
    strategy: str = setting(
        SLIDING_WINDOW,
        choices=STRATEGIES,
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

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; the words that `default_key` may be are not names of modules."""
        key = f"{cls.PREFIX}DEFAULT_KEY"
        word = config.get(key)
        if isinstance(word, str) and is_key_word(word):
            group = super().from_config({**config, key: None}, problems)
            object.__setattr__(group, "default_key", word)  # not shared yet
            return group
        if isinstance(word, str) and ":" not in word:
            problems.append(
                f"{key}: {word!r}; expected {', '.join(KEY_WORDS)}, {HEADER_PREFIX}X-Name, or 'package.module:function'"
            )
            return super().from_config({**config, key: None}, problems)
        return super().from_config(config, problems)


def is_key_word(text: str) -> bool:
    """Whether `text` says whom a limit counts, other than by a function."""
    return text in KEY_WORDS or (
        text.startswith(HEADER_PREFIX) and HEADER_NAME.fullmatch(text, len(HEADER_PREFIX)) is not None
    )


def is_name(name: Any) -> bool:
    """Whether a limit may be called that."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None and bool(name.strip())
