"""Liveness, readiness, startup; graceful shutdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def take_sigterm(app: Flask) -> bool:
    """Let `app` drain on SIGTERM; for a server that sets its own handler after it has loaded the app.

    Call it in the main thread of each worker once the server has set its handler, in gunicorn with `--preload` from
    the `post_worker_init` hook. False, with a log event, where that is impossible. Without drain seconds, or without
    `init_app`, it does nothing and answers False.
    """
    from .._state import state_of

    state = state_of(app)
    if state is None or state.health is None or not state.health.settings.drain_seconds:
        return False
    return state.health.draining.take_sigterm()
