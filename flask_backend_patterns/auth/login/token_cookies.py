"""Tokens in cookies, as Flask-JWT-Extended sets and reads them (`JWT_COOKIE_*`), with safer defaults."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from flask import request

from ..csrf import is_same
from ..sessions.authenticator import csrf_failure

if TYPE_CHECKING:
    from flask import Response

    from ..tokens import TokenPair


@dataclass(frozen=True, kw_only=True)
class TokenCookie:
    """One token's cookie and the readable one with its CSRF value, which has to come back in `csrf_header`."""

    name: str
    path: str
    csrf_name: str
    csrf_path: str
    csrf_header: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any], kind: str) -> Self:
        """`kind` is `access` or `refresh`."""
        prefix = f"JWT_{kind.upper()}_"
        return cls(
            name=config.get(f"{prefix}COOKIE_NAME") or f"{kind}_token_cookie",
            path=config.get(f"{prefix}COOKIE_PATH") or "/",
            csrf_name=config.get(f"{prefix}CSRF_COOKIE_NAME") or f"csrf_{kind}_token",
            csrf_path=config.get(f"{prefix}CSRF_COOKIE_PATH") or "/",
            csrf_header=config.get(f"{prefix}CSRF_HEADER_NAME") or "X-CSRF-TOKEN",
        )


@dataclass(frozen=True, kw_only=True)
class TokenCookies:
    """The cookies of an app.

    `SameSite` is `Lax` where JWT_COOKIE_SAMESITE says nothing, and cookies set by a secure request are `Secure` even
    where JWT_COOKIE_SECURE is off. They end with the browser session, or with JWT_SESSION_COOKIE off with the refresh token.
    """

    access: TokenCookie
    refresh: TokenCookie
    is_secure: bool
    same_site: str
    domain: str | None
    ends_with_browser: bool
    has_csrf: bool
    csrf_in_cookies: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From `JWT_*`."""
        return cls(
            access=TokenCookie.from_config(config, "access"),
            refresh=TokenCookie.from_config(config, "refresh"),
            is_secure=bool(config.get("JWT_COOKIE_SECURE", False)),
            same_site=config.get("JWT_COOKIE_SAMESITE") or "Lax",
            domain=config.get("JWT_COOKIE_DOMAIN"),
            ends_with_browser=bool(config.get("JWT_SESSION_COOKIE", True)),
            has_csrf=bool(config.get("JWT_COOKIE_CSRF_PROTECT", True)),
            csrf_in_cookies=bool(config.get("JWT_CSRF_IN_COOKIES", True)),
        )

    def set(self, response: Response, pair: TokenPair) -> None:
        """Put both tokens, and their CSRF values, on `response`."""
        max_age = None if self.ends_with_browser else pair.refresh_expires_in
        for cookie, token, csrf in (
            (self.access, pair.access_token, pair.csrf_access),
            (self.refresh, pair.refresh_token, pair.csrf_refresh),
        ):
            self._write(response, cookie.name, token, path=cookie.path, is_hidden=True, max_age=max_age)
            if self.has_csrf and self.csrf_in_cookies and csrf is not None:
                self._write(
                    response, cookie.csrf_name, csrf, path=cookie.csrf_path, is_hidden=False, max_age=max_age
                )

    def clear(self, response: Response) -> None:
        """Take all of them away."""
        for cookie in (self.access, self.refresh):
            self._write(response, cookie.name, "", path=cookie.path, is_hidden=True, max_age=0)
            self._write(response, cookie.csrf_name, "", path=cookie.csrf_path, is_hidden=False, max_age=0)

    def refresh_token(self) -> str | None:
        """The refresh token that the request being served has in a cookie.

        Raises `ForbiddenError` (`CSRF_FAILED`) when its CSRF value is not in the header: then another site may have sent it. The
        value is read from a token that is not verified yet, which the caller does next.
        """
        token = request.cookies.get(self.refresh.name)
        if token and self.has_csrf and not _is_returned(_csrf_of(token), self.refresh):
            raise csrf_failure(self.refresh.csrf_header)
        return token or None

    def all_tokens(self) -> list[str]:
        """Both tokens of the request being served, to end their session: the CSRF value of one of them is enough.

        Cookies that hold no token are worth nothing to anybody, so they are no reason to refuse.
        """
        found = [(cookie, request.cookies.get(cookie.name, "")) for cookie in (self.access, self.refresh)]
        guarded = [(cookie, csrf) for cookie, token in found if (csrf := _csrf_of(token)) is not None]
        if self.has_csrf and guarded and not any(_is_returned(csrf, cookie) for cookie, csrf in guarded):
            raise csrf_failure(self.access.csrf_header)
        return [token for _, token in found if token]

    def _write(
        self, response: Response, name: str, value: str, *, path: str, is_hidden: bool, max_age: int | None
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=path,
            domain=self.domain,
            secure=self.is_secure or request.is_secure,
            httponly=is_hidden,
            samesite=self.same_site,
        )


def _is_returned(csrf: str | None, cookie: TokenCookie) -> bool:
    sent = request.headers.get(cookie.csrf_header, "")
    return bool(csrf) and is_same(sent, csrf or "")


def _csrf_of(token: str) -> str | None:
    """The claim `csrf`; None for what is no token."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        csrf = claims.get("csrf")
    except (ValueError, IndexError, AttributeError, RecursionError):
        return None
    return csrf if isinstance(csrf, str) else None
