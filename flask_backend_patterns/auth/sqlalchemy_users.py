"""A user store on a SQLAlchemy model."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Boolean, DateTime, Integer, Uuid, func, inspect, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from .._config import SetupError
from ..errors import ConflictError, NotFoundError, ValidationError
from .database import AuthDatabase, open_session
from .registration_details import detail_problems
from .stored_text import is_storable
from .unique_login import warn_unless_unique
from .users import MAX_LOGIN_LENGTH, normalized_login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Engine
    from sqlalchemy.orm import Mapper, Session

    from .protocols import User

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_MAX_INTEGER: Final = 2**63 - 1  # what drivers can send
_MAX_TYPED_LENGTH: Final = 1_000
_SAME_LOGINS: Final = 10


class SQLAlchemyUsers:
    """The users are the rows of `model`, which has `UserMixin` (or `UserAttributes`).

    Thread-safe; blocks, so not for an event loop. Uses the app's `db`, or what `sessions` makes (a `sessionmaker`). Each method works in a session of its own that is
    closed at its end, so no connection is held afterwards, or in the transaction that is open; `db.session` is not
    touched. What is returned is detached: columns can be read, relationships only if `auth_roles` has used them.
    `details` are the attributes that may be set when somebody registers, by name; all others are refused.
    """

    def __init__(
        self,
        model: type[Any],
        *,
        details: Iterable[str] = (),
        sessions: Callable[[], Session] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.model = model
        self._details = frozenset(details)
        self._sessions = sessions
        self._clock = clock
        self._database = AuthDatabase()
        self._has_checked_login = False

    def find_by_login(self, login: str) -> User | None:
        """The user with this login without regard to case; of several the one written exactly so, else none."""
        typed = login.strip()
        if not is_storable(typed, max_length=_MAX_TYPED_LENGTH):
            return None
        with self._open() as session:
            return self._found_by_login(session, typed)

    def find_by_id(self, auth_id: str) -> User | None:
        """The user with this id; None for text that is not the id of one, to the letter."""
        value = self._key_of(auth_id)
        if value is None:
            return None
        try:
            with self._open() as session:
                user = session.scalars(select(self.model).where(self._id_column == value)).one_or_none()
                found = None if user is None else _complete(user)
        except StatementError as error:
            if isinstance(error, DBAPIError) and not isinstance(error, DataError):
                raise
            return None  # the column cannot hold it
        return found if found is not None and found.auth_id == auth_id else None

    def add(
        self, *, login: str, password_hash: str | None, is_verified: bool, details: Mapping[str, Any]
    ) -> User:
        """A new user, committed; the login is stored in lower case.

        Raises `ConflictError` when the login is taken, also when two add it at the same moment (the column needs a unique
        index), and `ValidationError` for a login or `details` that cannot be stored.
        """
        wanted = normalized_login(login)
        self._check(wanted, details)
        values = dict(details) | self._initial_values(wanted, password_hash, is_verified=is_verified)
        with self._open(writes=True) as session:
            if self._found_by_login(session, login.strip()) is not None:
                raise ConflictError("This login is taken.")
            try:
                return self._insert(session, values)
            except IntegrityError as error:
                session.rollback()
                if self._found_by_login(session, wanted) is not None:
                    raise ConflictError("This login is taken.") from error
                raise
            except StatementError as error:
                if isinstance(error, DBAPIError) and not isinstance(error, DataError):
                    raise
                raise ValidationError("Something that was sent cannot be stored.") from error

    def set_password_hash(self, auth_id: str, password_hash: str, *, replaces: str | None = None) -> bool:
        """Replace the hash; with `replaces` only if that is still it, else False. `NotFoundError` without such a user."""
        attribute = self.model.auth_password_attribute
        if attribute is None:
            raise SetupError(f"{self.model.__name__} has no attribute for password hashes.")
        with self._changing(auth_id) as user:
            if replaces is not None and user.auth_password_hash != replaces:
                return False
            setattr(user, attribute, password_hash)
            return True

    def set_verified(self, auth_id: str) -> None:
        """The address is theirs; `NotFoundError` when there is no such user any more."""
        attribute = self.model.auth_verified_attribute
        if attribute is None:
            raise SetupError(
                f"{self.model.__name__} has no attribute that says whether an address is verified."
            )
        with self._changing(auth_id) as user:
            if not user.auth_is_verified:
                setattr(user, attribute, self._verified_value(attribute))

    def make(self, values: Mapping[str, Any]) -> Any:
        """A new object of the model; override it for models that are made in another way."""
        return self.model(**values)

    @property
    def _mapper(self) -> Mapper[Any]:
        return cast("Mapper[Any]", inspect(self.model))

    @property
    def _id_column(self) -> Any:
        attribute = getattr(self.model, "auth_id_attribute", None)
        if attribute is not None:
            return getattr(self.model, attribute)
        columns = self._mapper.primary_key
        if len(columns) != 1:
            raise SetupError(
                f"{self.model.__name__} has {len(columns)} primary key columns; set auth_id_attribute."
            )
        return columns[0]

    @property
    def _login_column(self) -> Any:
        return getattr(self.model, self.model.auth_login_attribute)

    @contextmanager
    def _open(self, *, writes: bool = False) -> Iterator[Session]:
        own = self._make_session()
        own.expire_on_commit = False
        bind = own.get_bind(self._mapper)
        try:
            with open_session(cast("Engine", bind), make=lambda: own, writes=writes) as session:
                yield session
        finally:
            own.close()

    def _make_session(self) -> Session:
        if self._sessions is not None:
            return self._sessions()
        return cast("Session", self._database.db.session.session_factory())

    @contextmanager
    def _changing(self, auth_id: str) -> Iterator[Any]:
        value = self._key_of(auth_id)
        with self._open(writes=True) as session:
            user = None
            if value is not None:
                # Locked: what is read here still holds when it is written.
                wanted = select(self.model).where(self._id_column == value).with_for_update(of=self.model)
                user = session.scalars(wanted).one_or_none()
            if user is None:
                raise NotFoundError("There is no such user.")
            yield user
            session.commit()

    def _found_by_login(self, session: Session, typed: str) -> User | None:
        column = self._login_column
        # Both forms: `lower` of a database may know ASCII only, and rows of older times may be in capitals.
        same = func.lower(column).in_([normalized_login(typed), func.lower(typed)])
        found = session.scalars(select(self.model).where(same).limit(_SAME_LOGINS)).all()
        # A collation may find more: logins that differ by an accent are not one, and each has its own count of failures.
        users = [user for user in found if normalized_login(user.auth_login) == normalized_login(typed)]
        exact = [user for user in users if user.auth_login == typed]
        chosen = exact or users
        return _complete(chosen[0]) if len(chosen) == 1 else None

    def _insert(self, session: Session, values: Mapping[str, Any]) -> User:
        if not self._has_checked_login:
            self._has_checked_login = True
            warn_unless_unique(self._login_column)
        user = self.make(values)
        session.add(user)
        session.flush()
        session.refresh(user)
        found = _complete(user)
        session.commit()
        return found

    def _key_of(self, auth_id: str) -> Any:
        """`auth_id` as the id column holds it, None when it cannot."""
        if not is_storable(auth_id, max_length=_MAX_TYPED_LENGTH):
            return None
        kind = self._id_column.type
        if isinstance(kind, Integer):
            number = int(auth_id) if _INTEGER.fullmatch(auth_id) else None
            return number if number is not None and abs(number) <= _MAX_INTEGER else None
        if isinstance(kind, Uuid):
            return _parse_uuid(auth_id, as_uuid=kind.as_uuid)
        return auth_id

    def _check(self, login: str, details: Mapping[str, Any]) -> None:
        problems = []
        longest = getattr(self._login_column.type, "length", None) or MAX_LOGIN_LENGTH
        if not is_storable(login, max_length=longest) or not login.isprintable():
            problems.append({"field": "login", "message": f"Give 1 to {longest} printable characters."})
        problems += detail_problems(self._mapper, details, allowed=self._details)
        if problems:
            raise ValidationError(details=problems)

    def _initial_values(self, login: str, password_hash: str | None, *, is_verified: bool) -> dict[str, Any]:
        model, mapped = self.model, self._mapper.column_attrs
        values: dict[str, Any] = {model.auth_login_attribute: login}
        if model.auth_password_attribute is not None:
            values[model.auth_password_attribute] = password_hash
        if model.auth_active_attribute in mapped:
            values[model.auth_active_attribute] = True
        if model.auth_verified_attribute in mapped:
            values[model.auth_verified_attribute] = self._verified_value(
                model.auth_verified_attribute, is_verified=is_verified
            )
        return values

    def _verified_value(self, attribute: str, *, is_verified: bool = True) -> Any:
        """What the column keeps: a time, a number of seconds, or True."""
        kind = self._mapper.columns[attribute].type
        if isinstance(kind, Boolean):
            return is_verified
        if not is_verified:
            return None
        if isinstance(kind, Integer):
            return int(self._clock())
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return moment if not isinstance(kind, DateTime) or kind.timezone else moment.replace(tzinfo=None)


def _complete(user: Any) -> User:
    """`user` with all loaded that is asked of it later, when its session is closed."""
    tuple(user.auth_roles)
    _ = (user.auth_id, user.auth_login, user.auth_password_hash, user.auth_is_active, user.auth_is_verified)
    return cast("User", user)


def _parse_uuid(text: str, *, as_uuid: bool) -> Any:
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return value if as_uuid else str(value)
