"""Checks a login and its password: one answer, and one amount of work, for everything that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flask import request

from ...errors import AppError, ForbiddenError, RateLimitError, UnauthorizedError
from ..state import auth_state
from .account import Account, find_by_id, find_by_login
from .events import note

if TYPE_CHECKING:
    from .delivery import Login


def check_credentials(login: str, password: str, *, require_verified: bool = False) -> Account:
    """The account that these belong to.

    Raises `UnauthorizedError` (`INVALID_CREDENTIALS`) for an unknown login, a wrong password, an account without one
    and one that is not active, all alike and after one password hash; `RateLimitError` before that when too many have
    failed; `ForbiddenError` (`NOT_VERIFIED`) for the right password of an address that is not verified, where it has to be.
    """
    state = auth_state()
    try:
        with state.failures.attempt(address=request.remote_addr, account=login) as attempt:
            account = find_by_login(login)
            is_right = state.passwords.verify(password, None if account is None else account.password_hash)
            if account is None or not is_right or not account.is_active:
                attempt.fail()
                _note_failure(login, account, is_right=is_right)
                raise refused()
            if account.is_verified or not require_verified:
                attempt.succeed()  # else it is no login: whoever registered the address may not be its owner
    except RateLimitError as error:
        note(
            "login_limited",
            is_warning=True,
            account=state.failures.hidden(login),
            seconds=round(error.retry_after),
        )
        raise
    if require_verified and not account.is_verified:
        note("login_failed", user_id=account.id, reason="not_verified")
        raise ForbiddenError(
            "Verify your address first: open the message that was sent to you, or ask for another one.",
            code="NOT_VERIFIED",
        )
    return _rehashed(account, password)


def require_unchanged(account: Account, password: str, login: Login) -> None:
    """Raise `UnauthorizedError`, and end `login`, when the account's password was changed while it was being checked.

    A reset ends all sessions; without this one that begins in the same moment, with the old password, would stay.
    """
    now = find_by_id(account.id)
    if now is not None and now.is_active:
        if now.password_hash == account.password_hash:
            return
        if auth_state().passwords.verify(password, now.password_hash):  # somebody else has rehashed it
            return
    login.withdraw()
    note("login_failed", user_id=account.id, reason="changed_meanwhile")
    raise refused()


def refused() -> UnauthorizedError:
    """The one answer to wrong credentials."""
    scheme = auth_state().settings.scheme or "Bearer"
    return UnauthorizedError("The login or the password is wrong.", code="INVALID_CREDENTIALS", scheme=scheme)


def _note_failure(login: str, account: Account | None, *, is_right: bool) -> None:
    # A login that does not exist may be a password typed into the wrong field.
    hidden = auth_state().failures.hidden(login)
    if account is None:
        note("login_failed", account=hidden, reason="unknown_account")
    else:
        why = "inactive" if is_right else "no_password" if account.password_hash is None else "wrong_password"
        note("login_failed", account=hidden, user_id=account.id, reason=why)


def _rehashed(account: Account, password: str) -> Account:
    """The account with a hash of today's parameters; a failure leaves that to the next login."""
    from sqlalchemy.exc import SQLAlchemyError

    state = auth_state()
    old = account.password_hash
    if not state.settings.password_rehash or old is None or not state.passwords.needs_rehash(old):
        return account
    try:
        new = state.passwords.hash(password)
        if not state.users.store.set_password_hash(account.id, new, replaces=old):
            return account  # changed meanwhile: what was checked is not what counts now
    except (AppError, SQLAlchemyError) as error:
        note("password_not_rehashed", is_warning=True, user_id=account.id, reason=type(error).__name__)
        return account
    note("password_rehashed", user_id=account.id)
    return replace(account, password_hash=new)
