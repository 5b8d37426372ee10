"""The statements on the table of results, on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from ...._transaction import begin_write
from ..refusals import in_progress, mismatch
from ..stored_response import StoredResponse, parse_headers

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from ..protocols import Entry


class ResultRows:
    """The rows as one attempt sees them at `now` (seconds since the epoch)."""

    def __init__(self, connection: Connection, table: Table, now: int) -> None:
        self._connection = connection
        self._table = table
        self._now = now

    def claim(self, entry: Entry) -> StoredResponse | None:
        """Begin a transaction that holds the key, or give the result that is there; raises the refusals.

        Without a result to give the transaction is open, with a row that has no result yet.
        """
        connection = self._connection
        if connection.dialect.name != "postgresql":  # a result that is there needs no lock to be read
            stored = self._look(entry)
            connection.rollback()
            if stored is not None:
                return stored
        try:
            begin_write(connection)
        except OperationalError:  # SQLite: somebody else has been writing all the time
            connection.rollback()
            stored = self._look(entry)
            if stored is None:
                raise
            return stored
        is_held = self._take_lock(entry)
        row = self._read(entry)
        if row is not None or not is_held:
            stored = self._judge(row, entry)
            if stored is not None:
                return stored
            if not is_held:
                raise in_progress()
        return self._insert(entry, replaces=row is not None)

    def complete(self, entry: Entry, result: StoredResponse) -> bool:
        """Put the result into the entry's row; False when the row is no longer there."""
        columns = {"status": result.status, "headers": result.header_text(), "body": result.body}
        own = self._table.c.key_hash == entry.key_hash
        return self._connection.execute(update(self._table).where(own).values(columns)).rowcount == 1

    def _take_lock(self, entry: Entry) -> bool:
        """Whether the key is ours until the transaction ends; where only the primary key decides, the row will tell."""
        if self._connection.dialect.name != "postgresql":
            return True
        number = int.from_bytes(bytes.fromhex(entry.key_hash)[:8], signed=True)
        return bool(self._connection.scalar(select(func.pg_try_advisory_xact_lock(number))))

    def _insert(self, entry: Entry, *, replaces: bool) -> StoredResponse | None:
        own = self._table.c.key_hash == entry.key_hash
        try:
            if replaces:
                expired = self._table.c.expires_at <= self._now
                self._connection.execute(delete(self._table).where(own, expired))
            self._connection.execute(
                insert(self._table).values(
                    key_hash=entry.key_hash,
                    fingerprint=entry.fingerprint,
                    created_at=self._now,
                    expires_at=self._now + entry.ttl_seconds,
                )
            )
        except IntegrityError:  # another request's transaction was committed in between
            self._connection.rollback()
            stored = self._look(entry)
            if stored is None:
                raise in_progress() from None
            return stored
        return None

    def _look(self, entry: Entry) -> StoredResponse | None:
        return self._judge(self._read(entry), entry)

    def _read(self, entry: Entry) -> Any:
        columns = self._table.c
        query = select(
            columns.fingerprint, columns.status, columns.headers, columns.body, columns.expires_at
        ).where(columns.key_hash == entry.key_hash)
        return self._connection.execute(query).one_or_none()

    def _judge(self, row: Any, entry: Entry) -> StoredResponse | None:
        """The result in a row that counts; raises the refusals that it means."""
        if row is None or row.expires_at <= self._now:
            return None
        if row.fingerprint != entry.fingerprint:
            raise mismatch()
        if row.status is None:
            raise in_progress()
        return StoredResponse(
            status=row.status, headers=parse_headers(row.headers or "[]"), body=bytes(row.body or b"")
        )
