"""Whether the code running now can see what is not committed: then a cached value would tell others of it (PITFALLS C7)."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import Protocol

from .._transaction import current_transaction


class UnitOfWork(Protocol):
    """What a session is doing."""

    @property
    def reads_since(self) -> float:
        """Since when it may hold what it has read, in `time.monotonic` seconds."""

    def has_changes(self) -> bool:
        """Whether it has changed anything that is neither committed nor rolled back."""

    def holds_anything(self) -> bool:
        """Whether it has a transaction, or objects of an earlier one; not after it was closed."""


# Those that this thread, or task, has begun and not ended. A session that is dropped takes its own along.
_open: ContextVar[tuple[weakref.ref[UnitOfWork], ...]] = ContextVar("backend_cache_work", default=())


def note_begun(work: UnitOfWork) -> None:
    """From here on, until `note_ended`."""
    known = _open.get()
    if not any(reference() is work for reference in known):
        alive = [reference for reference in known if reference() is not None]
        _open.set((*alive, weakref.ref(work)))


def note_ended(work: UnitOfWork) -> None:
    """It has been committed or rolled back."""
    known = _open.get()
    if known:
        _open.set(tuple([reference for reference in known if reference() not in (None, work)]))


def sees_uncommitted() -> bool:
    """Whether a session of this thread or task has changed something, whichever it is, or is inside of what has."""
    for reference in _open.get():
        work = reference()
        if work is not None and work.has_changes():
            return True
    transaction = current_transaction()
    return transaction is not None and transaction.has_kept_writes


def reads_since() -> float | None:
    """Since when the sessions of this thread or task may hold what they have read; None where none is open."""
    works = (reference() for reference in _open.get())
    return min(
        (work.reads_since for work in works if work is not None and work.holds_anything()), default=None
    )
