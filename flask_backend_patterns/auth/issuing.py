"""Logging somebody in and out from code of your own, where the login blueprint is not what you want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .sessions.given import subject_of
from .state import auth_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .sessions import Device
    from .tokens import TokenPair


def issue_tokens(
    user_id: object,
    *,
    roles: Iterable[str],
    claims: Mapping[str, Any] | None = None,
    device: Device | None = None,
) -> TokenPair:
    """An access and a refresh token of a new session; the id becomes a string (`sub`).

    Check the credentials first: nothing is checked here. Raises `SetupError` without `BACKEND_REDIS_URL` or a signing
    key, and `CacheError` when Redis is away.
    """
    return auth_state().tokens.issue(subject_of(user_id), roles=roles, claims=claims or {}, device=device)


def revoke_tokens(*, user_id: object, session_id: str | None = None) -> None:
    """End one session of a user, or all that began until now; tokens of it are refused in every process.

    Within the milliseconds that an invalidation travels; what does not exist is no error. Raises `CacheError` when Redis is
    away: then nothing has been revoked.
    """
    if session_id is None:
        auth_state().tokens.revoke_all(subject_of(user_id))
    else:
        auth_state().tokens.revoke(subject=subject_of(user_id), session_id=session_id)
