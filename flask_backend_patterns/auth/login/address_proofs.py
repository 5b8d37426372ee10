"""Tokens that prove that somebody reads what is sent to an address, and who is sent one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from flask import request

from ...errors import ConflictError, ValidationError
from ..protocols import Notification
from ..settings import MAX_SECONDS
from ..state import auth_state
from .account import Account, find_by_id, find_by_login, one_commit
from .events import note

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERIFY: Final = "verify"
RESET: Final = "reset"
REGISTERED: Final = "already_registered"
# Issued to nobody: it stands for an account that two people may have registered, of whom one waits for the other to
# verify the address. Only a reset verifies that, since it replaces the password and whatever was begun with it.
CONTESTED: Final = "contested"
CONTESTED_SECONDS: Final = MAX_SECONDS
# What is issued to nobody, so that an unknown address costs what a known one does.
DECOY: Final = "decoy"
TOKENS: Final = "token"  # a kind of attempts that are counted, beside logins and messages


def register(*, login: str, password: str, details: Mapping[str, Any], field: str = "password") -> None:
    """Add a user, who is sent a token to verify the address; the owner of a known address is told so instead.

    Nothing that returns or is raised tells one from the other. Who registers a waiting address with another password
    than before is sent a token to reset it: nobody knows which of the two is the owner's. Raises `ValidationError` for
    a weak password, `RateLimitError` when too many messages were asked for, `SetupError` without a notifier.
    """
    state = auth_state()
    state.notifications.require()
    state.passwords.require_strong(password, login=login, field=field)
    _count_message(login, "register")
    known = find_by_login(login)
    is_right = known is not None and _is_password_of_waiting(known, password)
    password_hash = state.passwords.hash(password) if known is None else None
    try:
        with one_commit():  # tried for a known address too: what is wrong with `details` is answered alike
            user = state.users.store.add(
                login=login, password_hash=password_hash, is_verified=False, details=details
            )
            account = Account.of(user)
            _send(VERIFY, account)
    except ConflictError:
        if known is None and (known := find_by_login(login)) is not None:  # somebody else was faster
            is_right = _is_password_of_waiting(known, password)
        _tell_owner(login, known, is_right=is_right)
        return
    note("registered", user_id=account.id)


def send_verification(login: str) -> None:
    """Send another token to verify the address, if there is an account that wants it."""
    auth_state().notifications.require()
    _count_message(login, VERIFY)
    account = find_by_login(login)
    if account is not None and (account.is_verified or not account.is_active):
        account = None
    is_contested = _is_contested(auth_state().failures.hidden(login) if account is None else account.id)
    if account is None:
        _issue_decoy(login)
    else:
        _send(RESET if is_contested else VERIFY, account)


def send_reset(login: str) -> None:
    """Send a token to choose a new password, if there is an account that can be logged in to."""
    auth_state().notifications.require()
    _count_message(login, RESET)
    account = find_by_login(login)
    if account is None or not account.is_active:
        _issue_decoy(login)
        note("reset_requested", account=auth_state().failures.hidden(login), sent=False)
    else:
        _send(RESET, account)
        note("reset_requested", user_id=account.id, sent=True)


def verify(token: str) -> None:
    """The address that `token` was sent to belongs to its account; raises `ValidationError` for a token that does not count."""
    with auth_state().failures.attempt(address=request.remote_addr, kind=TOKENS) as attempt:
        account = _use_verification(token)
        if account is None:
            attempt.fail()
            raise no_such_token()
    note("verified", user_id=account.id)


def sent_to(account: Account, data: Mapping[str, Any]) -> bool:
    """Whether a token with this `data` was sent to the address that the account has now."""
    return bool(account.login == data.get("login"))


def no_such_token() -> ValidationError:
    """The one answer to tokens that were never issued, are used up, or have expired."""
    message = "The token is wrong, used already, or too old. Ask for a new one."
    return ValidationError(details=[{"field": "token", "message": message}])


def _use_verification(token: str) -> Account | None:
    """The account, verified now; None when the token does not count."""
    state = auth_state()
    with one_commit():
        found = state.one_time_tokens.consume(VERIFY, token)
        account = None if found is None else find_by_id(found.subject)
        if found is None or account is None or not sent_to(account, found.data) or _is_contested(account.id):
            return None
        state.users.store.set_verified(account.id)
    return account


def _send(kind: str, account: Account) -> None:
    state = auth_state()
    token, seconds = None, None
    if kind != REGISTERED:
        seconds = state.settings.reset_seconds if kind == RESET else state.settings.verification_seconds
        token = state.one_time_tokens.issue(
            kind, account.id, ttl_seconds=seconds, data={"login": account.login}
        )
    state.notifications.send(
        Notification(kind=kind, user=account.user, token=token, expires_in_seconds=seconds)
    )


def _is_password_of_waiting(account: Account, password: str) -> bool:
    """Whether it is the password of an account whose address is not verified; costs one hash for every account."""
    passwords = auth_state().passwords
    if account.is_verified or not account.is_active or account.password_hash is None:
        passwords.hash(password)
        return False
    return passwords.verify(password, account.password_hash)


def _tell_owner(login: str, account: Account | None, *, is_right: bool) -> None:
    if account is None or not account.is_active:
        _issue_decoy(login)
    elif account.is_verified:
        _issue_decoy(login)
        _send(REGISTERED, account)
    elif is_right and not _is_contested(account.id):
        _send(VERIFY, account)  # the first message was lost
    else:
        with one_commit():
            auth_state().one_time_tokens.issue(CONTESTED, account.id, ttl_seconds=CONTESTED_SECONDS)
            _send(RESET, account)
    note("registered_again", account=auth_state().failures.hidden(login))


def _issue_decoy(login: str) -> None:
    state = auth_state()
    hidden = state.failures.hidden(login)
    # As much as a login takes, and nothing of what a stranger typed.
    size = len(json.dumps(login)) - len('""')
    filling = (hidden * (size // len(hidden) + 1))[:size]
    state.one_time_tokens.issue(
        DECOY, hidden, ttl_seconds=state.settings.reset_seconds, data={"login": filling}
    )


def _is_contested(user_id: str) -> bool:
    return auth_state().one_time_tokens.is_issued(CONTESTED, user_id)


def _count_message(login: str, kind: str) -> None:
    """Every request for a message counts, known address or not: nobody's mailbox is flooded."""
    auth_state().failures.count_message(address=request.remote_addr, account=login, kind=kind)
