"""Writing transactions that behave alike on SQLite and PostgreSQL.

A write owns its session, apart from the request's `db.session`, so that what a view has read before cannot keep a
snapshot open under it. A later issue replaces this file by the package's `UnitOfWork`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from example_app.extensions import db
from flask_backend_patterns.data.transaction import joined_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from sqlalchemy import Connection

_BUSY_TIMEOUT_MS = 10_000
_BEGIN_OPTION = "shop_begin"


@contextmanager
def write_transaction() -> Iterator[Session]:
    """One transaction on a session of its own: committed at the end, rolled back when an exception leaves.

    On SQLite it takes the write lock at its beginning. A transaction that reads first and writes later would fail
    with "database is locked" at once, without waiting, whenever another one wrote in between.

    Inside an `@idempotent` view it is part of that view's transaction, which is committed with the stored answer.
    """
    joined = joined_session()
    if joined is not None:
        with joined, joined.begin():
            yield joined
        return
    # What the request has read holds a connection. Threads that each hold one and wait for a second wait for each other.
    db.session.rollback()
    with Session(db.engine, expire_on_commit=False) as session, session.begin():
        session.connection(execution_options={_BEGIN_OPTION: "BEGIN IMMEDIATE"})
        yield session


def prepare_sqlite(app: Flask) -> None:
    """Let the app's SQLite connections enforce foreign keys, wait for locks, use WAL and begin explicitly."""
    with app.app_context():
        engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_connection)
            event.listen(engine, "begin", _begin)


def _configure_connection(connection: Any, _record: object) -> None:
    # The driver's own BEGIN comes too late (before the first write) and is switched off; _begin sends it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN_OPTION, "BEGIN"))
