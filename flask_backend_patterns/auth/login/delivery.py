"""How a login reaches the client: tokens in the body, tokens in cookies, or a server-side session in a cookie."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flask import current_app

from ..._config import SetupError
from ...errors import ValidationError
from ..sessions import device_of_request
from ..sessions.cookies import start_session
from ..state import auth_state
from .account import Account
from .token_cookies import TokenCookies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from ..protocols import User
    from ..tokens import TokenPair


class Delivery(StrEnum):
    """Where the client keeps its credentials."""

    BODY = "body"  # tokens, for programs and for pages of another site
    COOKIES = "cookies"  # tokens, out of reach of scripts
    SESSION = "session"  # an opaque cookie


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login that has begun: `body` is what to tell the client; `attach` puts its cookies on the response."""

    body: Mapping[str, Any] = field(repr=False)
    subject: str
    session_id: str
    cookies: tuple[str, ...] = field(default=(), repr=False)

    def attach(self, response: Response) -> Response:
        """The same response, with the cookies, and not to be stored by anybody on the way (RFC 6749, 5.1)."""
        for cookie in self.cookies:
            response.headers.add("Set-Cookie", cookie)
        response.headers["Cache-Control"] = "no-store"
        return response

    def withdraw(self) -> None:
        """End it again: it should not have begun."""
        auth_state().tokens.revoke(session_id=self.session_id, subject=self.subject)


def log_in(
    user: User | Account,
    *,
    delivery: Delivery | None = None,
    device_name: str = "",
    claims: Mapping[str, Any] | None = None,
) -> Login:
    """Begin a session of `user`, whose credentials have been checked.

    `delivery` is one of `deliveries()`, by default the first. `device_name` is what the user calls the device. `claims` go
    into the access tokens; a session in a cookie has none. Raises `SetupError` without Redis or a signing key and for
    claims that are ours to make, `CacheError` when Redis is away.
    """
    account = user if isinstance(user, Account) else Account.of(user)
    wanted = delivery or default_delivery(cookies=None)
    device = device_of_request(device_name)
    if wanted is Delivery.SESSION:
        carrier = current_app.response_class()
        session = start_session(carrier, account.id, roles=account.roles, device=device)
        return Login(
            body={"delivery": wanted.value, "session_id": session.id},
            subject=account.id,
            session_id=session.id,
            cookies=tuple(carrier.headers.getlist("Set-Cookie")),
        )
    pair = auth_state().tokens.issue(account.id, roles=account.roles, claims=claims, device=device)
    return of_tokens(account.id, pair, wanted)


def of_tokens(subject: str, pair: TokenPair, delivery: Delivery) -> Login:
    """What to tell the client of `pair`, in the words of RFC 6749, 5.1."""
    said: dict[str, Any] = {
        "delivery": delivery.value,
        "expires_in": pair.expires_in,
        "refresh_expires_in": pair.refresh_expires_in,
        "session_id": pair.session_id,
    }
    if delivery is Delivery.BODY:
        said |= {
            "access_token": pair.access_token,
            "refresh_token": pair.refresh_token,
            "token_type": pair.token_type,
        }
        return Login(body=said, subject=subject, session_id=pair.session_id)
    carrier = current_app.response_class()
    TokenCookies.from_config(current_app.config).set(carrier, pair)
    csrf = {"csrf_token": pair.csrf_access, "csrf_refresh_token": pair.csrf_refresh}
    return Login(
        body=said | {name: value for name, value in csrf.items() if value is not None},
        subject=subject,
        session_id=pair.session_id,
        cookies=tuple(carrier.headers.getlist("Set-Cookie")),
    )


def deliveries() -> tuple[Delivery, ...]:
    """Those that the app reads back (`BACKEND_AUTH_AUTHENTICATORS`, `JWT_TOKEN_LOCATION`), its first choice first."""
    locations = current_app.config.get("JWT_TOKEN_LOCATION") or ("headers",)
    locations = (locations,) if isinstance(locations, str) else tuple(locations)
    found: list[Delivery] = []
    for authenticator in auth_state().settings.authenticators:
        if authenticator == "session":
            found.append(Delivery.SESSION)
        elif authenticator == "jwt":
            found += [Delivery.COOKIES] * ("cookies" in locations) + [Delivery.BODY] * (
                "headers" in locations
            )
    return tuple(found)


def default_delivery(*, cookies: bool | None) -> Delivery:
    """The app's first choice; the first with cookies, or the first without, where `cookies` says so."""
    for delivery in deliveries():
        if cookies is None or cookies is (delivery is not Delivery.BODY):
            return delivery
    raise SetupError(
        "Nothing in this app would read back what a login gives: add 'jwt' or 'session' to "
        "BACKEND_AUTH_AUTHENTICATORS, and 'headers' or 'cookies' to JWT_TOKEN_LOCATION."
    )


def chosen_delivery(wanted: str | None, *, cookies: bool | None) -> Delivery:
    """What the client asks for, else the default; `ValidationError` for what the app would not read back."""
    if wanted is None:
        return default_delivery(cookies=cookies)
    possible = deliveries()
    if wanted not in possible:
        allowed = ", ".join(possible)
        raise ValidationError(details=[{"field": "delivery", "message": f"This app takes: {allowed}."}])
    return Delivery(wanted)
