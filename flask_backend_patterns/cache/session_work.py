"""What a SQLAlchemy session is doing, and has changed: by its events, until it commits or rolls back."""

from __future__ import annotations

import logging
import re
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from flask import current_app, has_app_context

from .._config import SetupError
from .._state import EXTENSION_KEY, state_of
from .._transaction import after_commit, current_transaction
from .uncommitted import note_begun, note_ended
from .work_changes import Invalidations, log_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

    from .aside import CacheAside

PLACE: Final = "flask_backend_patterns.cache.work"
# What changes no rows; SELECT is looked at first. A WITH is read to its end.
_HARMLESS: Final = re.compile(
    r"[\s(]*(SELECT|VALUES|SHOW|SET|RESET|PRAGMA|EXPLAIN|DESCRIBE|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|START|COMMIT|LOCK|ANALYZE)\b",
    re.IGNORECASE,
)
_WITH: Final = re.compile(r"[\s(]*WITH\b", re.IGNORECASE)
_CHANGE: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


def may_change_rows(statement: str) -> bool:
    """Whether a statement may insert, update or delete; in doubt it does."""
    if statement.startswith("SELECT"):
        return False
    if _WITH.match(statement):
        return _CHANGE.search(statement) is not None
    return _HARMLESS.match(statement) is None


class Watching:
    """What `watch_changes` was called for: the apps whose caches the sessions change, and their connections."""

    def __init__(self, app: Flask | None) -> None:
        self._app = app
        self._has_told = False
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet([app] if app is not None else [])
        self._engines: weakref.WeakSet[Any] = weakref.WeakSet()
        self._works: weakref.WeakKeyDictionary[Connection, weakref.ref[SessionWork]] = (
            weakref.WeakKeyDictionary()
        )

    def caches(self) -> list[CacheAside]:
        """That of the present app, and of the one that was given; outside of a context of all that have used the sessions."""
        apps = list(self._apps)
        if has_app_context():
            present = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is not kept
            self._apps.add(present)
            apps = [present] if self._app is None else list({present, self._app})
        states = [app.extensions.get(EXTENSION_KEY) for app in apps]
        return [state.cache.aside for state in states if state is not None and state.cache.aside is not None]

    def note_lost(self, names: Iterable[str]) -> None:
        """Nobody could be told of these; logged once."""
        if not self._has_told:
            self._has_told = True
            log_lost(names)

    def begin(self, work: SessionWork, connection: Connection) -> None:
        """The session works on `connection`."""
        from sqlalchemy import event

        self._works[connection] = weakref.ref(work)
        engine = connection.engine
        if engine not in self._engines:
            self._engines.add(engine)
            event.listen(engine, "before_cursor_execute", self._note_statement)

    def end(self, work: SessionWork, connection: Connection) -> None:
        """It does so no more: what follows there is somebody else's, such as the transaction around the session."""
        reference = self._works.get(connection)
        if reference is not None and reference() is work:
            del self._works[connection]

    def _note_statement(
        self,
        connection: Connection,
        _cursor: object,
        statement: str,
        _parameters: object,
        _context: object,
        _executemany: object,
    ) -> None:
        reference = self._works.get(connection)
        work = None if reference is None else reference()
        if work is not None and not work.is_writing and may_change_rows(statement):
            work.note_write()


