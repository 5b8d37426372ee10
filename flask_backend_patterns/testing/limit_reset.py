"""Limits that begin anew, for tests that share an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config import SetupError
from .._state import state_of

if TYPE_CHECKING:
    from flask import Flask


def reset_limits(app: Flask) -> None:
    """Forget what `@rate_limit` and the default limits of `app` have counted and refused, in Redis and in this process.

    Bans, and failed logins, are kept. `SetupError` where the app has no BackendPatterns, `CacheError` without its Redis.
    """
    state = state_of(app)
    if state is None:
        raise SetupError("reset_limits takes an app that has BackendPatterns.")
    if state.limits is None:
        return
    state.limits.windows.clear_all("")
    state.limits.refusals.hear(None)
    state.limits.front.hear(None)
