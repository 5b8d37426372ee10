"""Roles that are kept in the app's database, for `BACKEND_AUTH_ROLES`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import current_app

from .._state import state_of
from .._transaction import after_commit
from ..errors import ConflictError, ValidationError
from .database import AuthDatabase
from .permissions import Permissions
from .stored_text import is_storable
from .tables import MAX_NAME_LENGTH, ROLE_PARENTS, ROLE_PERMISSIONS, ROLES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_MAX_PERMISSION_LENGTH = 255


def database_roles() -> Mapping[str, Mapping[str, list[str]]]:
    """The roles of the current app: `{name: {permissions, inherits}}`; for `BACKEND_AUTH_ROLES = database_roles`.

    Needs an app context. How old the roles in use may be is `BACKEND_AUTH_ROLES_CACHE_SECONDS`.
    """
    database = AuthDatabase()
    with database.reading() as session:
        return _read(session, database)


def save_role(name: str, permissions: Iterable[str], inherits: Iterable[str] = ()) -> None:
    """Make the role, or replace what it grants and inherits.

    Raises `ValidationError` for a malformed name or permission, an unknown parent, and inheritance in a circle.
    """
    from sqlalchemy.exc import IntegrityError

    granted, parents = _checked(name, permissions), list(dict.fromkeys(inherits))
    try:
        _save(name, granted, parents)
    except IntegrityError:  # somebody else has just made it: now there is a row to wait for
        _save(name, granted, parents)


def _save(name: str, granted: list[str], parents: list[str]) -> None:
    from sqlalchemy import delete, insert

    database = AuthDatabase()
    with database.writing() as session:
        roles = database.table(ROLES)
        known = _locked_names(session, database)
        if name not in known:
            session.execute(insert(roles).values(name=name))
        _check_parents(name, parents, {**_read(session, database), name: {"inherits": parents}})
        for table_name, column, values in (
            (ROLE_PERMISSIONS, "permission", granted),
            (ROLE_PARENTS, "parent", parents),
        ):
            table = database.table(table_name)
            session.execute(delete(table).where(table.c.role == name))
            if values:
                session.execute(insert(table), [{"role": name, column: value} for value in values])
    after_commit(_reload)


def delete_role(name: str) -> bool:
    """Delete the role; whether there was one. Raises `ConflictError` when other roles inherit from it."""
    from sqlalchemy import delete, select

    database = AuthDatabase()
    with database.writing() as session:
        if name not in _locked_names(session, database):
            return False
        parents, roles = database.table(ROLE_PARENTS), database.table(ROLES)
        heirs = session.scalars(select(parents.c.role).where(parents.c.parent == name)).all()
        if heirs:
            raise ConflictError(f"Other roles inherit from it: {', '.join(sorted(heirs))}.")
        for table_name in (ROLE_PERMISSIONS, ROLE_PARENTS):  # SQLite does not cascade unless it is told to
            table = database.table(table_name)
            session.execute(delete(table).where(table.c.role == name))
        session.execute(delete(roles).where(roles.c.name == name))
    after_commit(_reload)
    return True


def _reload() -> None:
    """This process knows the change at once, others within `BACKEND_AUTH_ROLES_CACHE_SECONDS`."""
    state = state_of(current_app)
    if state is not None and state.auth is not None:
        state.auth.roles.reload()


def _read(session: Session, database: AuthDatabase) -> dict[str, dict[str, list[str]]]:
    from sqlalchemy import select

    roles, permissions = database.table(ROLES), database.table(ROLE_PERMISSIONS)
    parents = database.table(ROLE_PARENTS)
    found: dict[str, dict[str, list[str]]] = {
        name: {"permissions": [], "inherits": []}
        for name in session.scalars(select(roles.c.name).order_by(roles.c.name))
    }
    for table, column, key in ((permissions, "permission", "permissions"), (parents, "parent", "inherits")):
        for role, value in session.execute(select(table.c.role, table.c[column]).order_by(table.c[column])):
            if role in found:  # it may have been deleted between the statements
                found[role][key].append(value)
    return found


def _locked_names(session: Session, database: AuthDatabase) -> set[str]:
    """The names of all roles; others who change roles wait until this transaction ends, or two could make a circle."""
    from sqlalchemy import select

    roles = database.table(ROLES)
    return set(session.scalars(select(roles.c.name).order_by(roles.c.name).with_for_update()))


def _checked(name: str, permissions: Iterable[str]) -> list[str]:
    if not is_storable(name, max_length=MAX_NAME_LENGTH) or not name.isprintable() or name != name.strip():
        raise _invalid("name", f"Give a name of 1 to {MAX_NAME_LENGTH} printable characters.")
    granted = list(dict.fromkeys(permissions))
    try:
        Permissions.parse(granted)
    except ValueError as error:
        raise _invalid("permissions", str(error)) from None
    too_long = next((permission for permission in granted if len(permission) > _MAX_PERMISSION_LENGTH), None)
    if too_long is not None:
        raise _invalid(
            "permissions", f"{too_long[:40]}... is longer than {_MAX_PERMISSION_LENGTH} characters."
        )
    return granted


def _check_parents(name: str, parents: Iterable[str], roles: Mapping[str, Mapping[str, Any]]) -> None:
    for parent in parents:
        if parent not in roles:
            raise _invalid("inherits", f"There is no role {parent!r}.")
    reached, waiting = set(), list(parents)
    while waiting:
        current = waiting.pop()
        if current == name:
            raise _invalid("inherits", f"The role {name!r} would inherit from itself.")
        if current not in reached:
            reached.add(current)
            waiting += roles[current]["inherits"]


def _invalid(field: str, message: str) -> ValidationError:
    return ValidationError(f"Invalid {field}: {message}", details=[{"field": field, "message": message}])
