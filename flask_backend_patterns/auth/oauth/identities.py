"""Which identity at a provider belongs to which user: the table `backend_linked_identities`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..tables import LINKED_IDENTITIES
from .refusals import IdentityTakenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..database import AuthDatabase
    from .authorization import ExternalIdentity


class LinkedIdentities:
    """Reads and writes the table. Thread-safe; `clock` gives seconds since the epoch."""

    def __init__(self, database: AuthDatabase, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def find_user_id(self, identity: ExternalIdentity) -> str | None:
        """The id of the user it is linked to."""
        from sqlalchemy import select

        with self._database.reading() as session:
            columns = self._database.table(LINKED_IDENTITIES).c
            rows = session.execute(
                select(columns.issuer, columns.subject, columns.user_id).where(
                    columns.issuer == identity.issuer, columns.subject == identity.subject
                )
            ).all()
        # Compared again: some databases find text without regard to case, and a subject differs by case (Core, 2).
        return next(
            (
                str(row.user_id)
                for row in rows
                if (row.issuer, row.subject) == (identity.issuer, identity.subject)
            ),
            None,
        )

    def add(self, identity: ExternalIdentity, user_id: str) -> None:
        """Link it; raises `IdentityTakenError` when it is linked already, also by a request at the same time."""
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        with self._database.writing() as session:
            row = {
                "issuer": identity.issuer,
                "subject": identity.subject,
                "user_id": user_id,
                "email": identity.email,
                "created_at": int(self._clock()),
            }
            try:
                session.execute(insert(self._database.table(LINKED_IDENTITIES)).values(row))
            except IntegrityError as error:
                raise IdentityTakenError from error

    def remove_all(self, user_id: str) -> int:
        """No identity opens this user's account any more; returns how many did."""
        from sqlalchemy import delete

        table = self._database.table(LINKED_IDENTITIES)
        with self._database.writing() as session:
            result: Any = session.execute(delete(table).where(table.c.user_id == user_id))
            return int(result.rowcount)
