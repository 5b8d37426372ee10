"""A cache that begins anew, for tests that share an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config import SetupError
from .._state import state_of

if TYPE_CHECKING:
    from flask import Flask


def clear_cache(app: Flask) -> None:
    """Forget what `@cached`, `@cached_view` and their kin have kept for `app`, in its store and in this process.

    `SetupError` where the app has no BackendPatterns, `CacheError` without its store.
    """
    state = state_of(app)
    if state is None:
        raise SetupError("clear_cache takes an app that has BackendPatterns.")
    if state.cache.aside is not None:
        state.cache.aside.clear()
