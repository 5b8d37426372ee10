"""Translates every exception of PyJWT and of Flask-JWT-Extended into a 401."""

from __future__ import annotations

from importlib.util import find_spec

import jwt

from ..tree import InvalidTokenError, UnauthorizedError

_EXTENDED = find_spec("flask_jwt_extended") is not None


def translate(error: Exception) -> UnauthorizedError:
    """No token: `UNAUTHORIZED`; expired or revoked: said so; anything else: `INVALID_TOKEN`.

    The attribute `reason` says more, for the log alone.
    """
    answer = _answer_to(error)
    vars(answer)["reason"] = _reason_of(error)
    return answer


def _reason_of(error: Exception) -> str | None:
    """Ours where our verifier refused; of PyJWT the class must do, whose text may quote the token."""
    ours = getattr(error.__cause__, "reason", None)
    if ours is not None or not _EXTENDED:
        return ours
    from flask_jwt_extended import exceptions as extended

    if isinstance(error, extended.UserLookupError):  # its text names the user
        return "the app's user_lookup_loader finds nobody"
    return str(error) if isinstance(error, extended.JWTExtendedException) else None


def _answer_to(error: Exception) -> UnauthorizedError:
    if isinstance(error, jwt.ExpiredSignatureError):
        return InvalidTokenError("The token has expired.", code="TOKEN_EXPIRED")
    if _EXTENDED:
        from flask_jwt_extended import exceptions as extended

        if isinstance(error, extended.NoAuthorizationError):
            return UnauthorizedError()
        if isinstance(error, extended.RevokedTokenError):
            return InvalidTokenError("The token has been revoked.", code="TOKEN_REVOKED")
        if isinstance(error, extended.FreshTokenRequired):
            return InvalidTokenError("Log in again to do this.")
    return InvalidTokenError()
