"""Sets a new password: by a token that was sent, or by the old one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import request

from ..._config import SetupError
from ..._transaction import after_commit
from ...errors import ValidationError
from ..database import AuthDatabase
from ..state import auth_state
from .account import Account, find_by_id, one_commit
from .address_proofs import CONTESTED, RESET, TOKENS, no_such_token, sent_to
from .events import note

if TYPE_CHECKING:
    from ..identity import Actor


def reset_password(token: str, password: str) -> None:
    """Set a new password by a token that was sent: ends every session, API key and older token of the account.

    Where the address was not verified before, identities at providers that open the account are forgotten too: who
    linked them has never shown that the address is theirs. Addresses that have logged in before are not known any more.
    A weak password (`ValidationError`) leaves the token as it is. Who reads the address's messages has verified it, and
    may log in from here although somebody else's failures have filled the account's limit.
    """
    state = auth_state()
    with state.failures.attempt(address=request.remote_addr, kind=TOKENS) as attempt:
        found = state.one_time_tokens.find(RESET, token)
        account = None if found is None else find_by_id(found.subject)
        if found is None or account is None or not account.is_active or not sent_to(account, found.data):
            attempt.fail()
            raise no_such_token()
        state.passwords.require_strong(password, login=account.login)
        password_hash = state.passwords.hash(password)
        with one_commit():
            if state.one_time_tokens.consume(RESET, token) is None:  # somebody else was faster
                raise no_such_token()
            _replace(account, password_hash, keep=None)
            api_keys = state.api_keys.revoke_all(account.id)
            state.one_time_tokens.revoke(CONTESTED, account.id)
            if not account.is_verified:
                _verify(account)
    state.failures.note_recovery(address=request.remote_addr or "", account=account.login)
    note("password_reset", user_id=account.id, api_keys_ended=api_keys)


def change_password(actor: Actor, *, old: str, new: str) -> None:
    """Set a new password by the old one; the caller's session goes on, all others and tokens without a session end.

    API keys stay: they are programs' own, and nothing says that anybody else has one.
    """
    state = auth_state()
    account = find_by_id(actor.id)
    if account is None:
        raise _wrong_password()
    with state.failures.attempt(address=request.remote_addr, account=account.login) as attempt:
        if not state.passwords.verify(old, account.password_hash):
            attempt.fail()
            note("password_change_failed", user_id=account.id)
            raise _wrong_password()
    state.passwords.require_strong(new, login=account.login, field="new_password")
    password_hash = state.passwords.hash(new)
    with one_commit():
        now = find_by_id(account.id)
        if now is None or now.password_hash != account.password_hash:
            raise _wrong_password()  # another change was faster
        state.one_time_tokens.revoke(RESET, account.id)
        _replace(account, password_hash, keep=actor.session_id)
    note("password_changed", user_id=account.id)


def _replace(account: Account, password_hash: str, *, keep: str | None) -> None:
    """Inside the transaction, so that nothing is changed when the sessions cannot be ended; and after it.

    Between the two somebody may have logged in with the old password.
    """
    state = auth_state()
    state.users.store.set_password_hash(account.id, password_hash)
    end_sessions = partial(state.tokens.revoke_all, account.id, keep=keep)
    end_sessions()
    after_commit(end_sessions)


def _verify(account: Account) -> None:
    from ..oauth.identities import LinkedIdentities

    state = auth_state()
    try:
        state.users.store.set_verified(account.id)
    except SetupError:  # a model that does not keep it
        return
    LinkedIdentities(AuthDatabase()).remove_all(account.id)


def _wrong_password() -> ValidationError:
    return ValidationError(details=[{"field": "old_password", "message": "This is not your password."}])
