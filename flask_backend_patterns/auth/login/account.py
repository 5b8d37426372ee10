"""A user as the login routes see one: read once, so that no database connection is needed while a password is hashed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ..database import find_db
from ..state import auth_state

if TYPE_CHECKING:
    from ..protocols import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a `User` said of itself when it was read; `user` is for the notifier."""

    id: str
    login: str
    password_hash: str | None = field(repr=False)
    roles: tuple[str, ...]
    is_active: bool
    is_verified: bool
    user: User = field(repr=False, compare=False)

    @classmethod
    def of(cls, user: User) -> Self:
        """What `user` says now."""
        return cls(
            id=str(user.auth_id),
            login=user.auth_login,
            password_hash=user.auth_password_hash,
            roles=tuple(user.auth_roles),
            is_active=bool(user.auth_is_active),
            is_verified=bool(user.auth_is_verified),
            user=user,
        )


def find_by_login(login: str) -> Account | None:
    """The account with this login."""
    user = auth_state().users.store.find_by_login(login)
    return None if user is None else Account.of(user)


def find_by_id(user_id: str) -> Account | None:
    """The account with this id."""
    user = auth_state().users.store.find_by_id(user_id)
    return None if user is None else Account.of(user)


def one_commit() -> AbstractContextManager[None]:
    """What is written inside is one commit; without a database of the app each write is the store's own."""
    return nullcontext() if find_db() is None else auth_state().one_time_tokens.transaction()
