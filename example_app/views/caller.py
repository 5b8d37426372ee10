"""The caller as the shop's tables know them."""

from __future__ import annotations

from flask_backend_patterns import current_actor


def caller_id() -> int:
    """The caller's row in `users`; for views that only authenticated callers reach."""
    return int(current_actor.id)
