"""Whether a response was made for somebody, which no declaration says: by what the view has looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import g
from flask.globals import request_ctx

from ..._contribution import ACTOR_ASKED_KEY
from .vary import Identity

if TYPE_CHECKING:
    from flask import Request

    from .rules import ViewRule

# Where Flask-JWT-Extended puts a token that it has verified, or `{}` for none.
TOKEN: Final = "_jwt_extended_jwt"  # noqa: S105 - a name
IDENTITY, INSIDE, SESSION, CREDENTIALS = "identity", "authentication-inside", "session", "credentials"


def reason_to_pass(asked: Request, rule: ViewRule) -> str | None:
    """Why `asked` is neither answered from the cache nor its response kept; None where it may be.

    Whoever has looked at who calls before the view was reached may have had the view know it.
    """
    vary = rule.declared.vary
    if vary.says_who:
        return None
    if rule.is_wary and "HTTP_AUTHORIZATION" in asked.environ:
        return CREDENTIALS  # RFC 9111, 3.5
    if TOKEN in g:
        return IDENTITY
    return SESSION if _session_is_used() else None


class Watch:
    """Sees what is asked for while the view runs."""

    __slots__ = ("_asked", "_environ", "_had_token", "_read_credentials")

    def __init__(self, asked: Request) -> None:
        self._asked = asked
        self._environ: dict[str, Any] = asked.environ
        self._had_token = TOKEN in g
        self._read_credentials = "authorization" in vars(asked)
        self._environ.pop(ACTOR_ASKED_KEY, None)

    def reason_against(self, rule: ViewRule) -> str | None:
        """Why the response may be for one caller only; None where `vary_on` covers what was asked."""
        vary = rule.declared.vary
        if TOKEN in g and not self._had_token:
            return INSIDE  # answered from the cache it would not be asked for
        is_read = "authorization" in vars(self._asked) and not self._read_credentials
        if vary.identity in {Identity.UNSAID, Identity.SHARED} and not vary.functions:
            if ACTOR_ASKED_KEY in self._environ:
                return IDENTITY
            if is_read and "HTTP_AUTHORIZATION" in self._environ:
                return CREDENTIALS
        if _session_is_used() and not (vary.functions and not _session_is_changed()):
            return SESSION
        return None


def _session_is_used() -> bool:
    return bool(getattr(_session(), "accessed", False))


def _session_is_changed() -> bool:
    return bool(getattr(_session(), "modified", True))


def _session() -> Any:
    """The session, without having it noted as used: reading it through `flask.session` would."""
    return getattr(request_ctx, "_session", None)
