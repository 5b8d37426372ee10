"""The operators: what each is called, asks of its field, and means in SQL and in Python.

NULL (None) matches none of them, `ne` included; `isnull` finds it. Text is compared with upper and lower case apart.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, and_, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from .bound_values import bound


@dataclass(frozen=True, kw_only=True)
class Operator:
    """`takes`: "value", "values" (a list), "pair" (two) or "flag" (true or false); `text`: on text columns only."""

    says: str
    takes: str = "value"
    text: bool = False
    sql: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
    python: Callable[[Any, Any], bool]


class OnSQLite(FunctionElement[bool]):
    """Two conditions that mean the same: the first for SQLite, the second for every other database."""

    name = "on_sqlite"
    type = Boolean()
    inherit_cache = True


@compiles(OnSQLite, "sqlite")
def _first(element: OnSQLite, compiler: Any, **options: Any) -> str:
    first, _ = element.clauses
    return f"({compiler.process(first, **options)})"


@compiles(OnSQLite)
def _second(element: OnSQLite, compiler: Any, **options: Any) -> str:
    _, second = element.clauses
    return f"({compiler.process(second, **options)})"


def _compared(compare: Callable[[Any, Any], Any]) -> dict[str, Any]:
    return {"sql": lambda column, value: compare(column, bound(column, value)), "python": compare}


def _contains(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """LIKE of SQLite takes upper and lower case for the same."""
    return OnSQLite(func.instr(column, bound(column, value)) > 0, column.contains(value, autoescape=True))


def _starts_with(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    start = func.substr(column, 1, len(value))
    return OnSQLite(start == bound(column, value), column.startswith(value, autoescape=True))


OPERATORS: Mapping[str, Operator] = {
    "eq": Operator(says="is this", **_compared(operator.eq)),
    "ne": Operator(says="is set and not this", **_compared(operator.ne)),
    "lt": Operator(says="is less than this", **_compared(operator.lt)),
    "lte": Operator(says="is this or less", **_compared(operator.le)),
    "gt": Operator(says="is more than this", **_compared(operator.gt)),
    "gte": Operator(says="is this or more", **_compared(operator.ge)),
    "in": Operator(
        says="is one of these, separated by commas",
        takes="values",
        sql=lambda column, values: column.in_([bound(column, value) for value in values]),
        python=lambda found, values: found in values,
    ),
    "between": Operator(
        says="is between these two or one of them, separated by a comma",
        takes="pair",
        sql=lambda column, pair: and_(column >= bound(column, pair[0]), column <= bound(column, pair[1])),
        python=lambda found, pair: bool(pair[0] <= found <= pair[1]),
    ),
    "contains": Operator(
        says="has this in it", text=True, sql=_contains, python=lambda found, value: value in found
    ),
    "startswith": Operator(
        says="begins with this",
        text=True,
        sql=_starts_with,
        python=lambda found, value: bool(found.startswith(value)),
    ),
    "isnull": Operator(
        says="is not set (`true`) or set (`false`)",
        takes="flag",
        sql=lambda column, flag: column.is_(None) if flag else column.is_not(None),
        python=lambda found, flag: (found is None) is flag,
    ),
}
