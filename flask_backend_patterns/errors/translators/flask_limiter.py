"""Translates Flask-Limiter's refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import has_request_context, request

from ..._contribution import LIMITER_WAITS_KEY
from ..tree import RateLimitError

if TYPE_CHECKING:
    from flask_limiter import RateLimitExceeded


def translate(error: RateLimitExceeded) -> RateLimitError:
    """`retry_after` is when the request fits, as our storage for Flask-Limiter has told.

    On other storages it is the length of the window: an upper bound, since reading the rest costs a trip, which may fail.
    """
    limit = error.limit.limit
    window_seconds = limit.get_expiry()
    waits = request.environ.get(LIMITER_WAITS_KEY, {}) if has_request_context() else {}
    return RateLimitError(retry_after=waits.get((limit.amount, window_seconds), window_seconds))
