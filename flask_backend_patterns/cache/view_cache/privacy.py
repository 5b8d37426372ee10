"""Whether a response was made for somebody, which no declaration says: by what the view has looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import g
from flask.globals import _cv_app, request_ctx

from ..._contribution import ACTOR_ASKED_KEY
from ..uncommitted import sees_uncommitted
from .vary import Identity

if TYPE_CHECKING:
    from flask import Request

    from .rules import ViewRule

# Where Flask-JWT-Extended puts a token that it has verified, or `{}` for none.
TOKEN: Final = "_jwt_extended_jwt"  # noqa: S105 - a name
_NO_BODY: Final = frozenset({None, "", "0"})
IDENTITY, INSIDE, SESSION, CREDENTIALS = "identity", "authentication-inside", "session", "credentials"
BODY, COOKIES, UNCOMMITTED = "request-body", "cookies", "uncommitted"


def reason_to_pass(asked: Request, rule: ViewRule) -> str | None:
    """Why `asked` is neither answered from the cache nor its response kept; None where it may be.

    Whoever has looked at who calls before the view was reached may have had the view know it. A body is no part of what
    is asked for by GET (RFC 9110, 9.3.1), so it is no part of the key; but a view may read it.
    """
    if asked.environ.get("CONTENT_LENGTH") not in _NO_BODY or "HTTP_TRANSFER_ENCODING" in asked.environ:
        return BODY
    if sees_uncommitted():
        return UNCOMMITTED
    vary = rule.declared.vary
    if vary.says_who:
        return None
    if "HTTP_AUTHORIZATION" in asked.environ:
        return CREDENTIALS  # RFC 9111, 3.5: that everybody may call says not that everybody gets the same
    if TOKEN in _cv_app.get().g:  # `g` itself is a proxy, three times as slow
        return IDENTITY
    return SESSION if _session_is_used() else None


class Watch:
    """Sees what is asked for while the view runs."""

    __slots__ = ("_asked", "_environ", "_had_token")

    def __init__(self, asked: Request) -> None:
        self._asked = asked
        self._environ: dict[str, Any] = asked.environ
        self._had_token = TOKEN in g
        self._environ.pop(ACTOR_ASKED_KEY, None)
        for name in ("authorization", "cookies"):  # from now on it is the view that reads them
            vars(asked).pop(name, None)

    def reason_against(self, rule: ViewRule) -> str | None:
        """Why the response may be for one caller only; None where `vary_on` covers what was asked."""
        vary = rule.declared.vary
        if TOKEN in g and not self._had_token:
            return INSIDE  # answered from the cache it would not be asked for
        if vary.identity in {Identity.UNSAID, Identity.SHARED} and not vary.functions:
            if ACTOR_ASKED_KEY in self._environ:
                return IDENTITY
            if "HTTP_AUTHORIZATION" in self._environ and "authorization" in vars(self._asked):
                return CREDENTIALS
        if self._reads_cookies and not (vary.cookies or vary.is_for_one):
            return COOKIES
        if _session_is_used() and not (vary.functions and not _session_is_changed()):
            return SESSION
        return None

    @property
    def _reads_cookies(self) -> bool:
        return "HTTP_COOKIE" in self._environ and "cookies" in vars(self._asked)


def _session_is_used() -> bool:
    return bool(getattr(_session(), "accessed", False))


def _session_is_changed() -> bool:
    return bool(getattr(_session(), "modified", True))


def _session() -> Any:
    """The session, without having it noted as used: reading it through `flask.session` would."""
    fields = vars(request_ctx._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    return (
        fields["_session"] if "_session" in fields else fields.get("session")
    )  # since Flask 3.1.3, and before
