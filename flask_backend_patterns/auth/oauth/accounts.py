"""Whose account an identity at a provider opens: the linked one, the one with its proven address, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...errors import ConflictError
from .refusals import AccountExistsError, AccountRefusedError, IdentityTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..database import AuthDatabase
    from ..protocols import User, UserStore
    from .authorization import ExternalIdentity
    from .identities import LinkedIdentities

    UserDetails = Callable[[Mapping[str, Any]], Mapping[str, Any]]

ATTEMPTS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Who may get a new account: `is_open` for strangers at all, `takes_unverified` for those with an unproven address.

    `details` makes what `UserStore.add` gets beside the address from the claims (nothing by default: a claim must not
    become a column by its name).
    """

    is_open: bool = True
    takes_unverified: bool = False
    details: UserDetails | None = None


class Accounts:
    """Finds, links and registers; `users` commits what it adds within the transaction that is open."""

    def __init__(
        self,
        database: AuthDatabase,
        identities: LinkedIdentities,
        users: UserStore,
        *,
        registration: Registration,
    ) -> None:
        self._database = database
        self._identities = identities
        self._users = users
        self._registration = registration

    def open(self, identity: ExternalIdentity) -> tuple[User, str]:
        """The user who logs in by it, and how it was found: `known`, `linked` or `registered`.

        Raises `AccountRefusedError` and `AccountExistsError`. However many requests come at once for a new identity,
        one user is made.
        """
        for remaining in reversed(range(ATTEMPTS)):
            user_id = self._identities.find_user_id(identity)
            if user_id is not None:
                return self._require_user(user_id), "known"
            try:
                return self._open_unknown(identity)
            except ConflictError as conflict:
                # Another request has linked it, or taken the address, in between: look again.
                if not remaining or isinstance(conflict, AccountExistsError):
                    raise
        raise IdentityTakenError

    def link(self, identity: ExternalIdentity, user_id: str) -> None:
        """Let it open the user's account from now on; raises `IdentityTakenError` when it opens another one."""
        user = self._require_user(user_id)
        linked_to = self._identities.find_user_id(identity)
        if linked_to is None:
            try:
                self._identities.add(identity, user.auth_id)
            except IdentityTakenError:
                if self._identities.find_user_id(identity) != user.auth_id:
                    raise
        elif linked_to != user.auth_id:
            raise IdentityTakenError

    def _open_unknown(self, identity: ExternalIdentity) -> tuple[User, str]:
        email = identity.email
        if email is None:
            raise AccountRefusedError("no_email")
        if not identity.is_email_verified and not self._registration.takes_unverified:
            # Said before the account is looked for: who has one is nobody else's business.
            raise AccountRefusedError("unverified_email")
        existing = self._users.find_by_login(email)
        if existing is None:
            return self._register(identity, email), "registered"
        is_proven = (
            identity.is_email_verified
            and existing.auth_is_verified
            and is_same_address(existing.auth_login, email)
        )
        # An unverified account may have been made by somebody else, who waits for the owner to log in to it.
        if not is_proven:
            raise AccountExistsError
        _require_active(existing)
        self._identities.add(identity, existing.auth_id)
        return existing, "linked"

    def _register(self, identity: ExternalIdentity, email: str) -> User:
        registration = self._registration
        if not registration.is_open:
            raise AccountRefusedError("registration_off")
        details = registration.details(identity.claims) if registration.details else {}
        with self._database.transaction():
            user = self._users.add(
                login=email, password_hash=None, is_verified=identity.is_email_verified, details=details
            )
            self._identities.add(identity, user.auth_id)
        return user

    def _require_user(self, user_id: str) -> User:
        user = self._users.find_by_id(user_id)
        if user is None:
            raise AccountRefusedError("user_gone")
        return _require_active(user)


def is_same_address(known: str, told: str) -> bool:
    """Whether both are one address: ASCII letters without regard to case, all others exactly.

    Databases fold more than that (a Kelvin sign becomes a k), and two addresses must not become one.
    """
    return known == told or (known.isascii() and told.isascii() and known.lower() == told.lower())


def _require_active(user: User) -> User:
    if not user.auth_is_active:
        raise AccountRefusedError("inactive")
    return user
