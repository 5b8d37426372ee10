"""The app's users: found, added and changed through a store, which is yours or `SQLAlchemyUsers`."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from sqlalchemy import JSON, DateTime, String
from sqlalchemy.orm import Mapped, mapped_column

from .._after_fork import reset_in_children
from .._config import SetupError

if TYPE_CHECKING:
    from .protocols import UserStore

MAX_LOGIN_LENGTH = 254  # RFC 5321, as far as an address in angle brackets can be

_HOW = (
    "Hand over your users: BackendPatterns(users=User) with a model that has UserMixin, or BACKEND_AUTH_USERS; "
    "see docs/users.md."
)


class UserAttributes:
    """Makes a model a `User` whatever its columns are called: say which they are, None for what there is none of.

    Or override a property. Roles may be a list, text separated by commas, or objects with a `name`.
    """

    auth_login_attribute: ClassVar[str] = "email"
    auth_password_attribute: ClassVar[str | None] = "password_hash"  # noqa: S105 - its name
    auth_roles_attribute: ClassVar[str | None] = "roles"
    auth_active_attribute: ClassVar[str | None] = "is_active"
    auth_verified_attribute: ClassVar[str | None] = "verified_at"

    @property
    def auth_id(self) -> str:
        """The primary key as text."""
        from sqlalchemy import inspect

        identity = inspect(self).identity
        if identity is None or len(identity) != 1:
            raise SetupError(f"{type(self).__name__} needs one primary key, or an auth_id of its own.")
        return str(identity[0])

    @property
    def auth_login(self) -> str:
        """What is typed to log in."""
        return cast("str", getattr(self, self.auth_login_attribute))

    @property
    def auth_password_hash(self) -> str | None:
        """None for somebody who has no password."""
        return cast("str | None", self._auth_value(self.auth_password_attribute, None)) or None

    @property
    def auth_roles(self) -> tuple[str, ...]:
        """The names of the roles."""
        return role_names(self._auth_value(self.auth_roles_attribute, ()))

    @property
    def auth_is_active(self) -> bool:
        """NULL counts as not active; without such a column everybody is."""
        return bool(self._auth_value(self.auth_active_attribute, missing=True))

    @property
    def auth_is_verified(self) -> bool:
        """Whether the address is known to be theirs; without such a column nobody's is."""
        return bool(self._auth_value(self.auth_verified_attribute, missing=False))

    def _auth_value(self, attribute: str | None, missing: Any) -> Any:
        return missing if attribute is None else getattr(self, attribute)


class UserMixin(UserAttributes):
    """Columns and properties that make a declarative model a user; a column that the model defines itself wins.

    The model brings the primary key. `add` stores logins in lower case, so the unique index decides also in a race.
    """

    email: Mapped[str] = mapped_column(String(MAX_LOGIN_LENGTH), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)


class Users:
    """The user store of an app, found when it is first needed: `given` is a store, a model, or a function that makes one."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self._lock = threading.Lock()
        self._store: UserStore | None = None
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    @property
    def is_given(self) -> bool:
        """Whether the app has handed anything over; says nothing of whether that is a store."""
        return self._given is not None

    def roles_of(self, user_id: str) -> tuple[str, ...] | None:
        """The user's roles of today; None for one who is gone or not active."""
        user = self.store.find_by_id(user_id)
        return tuple(user.auth_roles) if user is not None and user.auth_is_active else None

    @property
    def store(self) -> UserStore:
        """The store; `SetupError` says how to hand one over."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self._store = _resolve(self._given)
        return self._store


def role_names(roles: Any) -> tuple[str, ...]:
    """The names in what models keep: a list, text with commas, an enumeration, objects with a `name`, or nothing."""
    if roles is None:
        return ()
    if isinstance(roles, str):
        return tuple(name for part in roles.split(",") if (name := part.strip()))
    if isinstance(roles, Iterable):
        return tuple(name for role in roles for name in role_names(role))
    value = getattr(roles, "value", None)
    return role_names(value if isinstance(value, str) else str(getattr(roles, "name", roles)))


def normalized_login(login: str) -> str:
    """One form for logins that mean the same: NFC, lower case, no space around (RFC 8265, 3.3)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", login.strip()).lower())


def _resolve(given: Any) -> UserStore:
    if given is None:
        raise SetupError(f"This app has no user store. {_HOW}")
    if _is_store(given):
        return cast("UserStore", given)
    if isinstance(given, type) and hasattr(given, "__mapper__"):
        from .sqlalchemy_users import SQLAlchemyUsers

        return SQLAlchemyUsers(given)
    made = cast("Callable[[], Any]", given)() if callable(given) else None
    if not _is_store(made):
        raise SetupError(f"{given!r} is no user store, and makes none. {_HOW}")
    return cast("UserStore", made)


def _is_store(thing: Any) -> bool:
    return not isinstance(thing, type) and all(
        callable(getattr(thing, name, None)) for name in ("find_by_login", "find_by_id")
    )


def __getattr__(name: str) -> Any:
    if name == "SQLAlchemyUsers":
        from .sqlalchemy_users import SQLAlchemyUsers

        return SQLAlchemyUsers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
