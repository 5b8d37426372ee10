"""Where in a request a token may be: a header, or a cookie with CSRF protection; never the query string."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ..._config import ConfigError
from ...errors import ForbiddenError
from ..csrf import is_same
from .faults import refusal
from .rules import scheme_word

if TYPE_CHECKING:
    from flask import Request

    from ..settings import AuthSettings
    from .claims import VerifiedToken

HEADERS, COOKIES = "headers", "cookies"


@dataclass(frozen=True, kw_only=True)
class CookieRules:
    """The cookie of access tokens and its double submit: the claim `csrf` has to come again in `csrf_header`.

    `csrf_methods` is empty where `JWT_COOKIE_CSRF_PROTECT` is off; `csrf_field` is a form field, or None.
    """

    name: str = "access_token_cookie"
    csrf_methods: frozenset[str] = frozenset({"POST", "PUT", "PATCH", "DELETE"})
    csrf_header: str = "X-CSRF-TOKEN"
    csrf_field: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From `JWT_ACCESS_COOKIE_NAME`, `JWT_COOKIE_CSRF_PROTECT` and their kin."""
        methods = config.get("JWT_CSRF_METHODS", cls.csrf_methods)
        methods = (methods,) if isinstance(methods, str) else methods
        field = config.get("JWT_ACCESS_CSRF_FIELD_NAME") or "csrf_token"
        return cls(
            name=config.get("JWT_ACCESS_COOKIE_NAME") or cls.name,
            csrf_methods=frozenset(methods if config.get("JWT_COOKIE_CSRF_PROTECT", True) else ()),
            csrf_header=config.get("JWT_ACCESS_CSRF_HEADER_NAME") or cls.csrf_header,
            csrf_field=field if config.get("JWT_CSRF_CHECK_FORM") else None,
        )

    def require_csrf(self, request: Request, token: VerifiedToken) -> None:
        """Raise `ForbiddenError` with the code `CSRF_FAILED` when a request that changes something lacks the token's `csrf`."""
        if request.method not in self.csrf_methods:
            return
        sent = request.headers.get(self.csrf_header)
        if not sent and self.csrf_field is not None:
            sent = request.form.get(self.csrf_field)
        wanted = token.claims.get("csrf")
        if not sent or not wanted or not is_same(sent, wanted):
            raise ForbiddenError(
                f"The CSRF token is missing or wrong; send it in {self.csrf_header}.", code="CSRF_FAILED"
            )


@dataclass(frozen=True, kw_only=True)
class TokenPlaces:
    """Where tokens are looked for, in the order of `JWT_TOKEN_LOCATION`; `scheme` is empty for a bare token."""

    order: tuple[str, ...] = (HEADERS,)
    header: str = "Authorization"
    scheme: str = "Bearer"
    cookie: CookieRules = CookieRules()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], settings: AuthSettings) -> Self:
        """From `JWT_TOKEN_LOCATION`, `JWT_HEADER_NAME` and their kin; raises `ConfigError`."""
        locations = config.get("JWT_TOKEN_LOCATION", (HEADERS,))
        if isinstance(locations, str):
            locations = (locations,)
        if not isinstance(locations, Iterable):
            raise ConfigError([f"JWT_TOKEN_LOCATION is {locations!r}; expected a list."])
        scheme = scheme_word(config, settings)
        if scheme and (not scheme.isascii() or not scheme.isprintable() or set(scheme) & set(' ,;="')):
            raise ConfigError(
                [f"The word before the token is {scheme!r}; expected one word, such as Bearer."]
            )
        return cls(
            order=tuple(place for place in locations if place in (HEADERS, COOKIES)),
            header=config.get("JWT_HEADER_NAME") or cls.header,
            scheme=scheme,
            cookie=CookieRules.from_config(config),
        )

    @property
    def challenge(self) -> str | None:
        """What `WWW-Authenticate` asks for; None where tokens only come in cookies."""
        return (self.scheme or "Bearer") if HEADERS in self.order else None

    def security_schemes(self) -> dict[str, dict[str, Any]]:
        """Each place as a security scheme of OpenAPI."""
        found: dict[str, dict[str, Any]] = {}
        if HEADERS in self.order:
            is_http = self.header.lower() == "authorization" and self.scheme.lower() == "bearer"
            found["jwt"] = (
                {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
                if is_http
                else {"type": "apiKey", "in": "header", "name": self.header}
            )
        if COOKIES in self.order:
            found["jwtCookie"] = {"type": "apiKey", "in": "cookie", "name": self.cookie.name}
        return found


def read_header(value: str | None, scheme: str, lowered: str) -> str | None:
    """The token in a header's `value`, None when there is none of ours; `lowered` is `scheme` in small letters.

    Raises `InvalidTokenError` for our scheme with anything but one token, and for several credentials in one header:
    two headers of one name arrive joined by a comma.
    """
    if not value:
        return None
    word, space, token = value.strip().partition(" ")
    if scheme:
        is_ours = word.lower() == lowered
        token = token.strip()
    else:
        is_ours, token = not space, word
    if "," in value:
        parts = [part.split() for part in value.split(",")]
        if is_ours or not scheme or any(part and part[0].lower() == lowered for part in parts):
            raise refusal(scheme=scheme or "Bearer", reason="several credentials in one header")
    if not is_ours:
        return None
    if not token or " " in token:
        raise refusal(scheme=scheme or "Bearer", reason="the header has not just one token")
    return token