class SessionWork:
    """What one session has changed: a layer for its transaction, and one for each savepoint within."""

    def __init__(self, session: Session, watching: Watching | None) -> None:
        self._session = weakref.ref(session)
        self._watching = watching
        self._layers: list[tuple[SessionTransaction | None, Invalidations]] = [(None, self._new_layer())]
        self._connections: list[Connection] = []
        self._is_committing = False
        self.is_writing = False
        self.reads_since = time.monotonic()
        if watching is None:
            _listen_to(session)

    @property
    def current(self) -> Invalidations:
        """Of the innermost savepoint."""
        session = self.session
        if not session.in_transaction():
            session.begin()  # as any other use of a session does; so a rollback is one
        note_begun(self)
        savepoint = session.get_nested_transaction()
        if savepoint is not None and self._layers[-1][0] is not savepoint:
            self._layers.append((savepoint, self._new_layer()))
        return self._layers[-1][1]

    @property
    def session(self) -> Session:
        """The session, which is alive while anybody uses it."""
        session = self._session()
        if session is None:
            raise RuntimeError("The session is gone.")
        return session

    def is_watched_by(self, watching: Watching) -> bool:
        """Whether it is this one's: of several that watch a session the one that says it most closely."""
        return self._watching is watching

    def be_watched_by(self, watching: Watching) -> None:
        """From now on; before it has changed anything."""
        self._watching = watching
        self._layers = [(None, self._new_layer())]

    def has_changes(self) -> bool:
        """Whether there is something that is neither committed nor rolled back, be it flushed or not."""
        if self.is_writing or self._layers[0][1] or len(self._layers) > 1:
            return True
        session = self._session()
        return session is not None and not session._is_clean()  # noqa: SLF001 - `new`, `dirty` and `deleted` copy

    def holds_anything(self) -> bool:
        """Whether it has a transaction, or objects of an earlier one; not after it was closed."""
        session = self._session()
        return session is not None and (session.in_transaction() or self._holds_objects())

    def note_write(self) -> None:
        """A statement that changes rows is sent."""
        self.is_writing = True
        note_begun(self)

    def note_begin(self) -> None:
        """A transaction of the session begins, without having read anything yet."""
        if not self._holds_objects():
            self.reads_since = time.monotonic()
        note_begun(self)

    def note_connection(self, connection: Connection) -> None:
        """The session works on `connection`."""
        if self._watching is not None:
            self._watching.begin(self, connection)
            self._connections.append(connection)

    def prepare(self) -> None:
        """A commit is about to be sent."""
        self._is_committing = True
        self._guarded(self._prepare)

    def note_commit(self) -> None:
        """Of the transaction, or of the innermost savepoint."""
        savepoint = self.session.get_nested_transaction()
        if savepoint is not None:
            self._join(savepoint)
            return
        self._is_committing = False
        transaction = current_transaction()
        if transaction is not None and self.is_writing:
            transaction.has_kept_writes = True
        self._guarded(self._send)

    def note_end(self, transaction: SessionTransaction) -> None:
        """Also after a commit, when nothing is left."""
        if transaction.nested:
            self._cut(transaction)
        elif transaction.parent is None:
            # A COMMIT that failed may have been done all the same: nobody knows, so what it changed is forgotten.
            was_committing, self._is_committing = self._is_committing, False
            self._leave_connections()
            self.is_writing = False
            self._guarded(self._send if was_committing else self._drop)
            if not self._holds_objects():
                note_ended(self)

    def _leave_connections(self) -> None:
        left, self._connections = self._connections, []
        if self._watching is not None:
            for connection in left:
                self._watching.end(self, connection)

    def _holds_objects(self) -> bool:
        """Whether objects of an earlier transaction are given again as they were."""
        session = self.session
        return not session.expire_on_commit and len(session.identity_map) > 0

    def _new_layer(self) -> Invalidations:
        watching = self._watching
        if watching is None:
            return Invalidations()
        return Invalidations(find_caches=watching.caches, note_lost=watching.note_lost)

    def _join(self, savepoint: SessionTransaction) -> None:
        """The savepoint, and those within, are part of what is around it now."""
        for position, (owner, _) in enumerate(self._layers):
            if owner is savepoint:
                for _, layer in self._layers[position:]:
                    self._layers[position - 1][1].add_all(layer)
                del self._layers[position:]
                return

    def _cut(self, savepoint: SessionTransaction) -> None:
        for position, (owner, _) in enumerate(self._layers):
            if owner is savepoint:
                for _, layer in self._layers[position:]:
                    self._guarded(layer.discard)
                del self._layers[position:]
                return

    def _prepare(self) -> None:
        for _, layer in self._layers:
            layer.prepare()

    def _taken(self) -> Invalidations:
        whole = self._new_layer()
        for _, layer in self._layers:
            whole.add_all(layer)
        self._layers = [(None, self._new_layer())]
        return whole

    def _send(self) -> None:
        whole = self._taken()
        if not whole:
            return
        if current_transaction() is None:
            whole.send()
            return
        # Perhaps a part of a larger transaction: then it is real only after that, and no value may be kept until then.
        whole.cancel_writes()
        again = self._new_layer()
        again.add_all(whole)
        after_commit(again.send)
        whole.send()
        again.prepare()

    def _drop(self) -> None:
        whole = self._taken()
        if whole:
            whole.discard()

    def _guarded(self, step: Callable[[], None]) -> None:
        """What is committed stands, whatever happens here."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - see above
            log_failure("cache_invalidation_failed", error)


def work_of(session: Any, watching: Watching | None = None) -> SessionWork:
    """That of a session; of a `scoped_session` that of its present one, of an `AsyncSession` its inner one."""
    if callable(session) and hasattr(session, "registry"):
        session = session()
    session = getattr(session, "sync_session", session)
    if not hasattr(session, "info"):
        raise SetupError(f"{session!r} is no SQLAlchemy session; give one, such as db.session.")
    found = session.info.get(PLACE)
    if found is None:
        found = session.info[PLACE] = SessionWork(session, watching)
    return found  # type: ignore[no-any-return]  # nobody else writes there


def take_over(session: Session, watching: Watching) -> SessionWork:
    """That of a session whose transaction begins; watched by `watching` from now on, if nothing is changed yet."""
    work = work_of(session, watching)
    if not work.is_watched_by(watching) and not work.has_changes():
        work.be_watched_by(watching)
    return work


def log_failure(event: str, error: Exception | None = None, **fields: Any) -> None:
    """Log an error, by the app where there is one."""
    state = state_of(current_app) if has_app_context() else None
    log: Any = logging.getLogger("flask_backend_patterns") if state is None else state.log
    if state is None:
        log.error("%s %s", event, fields, exc_info=error) if fields else log.error(event, exc_info=error)
    elif error is None:
        log.error(event, **fields)
    else:
        log.error(event, exc_info=error, **fields)


def _listen_to(session: Session) -> None:
    from sqlalchemy import event

    event.listen(session, "before_commit", before_commit)
    event.listen(session, "after_commit", note_commit)
    event.listen(session, "after_transaction_end", note_end)


def before_commit(session: Session) -> None:
    """A listener of `session`."""
    work = session.info.get(PLACE)
    if work is not None and not session.in_nested_transaction():
        work.prepare()


def note_commit(session: Session) -> None:
    """A listener of `session`."""
    work = session.info.get(PLACE)
    if work is not None:
        work.note_commit()


def note_end(session: Session, transaction: SessionTransaction) -> None:
    """A listener of `session`."""
    work = session.info.get(PLACE)
    if work is not None:
        work.note_end(transaction)
