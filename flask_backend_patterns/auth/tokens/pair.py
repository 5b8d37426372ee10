"""What a login or a refresh gives to the client."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """An access and a refresh token of one session; secrets, so not in the repr.

    `token_type` is the word before the token in `Authorization`. `expires_in` and `refresh_expires_in` are in seconds.
    `csrf_access` and `csrf_refresh` go into cookies that scripts can read; None where tokens are not sent in cookies.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    expires_in: int
    refresh_expires_in: int
    session_id: str
    csrf_access: str | None = field(repr=False, default=None)
    csrf_refresh: str | None = field(repr=False, default=None)
