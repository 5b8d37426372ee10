"""Tokens that count once: to reset a password, to verify an address."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from .._transaction import after_commit
from .database import AuthDatabase
from .stored_text import is_storable
from .tables import MAX_ID_LENGTH, ONE_TIME_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import ColumnElement, Executable, Row, Table
    from sqlalchemy.orm import Session

    from .._contribution import EventLog

PURGE_INTERVAL_SECONDS: Final = 60.0
PURGE_BATCH: Final = 500
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PURPOSE = re.compile(r"[a-z0-9_.:-]{1,50}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class OneTimeToken:
    """What a token was issued for; `data` is what was handed to `issue`. Times are seconds since the epoch."""

    purpose: str
    subject: str
    data: Mapping[str, Any] = field(repr=False)
    created_at: int
    expires_at: int


class OneTimeTokens:
    """Tokens in the app's database: 256 random bits, stored as SHA-256, one alive for each purpose and subject.

    Each method is one short transaction, or a part of the open one (`transaction`). Thread-safe. `clock` gives seconds
    since the epoch.
    """

    def __init__(
        self,
        database: AuthDatabase | None = None,
        *,
        log: EventLog,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = AuthDatabase() if database is None else database
        self._log = log
        self._clock = clock
        self._next_purge = 0.0

    def issue(
        self, purpose: str, subject: str, *, ttl_seconds: int, data: Mapping[str, Any] | None = None
    ) -> str:
        """A new token, in characters that a URL can hold; ends older ones of this purpose and subject.

        Raises `SetupError` for a purpose or subject that cannot be stored.
        """
        if not _PURPOSE.fullmatch(purpose) or not is_storable(subject, max_length=MAX_ID_LENGTH):
            raise SetupError(
                f"A one-time token needs a purpose like 'reset', and the user's id; not {purpose!r}."
            )
        token, now = secrets.token_urlsafe(32), int(self._clock())
        row = {
            "purpose": purpose,
            "subject": subject,
            "token_hash": _hash(token),
            "data": json.dumps(dict(data or {})),
            "created_at": now,
            "expires_at": now + ttl_seconds,
        }
        self._replace(row)
        after_commit(self._purge_when_due)
        return token

    def find(self, purpose: str, token: str) -> OneTimeToken | None:
        """What `consume` would give, without using the token up: to refuse bad input first."""
        if not _TOKEN.fullmatch(token):
            return None
        with self._database.reading() as session:
            return self._find(session, purpose, token)

    def consume(self, purpose: str, token: str) -> OneTimeToken | None:
        """What the token was issued for; None for any but the first caller, and for tokens that do not count.

        Within `transaction()` the token is used up only if the rest succeeds.
        """
        from sqlalchemy import delete

        if not _TOKEN.fullmatch(token):
            return None
        with self._database.writing() as session:
            found = self._find(session, purpose, token)
            if found is None:
                return None
            # Who deletes the row has the token: the others wait for that row, and then find none.
            statement = delete(self._table).where(*self._own(purpose, token))
            return found if _rowcount(session.execute(statement)) == 1 else None

    def revoke(self, purpose: str, subject: str) -> bool:
        """End the token of this purpose and subject; whether there was one."""
        from sqlalchemy import delete

        columns = self._table.c
        own = delete(self._table).where(columns.purpose == purpose, columns.subject == subject)
        with self._database.writing() as session:
            return _rowcount(session.execute(own)) > 0

    def is_issued(self, purpose: str, subject: str) -> bool:
        """Whether a token of this purpose and subject counts now."""
        from sqlalchemy import select

        columns = self._table.c
        alive = (
            columns.purpose == purpose,
            columns.subject == subject,
            columns.expires_at > int(self._clock()),
        )
        with self._database.reading() as session:
            return session.execute(select(columns.purpose).where(*alive)).first() is not None

    def transaction(self) -> AbstractContextManager[None]:
        """Make what is written inside one commit: `consume` and what it allows; see `AuthDatabase.transaction`."""
        return self._database.transaction()

    def purge_expired(self, *, batch_size: int = PURGE_BATCH) -> int:
        """Delete what has expired, `batch_size` rows a transaction; returns how many. `issue` does it now and then."""
        total = 0
        while True:
            deleted = self._purge_batch(batch_size)
            total += deleted
            if deleted < batch_size:
                return total

    @property
    def _table(self) -> Table:
        return self._database.table(ONE_TIME_TOKENS)

    def _own(self, purpose: str, token: str) -> tuple[ColumnElement[bool], ...]:
        columns = self._table.c
        return (
            columns.token_hash == _hash(token),
            columns.purpose == purpose,
            columns.expires_at > int(self._clock()),
        )

    def _find(self, session: Session, purpose: str, token: str) -> OneTimeToken | None:
        from sqlalchemy import select

        row: Row[Any] | None = session.execute(
            select(self._table).where(*self._own(purpose, token))
        ).one_or_none()
        if row is None:
            return None
        return OneTimeToken(
            purpose=row.purpose,
            subject=row.subject,
            data=json.loads(row.data),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    def _replace(self, row: Mapping[str, Any]) -> None:
        """Put the row in the place of the one that is there, in one step: many requests may do the same at this moment."""
        with self._database.writing() as session:
            for statement in _replacing(self._table, row, self._database.engine.dialect.name):
                session.execute(statement)

    def _purge_when_due(self) -> None:
        """Delete some of what has expired, once in a while; a failure leaves it for the next time."""
        from sqlalchemy.exc import SQLAlchemyError

        now = self._clock()
        if now < self._next_purge:
            return
        self._next_purge = now + PURGE_INTERVAL_SECONDS
        try:
            self._purge_batch(PURGE_BATCH)
        except SQLAlchemyError as error:
            self._log.warning("one_time_token_purge_failed", exc_info=error)

    def _purge_batch(self, limit: int) -> int:
        from sqlalchemy import delete, select

        table = self._table
        expired = table.c.expires_at <= int(self._clock())
        chosen = select(table.c.token_hash).where(expired).limit(limit).with_for_update(skip_locked=True)
        with self._database.writing() as session:
            hashes = session.scalars(chosen).all()
            if hashes:
                session.execute(delete(table).where(table.c.token_hash.in_(hashes), expired))
        return len(hashes)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _rowcount(result: Any) -> int:
    return int(result.rowcount)


def _replacing(table: Table, row: Mapping[str, Any], dialect: str) -> Iterator[Executable]:
    """The statements that replace a row by its primary key, or add it."""
    from sqlalchemy import delete, insert
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    changed = {name: value for name, value in row.items() if name not in table.primary_key.columns}
    keys = list(table.primary_key.columns)
    if dialect == "postgresql":
        yield postgresql.insert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed)
    elif dialect == "sqlite":
        yield sqlite.insert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed)
    elif dialect in {"mysql", "mariadb"}:
        yield mysql.insert(table).values(**row).on_duplicate_key_update(**changed)
    else:  # two at the same moment are a conflict there
        yield delete(table).where(*(column == row[column.name] for column in keys))
        yield insert(table).values(**row)
