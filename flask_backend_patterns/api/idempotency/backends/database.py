"""Results in the app's database, committed in one transaction with what the view writes."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from flask import current_app
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...._config import SetupError
from ...._transaction import OpenTransaction
from ....errors import DatabaseError
from ..purging import purge_batch
from ..table import TABLE_NAME, engine_of, table_of
from .rows import ResultRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Connection, Engine, Table

    from ...._contribution import EventLog
    from ...._wrapped import WrappedExtensions
    from ..protocols import Attempt, Entry
    from ..stored_response import StoredResponse

PURGE_INTERVAL_SECONDS = 60
PURGE_LIMIT = 100


class DatabaseStore:
    """The store on the app's default engine; `clock` gives seconds since the epoch.

    A key is held by the open transaction: PostgreSQL refuses a second request at once (an advisory lock), SQLite lets
    it wait for the write lock, other databases let it wait for the row (the primary key decides).
    """

    def __init__(self, wrapped: WrappedExtensions, *, log: EventLog, clock: Callable[[], float]) -> None:
        self._wrapped = wrapped
        self._log = log
        self._clock = clock
        self._next_purge = clock() + PURGE_INTERVAL_SECONDS
        self._table: Table | None = None

    def begin(self, entry: Entry) -> StoredResponse | Attempt:
        """See `IdempotencyStore`."""
        db = self._find_db()
        _end_transaction(db)
        engine, table = engine_of(db), self._table_of(db)
        with _missing_table_explained(engine, table), ExitStack() as stack:
            connection = stack.enter_context(engine.connect())
            rows = ResultRows(connection, table, int(self._clock()))
            stored = rows.claim(entry)
            if stored is not None:
                return stored
            attempt = DatabaseAttempt(db, connection, rows, entry, self._purge_when_due)
            stack.pop_all()
            return attempt

    def _find_db(self) -> SQLAlchemy:
        db: SQLAlchemy | None = self._wrapped.find(current_app, "db")
        if db is None:
            raise SetupError(
                "An @idempotent view keeps its results in the app's database, and the app has no Flask-SQLAlchemy "
                'db; use @idempotent(store="redis") or BACKEND_IDEMPOTENCY_STORE = "redis".'
            )
        return db

    def _table_of(self, db: SQLAlchemy) -> Table:
        if (
            self._table is None
        ):  # the same object each time, or no statement would be found in SQLAlchemy's cache
            self._table = table_of(db)
        return self._table

    def _purge_when_due(self, db: SQLAlchemy) -> None:
        """Delete a few expired results, once in a while; a failure leaves them for the next time."""
        now = self._clock()
        if now < self._next_purge:
            return
        self._next_purge = now + PURGE_INTERVAL_SECONDS
        try:
            with engine_of(db).connect() as connection:
                purge_batch(connection, self._table_of(db), now=int(now), limit=PURGE_LIMIT)
        except SQLAlchemyError as error:
            self._log.warning("idempotency_purge_failed", exc_info=error)


class DatabaseAttempt:
    """The transaction that holds a key, with `db.session` working on it."""

    def __init__(
        self,
        db: SQLAlchemy,
        connection: Connection,
        rows: ResultRows,
        entry: Entry,
        completed: Callable[[SQLAlchemy], None],
    ) -> None:
        self._db = db
        self._rows = rows
        self._entry = entry
        self._completed = completed
        self._is_complete = False
        self._is_broken = False
        self._transaction = OpenTransaction(connection)
        self._view = connection.begin_nested()
        self._session = db.session()
        self._transaction.join(self._session)
        self._transaction.enter()

    def end_view(self) -> None:
        """Write what the view has left in `db.session`."""
        registry = self._db.session.registry
        if registry.has() and registry() is not self._session:
            raise SetupError(
                "An @idempotent view, or what it calls, has called db.session.remove(), so its writes are not in one "
                "transaction with its result; use db.session.rollback() or db.session.expunge_all() instead."
            )
        self._session.commit()

    def undo(self) -> None:
        """Undo all that was written since the view began."""
        try:
            self._session.rollback()
            self._transaction.roll_back_to(self._view)
        except SQLAlchemyError:  # the connection is gone; the view's own error tells more
            self._is_broken = True

    def complete(self, result: StoredResponse) -> None:
        """Commit result and writes together."""
        if self._is_broken:
            raise DatabaseError
        self._session.rollback()  # what an error handler may have begun
        if not self._rows.complete(self._entry, result):
            raise SetupError(
                "The transaction of an @idempotent view was ended by something else than its session; do not use the "
                "driver's connection to commit or roll back, nor a second connection of an in-memory database."
            )
        self._transaction.commit()
        self._is_complete = True

    def close(self) -> None:
        """End the transaction; call what waits for the commit."""
        self._transaction.leave()
        if self._is_complete:
            self._completed(self._db)


def _end_transaction(db: SQLAlchemy) -> None:
    """End what the request has begun before, keeping its changes: one connection a request, and no old snapshot."""
    if db.session.registry.has() and db.session().in_transaction():
        db.session().commit()


@contextmanager
def _missing_table_explained(engine: Engine, table: Table) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if TABLE_NAME in str(error.orig) and not inspect(engine).has_table(table.name, schema=table.schema):
            raise SetupError(
                f"The table {table.fullname} is missing; call idempotency_table(db.metadata) where the models are and "
                "make it by a migration or db.create_all()."
            ) from error
        raise
