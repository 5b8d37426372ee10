"""`RateLimit-Policy`, `RateLimit` (draft-ietf-httpapi-ratelimit-headers) and their elders, on what a limited request is answered."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .request_limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._boundary import Exchange
    from .._contribution import HeaderPass, Present
    from .request_limits import Outcome
    from .settings import LimitsSettings

TOO_MANY_REQUESTS: Final = 429


def header_pass(settings: LimitsSettings, *, clock: Callable[[], float] = time.time) -> HeaderPass:
    """Adds what the app has not set itself. `clock` gives seconds since the epoch."""
    with_headers, with_legacy = settings.headers, settings.legacy_headers

    def add(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        asked = exchange.request
        current = None if asked is None else limits_of(asked)
        if current is None or not current.outcomes:
            return
        if with_headers:
            _add_standard(current.outcomes, sent, present)
        if with_legacy:
            _add_legacy(current.outcomes, sent, present, clock())
        is_refusal = exchange.status == TOO_MANY_REQUESTS and current.refused_for is not None
        if is_refusal and "retry-after" not in present:
            sent.append(("Retry-After", _seconds(current.refused_for or 0.0)))

    return add


def _add_standard(outcomes: Sequence[Outcome], sent: list[tuple[str, str]], present: Present) -> None:
    if "ratelimit-policy" not in present:
        sent.append(("RateLimit-Policy", ", ".join([limit.policy_text for limit, _ in outcomes])))
    if "ratelimit" not in present:
        stood = [
            f"{limit.quoted};r={standing.remaining};t={math.ceil(standing.reset_seconds)}"
            for limit, standing in outcomes
            if standing is not None
        ]
        sent.append(("RateLimit", ", ".join(stood)))


def _add_legacy(
    outcomes: Sequence[Outcome], sent: list[tuple[str, str]], present: Present, now: float
) -> None:
    """Those of the limit that is nearest to its end; `-Reset` in seconds since the epoch, as Flask-Limiter has it."""
    stood = [(limit, standing) for limit, standing in outcomes if standing is not None]
    limit, standing = min(
        stood, key=lambda pair: (pair[1].remaining / pair[0].rate.amount, -pair[1].reset_seconds)
    )
    values = {
        "X-RateLimit-Limit": str(limit.rate.amount),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Reset": str(math.ceil(now + standing.reset_seconds)),
    }
    sent.extend((name, value) for name, value in values.items() if name.lower() not in present)


def _seconds(seconds: float) -> str:
    """At least 1: what is there at once need not be waited for."""
    return str(max(1, math.ceil(seconds)))
