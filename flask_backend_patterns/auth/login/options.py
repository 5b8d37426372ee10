"""What an app chooses when it makes the login blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from marshmallow import Schema

    from ..protocols import User

# What the app wants in the access tokens of a user who logs in.
MakeClaims: TypeAlias = "Callable[[User], Mapping[str, Any]]"

FEATURES: Final = (
    "login", "refresh", "logout", "sessions", "register", "verify", "reset", "password", "api_keys", "jwks",
)  # fmt: skip
# API keys only where asked for: unless `api_key` is among the authenticators, what the routes make is refused.
DEFAULT_FEATURES: Final = tuple(feature for feature in FEATURES if feature != "api_keys")


@dataclass(frozen=True, kw_only=True)
class LoginOptions:
    """See `login_blueprint`."""

    cookies: bool | None = None
    require_verified: bool = False
    email_logins: bool = True
    details: type[Schema] | None = None
    claims: MakeClaims | None = None
