"""The app's database, for what authentication keeps there: one short transaction each, or a part of the one that is open."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import current_app

from .._config import SetupError
from .._state import state_of
from .._transaction import OpenTransaction, begin_write, current_transaction, joined_session
from .tables import auth_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Engine, Table
    from sqlalchemy.orm import Session


def find_db() -> SQLAlchemy | None:
    """The Flask-SQLAlchemy object of the current app, None when it has none."""
    state = state_of(current_app)
    found: SQLAlchemy | None = (
        current_app.extensions.get("sqlalchemy") if state is None else state.wrapped.find(current_app, "db")
    )
    return found


class AuthDatabase:
    """The tables of `auth_tables` on the default engine of the app's `db`. Thread-safe.

    `find` gives that object, by default the current app's; it is asked at each use, so an app context is needed.
    """

    def __init__(self, find: Callable[[], SQLAlchemy | None] = find_db) -> None:
        self._find = find
        self._tables: dict[str, Table] = {}

    @property
    def db(self) -> SQLAlchemy:
        """The app's `db`; `SetupError` when there is none."""
        db = self._find()
        if db is None:
            raise SetupError(
                "Authentication keeps this in the app's database, and the app has no Flask-SQLAlchemy db; set one up, "
                "or hand it over: BackendPatterns(db=...)."
            )
        return db

    @property
    def engine(self) -> Engine:
        """The app's default engine; `SetupError` when there is none."""
        engine = self.db.engines.get(None)
        if engine is None:
            raise SetupError("The app has no default database; set SQLALCHEMY_DATABASE_URI.")
        return engine

    def table(self, name: str) -> Table:
        """The table in the app's own metadata, which may name a schema; else one without."""
        found = self._tables.get(name)
        if found is None:  # the same object each time, or no statement would be found in SQLAlchemy's cache
            self._tables = self._find_tables()
            found = self._tables[name]
        return found

    def _find_tables(self) -> dict[str, Table]:
        from sqlalchemy import MetaData

        own = {table.name: table for table in auth_tables(MetaData())}
        return own | {table.name: table for table in self.db.metadata.tables.values() if table.name in own}

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session to read with; it sees what the open transaction has written. Holds no connection afterwards."""
        with self._explained(), open_session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session to write with, committed at the end: as a part of the open transaction where there is one."""
        with self._explained(), open_session(self.engine, writes=True) as session:
            yield session
            session.commit()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is one commit, by `db.session` and `joined_session` too; undone when it raises.

        Inside an open transaction it is a part of that one. What `db.session` has begun before is committed first.
        """
        outer = current_transaction()
        if outer is not None and outer.connection.engine is self.engine:
            with _part_of(outer):
                yield
            return
        session = self.db.session()
        if session.in_transaction():
            session.commit()
        with self._explained(), self.engine.connect() as connection:
            connection.begin() if _is_shared(self.engine) else begin_write(connection)
            opened = OpenTransaction(connection)
            opened.join(session)
            opened.enter()
            try:
                yield
                session.commit()
                opened.commit()
            finally:
                opened.leave()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A missing table is an error that says what to do."""
        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except DBAPIError as error:
            missing = next((name for name in self._tables if name in str(error.orig)), None)
            if missing is not None and self._is_missing(missing):
                raise SetupError(
                    f"The table {self._tables[missing].fullname} is missing; call auth_tables(db.metadata) where the "
                    "models are and make the tables by a migration or db.create_all()."
                ) from error
            raise

    def _is_missing(self, name: str) -> bool:
        from sqlalchemy import inspect
        from sqlalchemy.exc import SQLAlchemyError

        table = self._tables[name]
        try:
            return not inspect(self.engine).has_table(table.name, schema=table.schema)
        except SQLAlchemyError:  # the database is away: what was raised first says so
            return False


@contextmanager
def open_session(
    engine: Engine, *, make: Callable[[], Session] | None = None, writes: bool = False
) -> Iterator[Session]:
    """A session on the open transaction if that is one on `engine`, else one of its own (made by `make`); closed afterwards.

    With `writes` its own one holds SQLite's write lock from its start.
    """
    from sqlalchemy.orm import Session

    transaction = current_transaction()
    joined = joined_session() if transaction is not None and transaction.connection.engine is engine else None
    session = joined or (make() if make is not None else Session(engine, expire_on_commit=False))
    try:
        if joined is None and writes:
            _begin_on(session, engine)
        yield session
    finally:
        session.close()


def _begin_on(session: Session, engine: Engine) -> None:
    """Take SQLite's write lock now: what reads first and writes later fails at once when another one wrote in between."""
    if engine.dialect.name != "sqlite" or engine.engine is not engine or _is_shared(engine):
        return  # what is bound to a connection works in somebody else's transaction
    connection = session.connection(bind_arguments={"bind": engine})
    if getattr(connection.connection.driver_connection, "in_transaction", False):
        connection.exec_driver_sql("ROLLBACK")  # the app's engine, or the driver, has sent a BEGIN of its own
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_shared(engine: Engine) -> bool:
    """Whether all use one connection (SQLite in memory): a transaction that is open there must not be ended here."""
    from sqlalchemy import StaticPool

    return isinstance(engine.pool, StaticPool)


@contextmanager
def _part_of(outer: OpenTransaction) -> Iterator[None]:
    savepoint = outer.connection.begin_nested()
    try:
        yield
    except BaseException:
        outer.roll_back_to(savepoint)
        raise
    savepoint.commit()
