"""Deletes expired results from the app's database, a bounded number at a time. Redis expires them by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import current_app

from ..._config import SetupError
from ..._state import state_of
from ..._transaction import begin_write
from .table import engine_of, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

BATCH_SIZE = 500


def purge_expired(*, batch_size: int = BATCH_SIZE, clock: Callable[[], float] = time.time) -> int:
    """Delete every expired result of the current app, `batch_size` rows a transaction; returns how many.

    Requests delete some now and then; this is for a scheduled job. Needs an app context. Raises `SetupError` on an
    app without BackendPatterns or without a Flask-SQLAlchemy `db`.
    """
    state = state_of(current_app)
    db = None if state is None else state.wrapped.find(current_app, "db")
    if db is None:
        raise SetupError("purge_expired needs an app with BackendPatterns and a Flask-SQLAlchemy db.")
    table, total = table_of(db), 0
    with engine_of(db).connect() as connection:
        while True:
            deleted = purge_batch(connection, table, now=int(clock()), limit=batch_size)
            total += deleted
            if deleted < batch_size:
                return total


def purge_batch(connection: Connection, table: Table, *, now: int, limit: int) -> int:
    """Delete up to `limit` results that have expired at `now` (seconds since the epoch), in one transaction.

    On PostgreSQL rows that somebody else is deleting or replacing are passed over.
    """
    from sqlalchemy import delete, select

    expired = table.c.expires_at <= now
    chosen = select(table.c.key_hash).where(expired).limit(limit)
    if connection.dialect.name == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True)
    keys = connection.scalars(chosen).all()
    if keys:
        if connection.dialect.name == "sqlite":  # what has read may not begin to write there
            connection.rollback()
            begin_write(connection)
        connection.execute(delete(table).where(table.c.key_hash.in_(keys), expired))
    connection.commit()
    return len(keys)
