"""Begins and ends server-side sessions of browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app, request

from ..state import auth_state
from .authenticator import csrf_cookie_name
from .cookie_value import CookieValue
from .device import device_of_request
from .given import role_names, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.wrappers import Response

    from .protocols import SessionStore
    from .session import CookieSession, Device


def start_session(
    response: Response, user_id: object, *, roles: Iterable[str], device: Device | None = None
) -> CookieSession:
    """Log a user in whose credentials have been checked: sets the cookies of a new session on `response`.

    A session that the request came with ends, and the new one has a new id: one that was planted is worth nothing.
    `roles` count until the session ends; where the app has a user store, only its own count, as they are at the time
    (see `SessionAuthenticator`). Raises `SetupError` without Redis, `CacheError` when Redis is away.
    """
    return _cookies().start(response, user_id, roles=roles, device=device)


def end_session(response: Response) -> bool:
    """Log out: ends the session that the request came with, if any, and takes its cookies away; True if there was one.

    Raises `CacheError` when Redis is away: then the session has not ended.
    """
    return _cookies().end(response)


@dataclass(frozen=True, kw_only=True)
class SessionCookies:
    """The two cookies of a session: the opaque one, hidden from scripts, and the CSRF value, for scripts to read.

    Both are `SameSite=Lax`, for this host only, and `Secure` when the request is.
    """

    name: str
    sessions: SessionStore
    max_age_seconds: int

    def start(
        self, response: Response, user_id: object, *, roles: Iterable[str], device: Device | None = None
    ) -> CookieSession:
        """See `start_session`."""
        subject, names = subject_of(user_id), role_names(roles)
        self._end_old()
        session, cookie = self.sessions.create_cookie(
            subject=subject, roles=names, device=device_of_request() if device is None else device
        )
        self._set(response, self.name, str(cookie), is_hidden=True)
        self._set(response, csrf_cookie_name(self.name), cookie.csrf, is_hidden=False)
        response.headers["Cache-Control"] = "no-store"
        return session

    def end(self, response: Response) -> bool:
        """See `end_session`."""
        existed = self._end_old()
        for name, is_hidden in ((self.name, True), (csrf_cookie_name(self.name), False)):
            response.delete_cookie(name, secure=_is_secure(), httponly=is_hidden, samesite="Lax")
        response.headers["Cache-Control"] = "no-store"
        return existed

    def _end_old(self) -> bool:
        cookie = CookieValue.parse(request.cookies.get(self.name, ""))
        return cookie is not None and self.sessions.revoke_cookie(cookie)

    def _set(self, response: Response, name: str, value: str, *, is_hidden: bool) -> None:
        response.set_cookie(
            name,
            value,
            max_age=self.max_age_seconds,
            secure=_is_secure(),
            httponly=is_hidden,
            samesite="Lax",
        )


def _cookies() -> SessionCookies:
    state = auth_state()
    return SessionCookies(
        name=state.settings.session_cookie,
        sessions=state.sessions,
        max_age_seconds=state.settings.session_seconds,
    )


def _is_secure() -> bool:
    """Whether cookies go over TLS only: where the request did, or where Flask's own session cookie does."""
    return request.is_secure or bool(current_app.config["SESSION_COOKIE_SECURE"])
