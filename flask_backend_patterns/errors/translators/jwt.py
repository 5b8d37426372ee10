"""Translates every exception of PyJWT and of Flask-JWT-Extended into a 401."""

from __future__ import annotations

from importlib.util import find_spec

import jwt

from ..tree import InvalidTokenError, UnauthorizedError

_EXTENDED = find_spec("flask_jwt_extended") is not None


def translate(error: Exception) -> UnauthorizedError:
    """No token: `UNAUTHORIZED`; expired or revoked: said so; anything else: `INVALID_TOKEN`, without the reason."""
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
