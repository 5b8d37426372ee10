"""Translates SQLAlchemy's exceptions; statements, parameters and driver texts stay in the log."""

from __future__ import annotations

from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError

from ..tree import AppError, ConflictError, DatabaseError, NotFoundError

# What the drivers say when a unique or foreign key is violated: SQLSTATE (psycopg), SQLite's name, MySQL's number.
KEY_VIOLATIONS = frozenset(
    {
        "23505",
        "23503",
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
        "SQLITE_CONSTRAINT_FOREIGNKEY",
        1062,
        1451,
        1452,
    }
)


def translate(error: Exception) -> AppError | None:
    """Missing row 404, violated key or stale row 409, unreachable or exhausted database 503, else a fault of ours (500)."""
    if isinstance(error, exc.NoResultFound):
        return NotFoundError()
    if isinstance(error, StaleDataError):
        return ConflictError("The resource was changed by somebody else; read it again and retry.")
    if isinstance(error, exc.IntegrityError):
        return _violated_key(error)
    return DatabaseError() if _is_away(error) else None


def _is_away(error: Exception) -> bool:
    """Whether the database cannot be reached or gave up; SQLite calls an unknown table or column operational too."""
    if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return getattr(error.orig, "sqlite_errorname", None) != "SQLITE_ERROR"
    if isinstance(error, (exc.TimeoutError, exc.DisconnectionError)):
        return True
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def _violated_key(error: exc.IntegrityError) -> ConflictError | None:
    original = error.orig
    arguments = getattr(original, "args", ())
    said = {
        getattr(original, "sqlstate", None),
        getattr(original, "pgcode", None),
        getattr(original, "sqlite_errorname", None),
        arguments[0] if arguments else None,
    }
    if said & KEY_VIOLATIONS:
        return ConflictError("The request conflicts with data that is already stored.")
    return None
