"""Forgets cached values after the transaction that changed them is committed, and not when it is rolled back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import current_app, has_app_context

from .._state import state_of
from .._transaction import after_commit, current_transaction
from .access import engine_of
from .pending_write import PendingWrite, prepare_write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, SessionTransaction

_PLACE: Final = "flask_backend_patterns.cache.invalidations"


class Invalidations:
    """What a unit of work has changed: collected while it lasts, sent after its commit, dropped with its rollback.

    `save` and `restore` are for savepoints. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._tags: dict[str, None] = {}
        self._writes: dict[str, PendingWrite] = {}  # by key: the last one counts

    def __bool__(self) -> bool:
        return bool(self._keys or self._tags or self._writes)

    def add(self, *, tags: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Forget these after the commit."""
        self._tags.update(dict.fromkeys(tags))
        self._keys.update(dict.fromkeys(keys))

    def add_write(self, write: PendingWrite) -> None:
        """Keep this value after the commit."""
        earlier = self._writes.get(write.key)
        if earlier is not None:
            earlier.cancel()
        self._writes[write.key] = write

    def add_all(self, other: Invalidations) -> None:
        """Those of a part that was committed into this one."""
        self.add(tags=other._tags, keys=other._keys)
        for write in other._writes.values():
            self.add_write(write)

    def prepare(self) -> None:
        """To be called before the commit, when values are to be written after it."""
        for write in self._writes.values():
            write.prepare()

    def send(self) -> None:
        """Forget and write, in the current app. Never raises for a store that is away."""
        tags, keys, writes = tuple(self._tags), tuple(self._keys), tuple(self._writes.values())
        self._keys, self._tags, self._writes = {}, {}, {}
        engine = engine_of("Invalidations.send")
        if engine is None:
            return
        if tags or keys:
            engine.invalidate(tags=tags, keys=keys)
        for write in writes:
            write.finish()

    def discard(self) -> None:
        """Nothing has happened."""
        for write in self._writes.values():
            write.cancel()
        self._keys, self._tags, self._writes = {}, {}, {}


def invalidate_after_commit(session: Any, *, tags: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
    """Forget values once what `session` is doing is committed, before `commit()` returns; nothing after a rollback."""
    _collector(session).current.add(tags=tags, keys=keys)


def write_through_after_commit(session: Any, key: str, value: Any, **options: Any) -> None:
    """Keep `value` once what `session` is doing is committed; the options are those of `write_through`.

    When somebody else changes the same key at the same time, nothing is kept of either, since the order of their
    commits is not known. Raises `UncacheableValueError` at once.
    """
    write = prepare_write(key, value, **options)
    if write is not None:
        _collector(session).current.add_write(write)


def watch_changes(sessions: Any) -> None:
    """Forget the tags of models that `sessions` change, after each commit.

    `sessions` is a `sessionmaker`, a `scoped_session` (`db.session`), a `Session` class or a session. A model says its
    tags: `__cache_tags__ = ("product:{id}", "products")`, filled from its attributes, with their old and new values.
    UPDATE and DELETE statements forget those without a field (`"products"`): which rows they change is not known.
    """
    from sqlalchemy import event

    from .model_tags import tags_before_flush, tags_of_flush, tags_of_statement

    def before_flush(session: Session, _context: Any, _instances: Any) -> None:
        tags = tags_before_flush(session)
        if tags:
            _collector(session).current.add(tags=tags)

    def after_flush(session: Session, context: Any) -> None:
        tags = tags_of_flush(session, context)
        if tags:
            _collector(session).current.add(tags=tags)

    def do_orm_execute(execution: Any) -> None:
        tags = tags_of_statement(execution)
        if tags:
            _collector(execution.session).current.add(tags=tags)

    for listener in (before_flush, after_flush, do_orm_execute):
        event.listen(sessions, listener.__name__, listener)


class _Collector:
    """What one session has changed: a layer for its transaction, and one for each savepoint within."""

    def __init__(self, session: Session) -> None:
        from sqlalchemy import event

        self._session = session
        self._layers: list[tuple[SessionTransaction | None, Invalidations]] = [(None, Invalidations())]
        self._is_committing = False
        event.listen(session, "before_commit", self._before_commit)
        event.listen(session, "after_commit", self._after_commit)
        event.listen(session, "after_transaction_end", self._after_end)

    @property
    def current(self) -> Invalidations:
        """Of the innermost savepoint."""
        if not self._session.in_transaction():
            self._session.begin()  # as any other use of a session does; so a rollback is one
        savepoint = self._session.get_nested_transaction()
        if savepoint is not None and self._layers[-1][0] is not savepoint:
            self._layers.append((savepoint, Invalidations()))
        return self._layers[-1][1]

    def _before_commit(self, session: Session) -> None:
        if not session.in_nested_transaction():
            self._is_committing = True
            self._guarded(self._prepare)

    def _after_commit(self, session: Session) -> None:
        savepoint = session.get_nested_transaction()
        if savepoint is not None:
            self._join(savepoint)
            return
        self._is_committing = False
        self._guarded(self._send)

    def _after_end(self, _session: Session, transaction: SessionTransaction) -> None:
        """Also after a commit, when nothing is left."""
        if transaction.nested:
            self._cut(transaction)
        elif transaction.parent is None:
            # A COMMIT that failed may have been done all the same: nobody knows, so what it changed is forgotten.
            was_committing, self._is_committing = self._is_committing, False
            self._guarded(self._send if was_committing else self._drop)

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

    def _send(self) -> None:
        whole = Invalidations()
        for _, layer in self._layers:
            whole.add_all(layer)
        self._layers = [(None, Invalidations())]
        if not whole:
            return
        if current_transaction() is not None:
            # Perhaps a part of a larger transaction: then it is real only after that.
            again = Invalidations()
            again.add(tags=whole._tags, keys=[*whole._keys, *whole._writes])  # noqa: SLF001 - one class
            after_commit(again.send)
        whole.send()

    def _drop(self) -> None:
        for _, layer in self._layers:
            layer.discard()
        self._layers = [(None, Invalidations())]

    def _guarded(self, step: Callable[[], None]) -> None:
        """What is committed stands, whatever happens here."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - see above
            _report(error)


def _collector(session: Any) -> _Collector:
    """The collector of a session; of a `scoped_session` that of its present one, of an `AsyncSession` its inner one."""
    if callable(session) and hasattr(session, "registry"):
        session = session()
    session = getattr(session, "sync_session", session)
    found = session.info.get(_PLACE)
    if found is None:
        found = session.info[_PLACE] = _Collector(session)
    return found  # type: ignore[no-any-return]  # nobody else writes there


def _report(error: Exception) -> None:
    state = state_of(current_app) if has_app_context() else None
    log: Any = logging.getLogger("flask_backend_patterns") if state is None else state.log
    log.error("cache_invalidation_failed", exc_info=error)
