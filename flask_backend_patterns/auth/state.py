"""What authentication and authorization keep for an app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

from .._config import SetupError
from .._state import state_of

if TYPE_CHECKING:
    from .api_keys import ApiKeys
    from .failures import Failures
    from .identity import Identification
    from .notifications import Notifications
    from .one_time_tokens import OneTimeTokens
    from .passwords import Passwords
    from .policies import Policies
    from .roles import Roles
    from .sessions import SessionStore
    from .settings import AuthSettings
    from .tokens import KeySet, Tokens, TokenVerifier
    from .tokens.bond import ExtendedBond
    from .users import Users


@dataclass(frozen=True, kw_only=True)
class AuthState:
    """The parts, each made once for an app; nothing connects before it is used."""

    settings: AuthSettings
    identification: Identification
    roles: Roles
    policies: Policies
    keys: KeySet
    verifier: TokenVerifier
    sessions: SessionStore
    tokens: Tokens
    users: Users
    passwords: Passwords
    api_keys: ApiKeys
    one_time_tokens: OneTimeTokens
    failures: Failures
    notifications: Notifications
    bond: ExtendedBond


def auth_state() -> AuthState:
    """The state of the current app; `SetupError` when the app has no BackendPatterns, or authentication is off."""
    state = state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    if state is None:
        raise SetupError("This app has no BackendPatterns; call BackendPatterns().init_app(app).")
    if state.auth is None:
        raise SetupError("Authentication is switched off in this app (BACKEND_AUTH_ENABLED).")
    return state.auth
