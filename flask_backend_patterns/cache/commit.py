"""Forgets cached values after the transaction that changed them is committed, before `commit()` returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from .names import EVERY_TAG
from .pending_write import prepare_write
from .session_work import Watching, before_commit, log_failure, note_commit, note_end, take_over, work_of
from .work_changes import Invalidations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask
    from sqlalchemy.orm import Session, SessionTransaction

EVENTS: Final = (
    "before_flush",
    "after_flush",
    "do_orm_execute",
    "before_commit",
    "after_commit",
    "after_transaction_create",
    "after_begin",
    "after_transaction_end",
)

__all__ = ["Invalidations", "invalidate_after_commit", "watch_changes", "write_through_after_commit"]


def invalidate_after_commit(
    session: Any, *, tags: Iterable[str] = (), keys: Iterable[str] = (), everything: bool = False
) -> None:
    """Forget values once what `session` is doing is committed, before `commit()` returns; after a rollback too."""
    for names in (tags, keys):
        if isinstance(names, str):
            raise SetupError(f"invalidate_after_commit takes lists: [{names!r}].")
    work_of(session).current.add(tags=[EVERY_TAG] if everything else tags, keys=keys)


def write_through_after_commit(session: Any, key: str, value: Any, **options: Any) -> None:
    """Keep `value` once what `session` is doing is committed; the options are those of `write_through`.

    When somebody else changes the same key at the same time, nothing is kept of either, since the order of their
    commits is not known; nor inside a transaction of `@idempotent`. Raises `UncacheableValueError` at once.
    """
    write = prepare_write(key, value, **options)
    if write is not None:
        work_of(session).current.add_write(write)


def watch_changes(sessions: Any, *, app: Flask | None = None) -> None:
    """Forget the tags of models that `sessions` change, after each commit; and cache nothing that is not committed.

    `sessions` is a `sessionmaker`, a `scoped_session` (`db.session`), a `Session` class or a session. A model says its
    tags: `__cache_tags__ = ("product:{id}", "products")`, filled from its attributes, with their old and new values.
    UPDATE and DELETE statements forget those without a field (`"products"`): which rows they change is not known.

    While a session has changes that are not committed, cached functions and views of its thread or task just run.
    `app` is told of commits outside an app context; without it, the apps that have used the sessions are.
    """
    from sqlalchemy import event
    from sqlalchemy.orm import Mapper

    from .model_tags import check_mapped

    _require_sessions(sessions)
    listeners = _Listeners(Watching(app))
    for name in EVENTS:
        event.listen(sessions, name, getattr(listeners, name))
    if not event.contains(Mapper, "mapper_configured", check_mapped):
        event.listen(Mapper, "mapper_configured", check_mapped)


class _Listeners:
    """What is listened to, by the names of the events."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def before_flush(self, session: Session, _context: Any, _instances: Any) -> None:
        from .model_tags import tags_before_flush

        if self._watches(session):
            self._add(session, partial(tags_before_flush, session))

    def after_flush(self, session: Session, context: Any) -> None:
        from .model_tags import tags_of_flush

        if self._watches(session):
            work_of(session).note_write()
            self._add(session, partial(tags_of_flush, session, context))

    def do_orm_execute(self, execution: Any) -> None:
        from .model_tags import tags_of_statement

        if not execution.is_select and self._watches(execution.session):
            self._add(execution.session, partial(tags_of_statement, execution))

    def before_commit(self, session: Session) -> None:
        if self._watches(session) and not session.in_nested_transaction():
            session.flush()  # as the commit is about to; what it changes has to be known before
            before_commit(session)

    def after_commit(self, session: Session) -> None:
        if self._watches(session):
            note_commit(session)

    def after_transaction_create(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            work = take_over(session, self._watching)
            if work.is_watched_by(self._watching):
                work.note_begin()

    def after_begin(self, session: Session, _transaction: SessionTransaction, connection: Any) -> None:
        if self._watches(session):
            work_of(session).note_connection(connection)

    def after_transaction_end(self, session: Session, transaction: SessionTransaction) -> None:
        if self._watches(session):
            note_end(session, transaction)

    def _watches(self, session: Session) -> bool:
        """Not what another call of `watch_changes` watches more closely, or once more."""
        return work_of(session, self._watching).is_watched_by(self._watching)

    def _add(self, session: Session, find: Callable[[], Iterable[str]]) -> None:
        try:
            tags = find()
        except SetupError:
            raise
        except Exception as error:  # noqa: BLE001 - a tag is no reason for the write to fail
            log_failure("cache_tags_failed", error)
            return
        if tags:
            work_of(session).current.add(tags=tags)


def _require_sessions(sessions: Any) -> None:
    from sqlalchemy.orm import Session, scoped_session, sessionmaker

    is_class = isinstance(sessions, type) and issubclass(sessions, Session)
    if not is_class and not isinstance(sessions, (Session, scoped_session, sessionmaker)):
        raise SetupError(
            f"watch_changes takes db.session, a sessionmaker or a Session, not {type(sessions).__name__}."
        )
