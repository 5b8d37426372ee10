"""Who may see and change an account: somebody who has logged in to it, not a program with one of its keys."""

from __future__ import annotations

from typing import Final

from ...errors import ForbiddenError, InvalidTokenError
from ..identity import Actor
from ..state import auth_state
from .account import find_by_id

_BY_PERSON: Final = frozenset({"jwt", "cookie", "session"})


def logged_in_person() -> Actor:
    """The caller; `ForbiddenError` for API keys and for tokens that are narrowed to scopes.

    Where the app has a user store, `InvalidTokenError` (`TOKEN_REVOKED`) for an account that is gone or not active:
    an access token may live longer than that.
    """
    state = auth_state()
    actor = state.identification.require()
    if actor.method not in _BY_PERSON or actor.scopes is not None:
        raise ForbiddenError("Log in to do this; an API key is not enough.")
    if state.users.is_given:
        account = find_by_id(actor.id)
        if account is None or not account.is_active:
            raise InvalidTokenError("The account is not active.", code="TOKEN_REVOKED")
    return actor
