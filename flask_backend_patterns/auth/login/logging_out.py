"""Ends the session that a request belongs to, whatever state its credentials are in (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import after_this_request, current_app, request

from ...errors import InvalidTokenError
from ..sessions.authenticator import require_csrf
from ..sessions.cookie_value import CookieValue
from ..sessions.cookies import end_session
from ..state import auth_state
from .delivery import Delivery, deliveries
from .events import note
from .token_cookies import TokenCookies

if TYPE_CHECKING:
    from flask import Response

    from ..tokens.claims import VerifiedToken


def log_out(refresh_token: str | None) -> None:
    """End what the request's tokens and cookies belong to, and take the cookies away.

    Expired, revoked, unknown and missing credentials are no errors: who sends them is logged out. Raises
    `ForbiddenError` (`CSRF_FAILED`) for cookies without their CSRF value, and `CacheError` while Redis is away: then nothing has ended.
    """
    # Whatever is refused is refused before the first of them ends.
    tokens = [*_cookie_tokens(), *_header_tokens(), *([refresh_token] if refresh_token else [])]
    cookie = sent_session()
    if cookie is not None:
        require_csrf(cookie)
    revoked = [auth_state().tokens.revoke_token(token) for token in dict.fromkeys(tokens)]
    ended = cookie.session_id if forget_session_cookies() and cookie is not None else None
    forget_cookies()
    known = next(filter(None, map(_verified, tokens)), None)
    note(
        "logged_out",
        user_id=None if known is None else known.subject,
        session=ended if known is None else known.session_id,
        ended=ended is not None or any(revoked),
    )


def forget_cookies() -> None:
    """Take the cookies of tokens away with the answer to this request, where the app uses any."""
    if Delivery.COOKIES in deliveries():

        @after_this_request
        def clear(response: Response) -> Response:
            TokenCookies.from_config(current_app.config).clear(response)
            return response


def forget_session_cookies() -> bool:
    """The same for those of the server-side session that the request came with, which ends; whether it had not before."""
    if Delivery.SESSION not in deliveries():
        return False
    carrier = current_app.response_class()
    existed = end_session(carrier)

    @after_this_request
    def take_cookies(response: Response) -> Response:
        for header in carrier.headers.getlist("Set-Cookie"):
            response.headers.add("Set-Cookie", header)
        return response

    return existed


def sent_session() -> CookieValue | None:
    """The cookie of a server-side session in this request, where the app uses any."""
    if Delivery.SESSION not in deliveries():
        return None
    return CookieValue.parse(request.cookies.get(auth_state().settings.session_cookie, ""))


def _cookie_tokens() -> list[str]:
    if Delivery.COOKIES not in deliveries():
        return []
    return TokenCookies.from_config(current_app.config).all_tokens()


def _header_tokens() -> list[str]:
    """What follows the word in `Authorization`; what is no token of ours is revoked in vain."""
    header = request.headers.get(current_app.config.get("JWT_HEADER_NAME") or "Authorization", "")
    token = header.rpartition(" ")[2]
    return [token] if token else []


def _verified(token: str) -> VerifiedToken | None:
    """What a token says or said; None for one that this app did not make."""
    try:
        return auth_state().verifier.verify(token, token_type=None, allow_expired=True)
    except InvalidTokenError:
        return None
