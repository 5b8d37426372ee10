"""Why a token is refused: for the log; clients only learn that it does not count."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidTokenError

INVALID, EXPIRED, REVOKED = "INVALID_TOKEN", "TOKEN_EXPIRED", "TOKEN_REVOKED"

_MESSAGES = {EXPIRED: "The token has expired.", REVOKED: "The token has been revoked."}


class TokenRefusalError(InvalidTokenError):
    """The 401 for a token that does not count; `reason` is for the log."""

    def __init__(self, message: str | None, *, reason: str | None = None, **options: Any) -> None:
        super().__init__(message, **options)
        self.reason = reason


class TokenFault(ValueError):  # noqa: N818 - an internal signal; callers see `InvalidTokenError`
    """A token that does not count; the text says why and holds nothing of the token."""

    def __init__(self, reason: str, *, code: str = INVALID) -> None:
        super().__init__(reason)
        self.code = code


def refusal(code: str = INVALID, *, scheme: str = "Bearer", reason: str | None = None) -> TokenRefusalError:
    """The 401 for a token that does not count; `scheme` goes in its challenge, `reason` in the log alone."""
    return TokenRefusalError(_MESSAGES.get(code), code=code, scheme=scheme, reason=reason)
