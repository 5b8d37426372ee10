"""When a key was last used: written seldom, and never at the expense of the request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ..._after_fork import reset_in_children
from ..._transaction import after_commit, begin_write
from ..tables import API_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from ..._contribution import EventLog
    from ..database import AuthDatabase

INTERVAL_SECONDS: Final = 60
MAX_WAIT_MILLISECONDS: Final = 50
_MAX_REMEMBERED: Final = 10_000


class LastUse:
    """Writes `last_used_at` at most once a minute for each key and process; what fails is logged and left. Thread-safe."""

    def __init__(
        self, database: AuthDatabase, *, log: EventLog, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def note(self, key_id: str) -> None:
        """The key is being used now."""
        now = self._clock()
        if now - self._noted.get(key_id, 0.0) < INTERVAL_SECONDS:
            return
        with self._lock:
            if now - self._noted.get(key_id, 0.0) < INTERVAL_SECONDS:
                return
            if len(self._noted) >= _MAX_REMEMBERED:
                self._noted.clear()
            self._noted[key_id] = now
        # Not within a transaction that is open: it would hold the row until its end, and may be undone.
        after_commit(lambda: self._write(key_id, int(now)))

    def _write(self, key_id: str, now: int) -> None:
        from sqlalchemy import or_, update
        from sqlalchemy.exc import SQLAlchemyError

        table = self._database.table(API_KEYS)
        last = table.c.last_used_at
        due = or_(last.is_(None), last <= now - INTERVAL_SECONDS)
        statement = update(table).where(table.c.id == key_id, due).values(last_used_at=now)
        try:
            _execute_soon(self._database.engine, statement)
        except SQLAlchemyError as error:
            self._log.warning("api_key_last_use_lost", key_id=key_id, exc_info=error)


def _execute_soon(engine: Engine, statement: Any) -> None:
    """Execute and commit, or give up after `MAX_WAIT_MILLISECONDS` of waiting for somebody's lock."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _execute_on_sqlite(connection, statement)
            return
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {MAX_WAIT_MILLISECONDS}")
        connection.execute(statement)
        connection.commit()


def _execute_on_sqlite(connection: Connection, statement: Any) -> None:
    from sqlalchemy import StaticPool

    if isinstance(connection.engine.pool, StaticPool):  # in memory: no other connection to wait for
        connection.execute(statement)
        connection.commit()
        return
    patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {MAX_WAIT_MILLISECONDS}")
    connection.rollback()
    try:
        begin_write(connection)
        connection.execute(statement)
        connection.commit()
    finally:
        connection.rollback()
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
        connection.rollback()
