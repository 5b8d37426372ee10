"""The trail that logins leave in the log: who, from where, what; never a password, a token, or what a stranger typed."""

from __future__ import annotations

from typing import Any

from flask import current_app, request

from ..._state import state_of


def note(event: str, *, is_warning: bool = False, **fields: Any) -> None:
    """Write `auth.<event>` with the client's address; the request's id and route are added by the log."""
    state = state_of(current_app)
    if state is not None:
        write = state.log.warning if is_warning else state.log.info
        write(f"auth.{event}", address=request.remote_addr, **fields)
