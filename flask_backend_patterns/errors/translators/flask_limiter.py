"""Translates Flask-Limiter's refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tree import RateLimitError

if TYPE_CHECKING:
    from flask_limiter import RateLimitExceeded


def translate(error: RateLimitExceeded) -> RateLimitError:
    """`retry_after` is the length of the window: an upper bound, since reading the rest costs a trip to the store."""
    return RateLimitError(retry_after=error.limit.limit.get_expiry())
