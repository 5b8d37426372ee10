"""A database transaction that belongs to code further out than the code that writes.

Who opens one (`@idempotent` does) commits it. What runs inside works on the same connection, each session within a
savepoint of its own: its commits and rollbacks mean what they always mean, but become real with the outer commit.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import current_app, has_app_context

from ._config import SetupError
from ._state import state_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, NestedTransaction
    from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

Callback: TypeAlias = Callable[[], object]

_current: ContextVar[OpenTransaction | None] = ContextVar("backend_transaction", default=None)
_JOINED_ATTRIBUTES = ("get_bind", "join_transaction_mode")


def after_commit(callback: Callback) -> None:
    """Call `callback` once the open transaction is really committed; at once where none is open.

    Called in the order given, never after a rollback; one given inside a part that is rolled back (a savepoint, the
    transaction of a joined session) goes with that part. What it raises is logged as `after_commit_failed`: the write
    stands, the request does not fail, the others are called.
    """
    transaction = current_transaction()
    if transaction is None:
        _call(callback)
    else:
        transaction.add_callback(callback)


def joined_session(*, expire_on_commit: bool = False) -> Session | None:
    """A new session on the open transaction, or None where none is open; the caller closes it.

    For services that own their sessions. Its commit and rollback concern its own part only (a savepoint); that part
    becomes real when the open transaction is committed. Not to be used after that, nor by several threads at once.
    """
    from sqlalchemy.orm import Session

    transaction = current_transaction()
    if transaction is None:
        return None
    transaction.set_readers_apart()
    session = Session(
        transaction.connection, join_transaction_mode="create_savepoint", expire_on_commit=expire_on_commit
    )
    transaction.note(session)
    SessionWatch(session, transaction.note_kept_writes)
    return session


def current_transaction() -> OpenTransaction | None:
    """The transaction that the code running now is inside of."""
    transaction = _current.get()
    # A task or thread that was started inside may outlive it.
    return transaction if transaction is not None and transaction.is_open else None


def begin_write(connection: Connection) -> None:
    """Begin a transaction; on SQLite one that holds the write lock from its start, however the driver is set up.

    There a transaction that reads first and writes later fails at once when another one wrote in between.
    """
    connection.begin()
    if connection.dialect.name != "sqlite":
        return
    if getattr(connection.connection.driver_connection, "in_transaction", False):
        connection.exec_driver_sql("ROLLBACK")  # the app's engine, or the driver, has sent a BEGIN of its own
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class OpenTransaction:
    """The transaction begun on `connection`, from `enter` until `leave`, with what is to be called after its commit."""

    def __init__(self, connection: Connection) -> None:
        from sqlalchemy import event

        self.connection = connection
        self.is_open = False
        self.has_kept_writes = False  # something inside was committed, which is not real yet
        self._callbacks: list[Callback] = []
        self._sessions: list[weakref.ref[Session]] = []
        self._marks: list[int] = []
        self._joined: list[SessionJoin] = []
        self._outer: OpenTransaction | None = None
        self._is_committed = False
        self._has_lost_writes = False
        self._with_kept_writes: set[str | None] = set()
        event.listen(connection, "savepoint", self._savepoint_set)
        event.listen(connection, "rollback_savepoint", self._savepoint_undone)
        event.listen(connection, "release_savepoint", self._savepoint_released)

    def enter(self) -> None:
        """From here on `joined_session` and `after_commit` mean this transaction."""
        self._outer, self.is_open = _current.get(), True
        _current.set(self)

    def join(self, session: Session) -> SessionJoin:
        """Let `session` work on this transaction until `leave`; it may not be in a transaction of its own."""
        join = SessionJoin(session, self.connection, self.note_kept_writes)
        self._joined.append(join)
        self.note(session)
        return join

    def note(self, session: Session) -> None:
        """`session` works on this transaction."""
        self._sessions.append(weakref.ref(session))

    def note_kept_writes(self) -> None:
        """A session has committed what it wrote; that is now part of the innermost savepoint, somebody else's."""
        self.has_kept_writes = True
        enclosing = self.connection.get_nested_transaction()
        if enclosing is not None:
            self._with_kept_writes.add(enclosing._savepoint)  # noqa: SLF001 - its events tell nothing else

    def add_callback(self, callback: Callback) -> None:
        """See `after_commit`."""
        for reference in self._sessions:
            session = reference()
            if session is not None and session.in_transaction() and session.is_active:
                session.connection()  # sets its savepoint, which it may not have needed yet
        self._callbacks.append(callback)

    def set_readers_apart(self) -> None:
        """End the savepoints of joined sessions that have only read.

        A session opened now would otherwise work inside them, and be undone when they roll back.
        """
        for join in self._joined:
            join.end_reading()

    def commit(self) -> None:
        """Make everything real; whatever the database raises is raised, and then nothing is.

        Raises `SetupError` when a session has lost writes, committed ones too, because another one, begun before it,
        was rolled back.
        """
        if self._has_lost_writes:
            raise SetupError(
                "A session wrote inside the open part of another one (db.session, or a joined session) that was then "
                "rolled back, which undid both; commit db.session first, or write with one session."
            )
        self.connection.commit()
        self._is_committed = True

    def roll_back_to(self, savepoint: NestedTransaction) -> None:
        """Undo all since `savepoint`, also what sessions inside have left open; the transaction goes on."""
        while (inner := self.connection.get_nested_transaction()) not in (None, savepoint):
            inner.rollback()
        savepoint.rollback()
        self._has_lost_writes = False

    def leave(self) -> None:
        """Roll back unless committed, give sessions back to their engine and the connection to its pool, call back."""
        _current.set(self._outer)
        self.is_open = False
        try:
            self._end()
            for join in self._joined:
                join.leave()
        finally:
            self.connection.close()
        if self._is_committed:
            for callback in self._callbacks:
                _call(callback)

    def _end(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            # Also after a COMMIT that failed: `close` alone would give the connection back as that has left it.
            self.connection.rollback()
        except SQLAlchemyError:  # the connection is gone, and the database rolls back by itself
            self.connection.invalidate()

    # Savepoints on one connection are nested: ending one ends all that were set after it.

    def _savepoint_set(self, _connection: Connection, _name: str | None) -> None:
        self._marks.append(len(self._callbacks))

    def _savepoint_undone(self, _connection: Connection, name: str, _context: None) -> None:
        if name in self._with_kept_writes:
            self._has_lost_writes = True
        for join in self._joined_inside(name):
            self._has_lost_writes = self._has_lost_writes or join.has_written
            join.end()
        if self._marks:
            del self._callbacks[self._marks.pop() :]

    def _savepoint_released(self, _connection: Connection, name: str, _context: None) -> None:
        for join in self._joined_inside(name):
            join.end()
        if name in self._with_kept_writes:  # they are the enclosing part's now
            innermost = self.connection.get_nested_transaction()
            enclosing = None if innermost is None else innermost._previous_nested  # noqa: SLF001 - as above
            if enclosing is not None:
                self._with_kept_writes.add(enclosing._savepoint)  # noqa: SLF001 - as above
        if self._marks:
            self._marks.pop()

    def _joined_inside(self, name: str) -> list[SessionJoin]:
        """The sessions whose savepoint was set last, inside the one called `name`."""
        innermost = self.connection.get_nested_transaction()
        if innermost is None or innermost._savepoint == name:  # noqa: SLF001 - its events tell nothing else
            return []
        return [join for join in self._joined if join.savepoint is innermost]


class SessionWatch:
    """Whether a session has written since its transaction began; calls `kept` each time it has committed that."""

    def __init__(self, session: Session, kept: Callback) -> None:
        from sqlalchemy import event

        self.has_written = False
        self._session = session
        self._kept = kept
        self._listeners: dict[str, Callable[..., Any]] = {
            "do_orm_execute": self._note_statement,
            "after_flush": self._note_flush,
            "after_commit": self._note_commit,
            "after_transaction_end": self._note_end,
        }
        for name, listener in self._listeners.items():
            event.listen(session, name, listener)

    def stop(self) -> None:
        """Leave the session as it was."""
        from sqlalchemy import event

        for name, listener in self._listeners.items():
            event.remove(self._session, name, listener)

    def _note_statement(self, execution: ORMExecuteState) -> None:
        self.has_written = self.has_written or not _only_reads(execution)

    def _note_flush(self, _session: Session, _context: object) -> None:
        self.has_written = True

    def _note_commit(self, _session: Session) -> None:
        if self.has_written and not self._session.in_nested_transaction():
            self._kept()

    def _note_end(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            self.has_written = False


class SessionJoin:
    """A session that works on a given connection instead of that connection's engine.

    The session object stays the same, so what was loaded before stays attached to it. `kept` is called when it has
    committed writes.
    """

    def __init__(self, session: Session, connection: Connection, kept: Callback) -> None:
        from sqlalchemy import event

        self.session = session
        self.savepoint: NestedTransaction | None = None
        self._connection = connection
        self._watch = SessionWatch(session, kept)
        self._saved = {name: vars(session)[name] for name in _JOINED_ATTRIBUTES if name in vars(session)}
        choose_bind = session.get_bind

        def get_bind(*args: Any, **options: Any) -> Any:
            bind = choose_bind(*args, **options)
            return connection if bind is connection.engine else bind

        vars(session).update(get_bind=get_bind, join_transaction_mode="create_savepoint")
        self._listeners: dict[str, Callable[..., Any]] = {
            "after_begin": self._note_begin,
            "after_transaction_end": self._note_end,
        }
        for name, listener in self._listeners.items():
            event.listen(session, name, listener)

    @property
    def has_written(self) -> bool:
        """Whether it has since its transaction began."""
        return self._watch.has_written

    def end_reading(self) -> None:
        """End the session's transaction if it has only read."""
        session = self.session
        if session.in_nested_transaction() or self.has_written:
            return
        if not (session.new or session.dirty or session.deleted):
            self.end()

    def end(self) -> None:
        """End the session's transaction, keeping what it has written; its objects stay as they were loaded."""
        expires = self.session.expire_on_commit
        self.session.expire_on_commit = False
        try:
            self.session.commit()
        finally:
            self.session.expire_on_commit = expires

    def leave(self) -> None:
        """Undo what the session has not committed, and let it use its engine again."""
        from sqlalchemy import event

        self._watch.stop()
        for name, listener in self._listeners.items():
            event.remove(self.session, name, listener)
        try:
            self.session.rollback()
        finally:
            for name in _JOINED_ATTRIBUTES:
                vars(self.session).pop(name, None)
            vars(self.session).update(self._saved)

    def _note_begin(self, _session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if transaction.parent is None and connection is self._connection:
            self.savepoint = connection.get_nested_transaction()

    def _note_end(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            self.savepoint = None


def _only_reads(execution: ORMExecuteState) -> bool:
    """Whether it is a SELECT; also one written as text, since a check of the connection is no writing."""
    from sqlalchemy import TextClause

    statement = execution.statement
    return execution.is_select or (
        isinstance(statement, TextClause) and statement.text.lstrip()[:6].upper() == "SELECT"
    )


def _call(callback: Callback) -> None:
    try:
        callback()
    except Exception as error:  # noqa: BLE001 - what was written stands, and its answer is owed
        _report(error)


def _report(error: Exception) -> None:
    state = state_of(current_app) if has_app_context() else None
    log: Any = logging.getLogger("flask_backend_patterns") if state is None else state.log
    log.error("after_commit_failed", exc_info=error)
