"""`POST /login`, `/refresh`, `/logout`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import after_this_request, current_app, request

from ...errors import InvalidTokenError, UnauthorizedError
from ..decorators import public
from ..state import auth_state
from .account import find_by_id
from .address_proofs import TOKENS
from .credentials import check_credentials, require_unchanged
from .delivery import Delivery, chosen_delivery, deliveries, log_in, of_tokens
from .events import note
from .limits import limits_failures
from .logging_out import forget_cookies, log_out
from .schemas import CredentialsSchema, MessageSchema, RefreshSchema, TokensSchema
from .token_cookies import TokenCookies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import Blueprint
    from .delivery import Login
    from .options import LoginOptions

NO_CSRF = "Cookies were sent without their CSRF value."
_TOKENS_EXAMPLE = {
    "delivery": "body",
    "session_id": "mJ0c4Zr3T9mUqkq5b1Jt3w",
    "access_token": "eyJhbGciOiJFZERTQSJ9...",
    "refresh_token": "eyJhbGciOiJFZERTQSJ9...",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_expires_in": 604800,
}


def add_login(blp: Blueprint, options: LoginOptions) -> None:
    """`POST /login`."""

    @blp.post("/login")
    @public(reason="who logs in is not known yet", takes_credentials=True)
    @limits_failures("failures, by address and account")
    @blp.arguments(
        CredentialsSchema, example={"login": "ada@example.com", "password": "correct horse battery"}
    )
    @blp.response(200, TokensSchema, example=_TOKENS_EXAMPLE)
    @blp.alt_response(401, description="The login or the password is wrong.")
    @blp.alt_response(403, description="The address has to be verified first.")
    def login(body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Log in."""
        delivery = chosen_delivery(body["delivery"], cookies=options.cookies)
        account = check_credentials(
            body["login"], body["password"], require_verified=options.require_verified
        )
        claims = None if options.claims is None else options.claims(account.user)
        begun = log_in(account, delivery=delivery, device_name=body["device"], claims=claims)
        require_unchanged(account, body["password"], begun)
        note("login_succeeded", user_id=account.id, session=begun.session_id, delivery=delivery.value)
        return answered(begun)


def add_refresh(blp: Blueprint, options: LoginOptions) -> None:
    """`POST /refresh`."""

    @blp.post("/refresh")
    @public(reason="the refresh token says who calls", takes_credentials=True)
    @limits_failures()
    @blp.arguments(RefreshSchema, required=False, example={"refresh_token": "eyJhbGciOiJFZERTQSJ9..."})
    @blp.response(200, TokensSchema, example=_TOKENS_EXAMPLE)
    @blp.alt_response(401, description="The refresh token does not count.")
    @blp.alt_response(403, description=NO_CSRF)
    def refresh(body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Get new tokens for a refresh token, which is spent by this; they come back the way it came."""
        token, delivery = body.get("refresh_token"), Delivery.BODY
        if token is None and Delivery.COOKIES in deliveries():
            token, delivery = TokenCookies.from_config(current_app.config).refresh_token(), Delivery.COOKIES
        if token is None:
            raise UnauthorizedError("Send a refresh token.")
        return answered(_refreshed(token, delivery, require_verified=options.require_verified))


def add_logout(blp: Blueprint) -> None:
    """`POST /logout`."""

    @blp.post("/logout")
    @public(reason="whoever has no session is logged out already")
    @blp.arguments(RefreshSchema, required=False, example={"refresh_token": "eyJhbGciOiJFZERTQSJ9..."})
    @blp.response(200, MessageSchema, example={"message": "You are logged out."})
    @blp.alt_response(403, description=NO_CSRF)
    def logout(body: Mapping[str, Any]) -> Mapping[str, str]:
        """Log out: ends the session of the tokens or cookies sent, expired ones too (RFC 7009)."""
        log_out(body.get("refresh_token"))
        return {"message": "You are logged out."}


def answered(login: Login) -> Mapping[str, Any]:
    """What to send; its cookies go with it."""
    after_this_request(login.attach)
    return login.body


def _refreshed(token: str, delivery: Delivery, *, require_verified: bool) -> Login:
    subjects: list[str] = []

    def roles_of(subject: str) -> tuple[str, ...] | None:
        subjects.append(subject)
        account = find_by_id(subject)
        if account is None or not account.is_active or (require_verified and not account.is_verified):
            return None
        return account.roles

    state = auth_state()
    with state.failures.attempt(address=request.remote_addr, kind=TOKENS) as attempt:
        try:
            pair = state.tokens.refresh(token, roles_of=roles_of)
        except InvalidTokenError as error:
            # Tokens that have ended were good once: only invented ones are an attack.
            if error.code == InvalidTokenError.code:
                attempt.fail()
            if delivery is Delivery.COOKIES:
                forget_cookies()
            raise
    return of_tokens(subjects[0], pair, delivery)
