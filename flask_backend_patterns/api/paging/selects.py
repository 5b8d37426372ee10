"""Pages of a SELECT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, inspect, select

from ..._config import SetupError
from .cursors import Position
from .exact_types import as_read
from .keyset import Column, conditions
from .statements import (
    criteria_of,
    entities_of,
    is_distinct,
    is_grouped,
    is_of_one_entity,
    needs_unique,
)
from .window import Entry

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import Session, scoped_session

    AnySession = Session | scoped_session[Any]


@dataclass(frozen=True, kw_only=True)
class SelectSource:
    """The rows of a SELECT, sorted by `columns`, of which the last are unique."""

    session: AnySession
    statement: Select[Any]
    columns: Sequence[Column]

    def scan(self, position: Position | None, count: int) -> list[Entry]:
        """Up to `count` rows from `position` on; a second statement only where NULLs follow in the leading column."""
        backward = position is not None and position.backward
        columns = [column.reversed() for column in self.columns] if backward else list(self.columns)
        statement = self.statement.order_by(*(column.ordered() for column in columns))
        if position is None:
            return self._entries(statement.limit(count), {})
        found: list[Entry] = []
        narrow = statement.having if is_grouped(statement) else statement.where
        asked, parameters = conditions(columns, position.values, inclusive=position.inclusive)
        for condition in asked:
            found += self._entries(narrow(condition).limit(count - len(found)), parameters)
            if len(found) == count:
                break
        return found

    def _entries(self, statement: Select[Any], parameters: Mapping[str, Any]) -> list[Entry]:
        """The keys come from the row, not from the entity: the session may hold an older or a changed one."""
        keys = [
            as_read(column.expression).label(f"_key_{place}") for place, column in enumerate(self.columns)
        ]
        width = -len(keys)
        result = _execute(self.session, statement.add_columns(*keys), parameters)
        if is_of_one_entity(self.statement):
            return [Entry(row[0], tuple(row[width:])) for row in result]
        kept = result.freeze()
        rows = [tuple(row[width:]) for row in kept()]
        shown = kept().columns(*range(len(result.keys()) + width)) if rows else ()
        return [Entry(row, values) for row, values in zip(shown, rows, strict=True)]


def slice_of(
    session: AnySession, statement: Select[Any], columns: Sequence[Column], *, offset: int, limit: int
) -> list[Any]:
    """Up to `limit` items after the first `offset`: entities where one is selected, else rows."""
    statement = statement.order_by(*(column.ordered() for column in columns)).limit(limit)
    if offset:
        statement = statement.offset(offset)
    rows = _execute(session, statement)
    return [row[0] for row in rows] if is_of_one_entity(statement) else list(rows)


def count_of(session: AnySession, statement: Select[Any]) -> int:
    """How many rows the whole SELECT has: without sorting, without eager loading, under the same loader criteria.

    Where the rows are entities and not folded together they are counted directly, else in a subquery.
    """
    statement = statement.order_by(None)
    is_plain = len(entities_of(statement)) == len(statement.column_descriptions)
    if is_plain and not (is_distinct(statement) or is_grouped(statement)):
        direct = statement.with_only_columns(func.count(), maintain_column_froms=True)
        return session.execute(direct).scalar_one()
    counted = select(func.count()).select_from(statement.subquery()).options(*criteria_of(statement))
    counted = counted.execution_options(**statement.get_execution_options())
    # A subquery does not tell the session which mapper, and so which database, it is about.
    about = statement.column_descriptions[0].get("entity")
    where = {} if about is None else {"mapper": inspect(about).mapper}
    return session.execute(counted, bind_arguments=where).scalar_one()


def _execute(
    session: AnySession, statement: Select[Any], parameters: Mapping[str, Any] | None = None
) -> Result[Any]:
    result: Result[Any] = session.execute(statement, parameters or None)
    return result.unique() if needs_unique(result) else result


def required_session(session: AnySession | None) -> AnySession:
    """The session; raises `SetupError` when there is none."""
    if session is None:
        raise SetupError("A select needs a session: give `db` to BackendPatterns, or session= to fetch().")
    return session
