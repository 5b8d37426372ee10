"""The condition "behind this row in this order", and the ORDER BY that goes with it.

NULL is the largest value, as PostgreSQL has it. For `a, b, id` after the row (x, y, z):

- all in one direction and never NULL: `(a, b, id) > (x, y, z)`, one range of an index;
- mixed: `a >= x AND (a > x OR a = x AND (b < y OR b = y AND id > z))`, where the first part bounds the index scan;
- `a` may be NULL: two statements one after the other, since no index gives `a > x OR a IS NULL` in order: first the
  rest of the rows with a value, then, when the page is not yet full, those with NULL.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, false, or_, true, tuple_
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from .exact_types import as_parameter, kind_of_bound

Condition = ColumnElement[bool]
PARAMETER = "backend_after_"  # and the place of the column; no other statement is likely to have it


@dataclass(frozen=True, kw_only=True)
class Column:
    """One sort column of a SELECT. `nullable` says whether a row can have NULL there."""

    name: str
    expression: ColumnElement[Any]
    descending: bool = False
    nullable: bool = True

    def reversed(self) -> Column:
        """The same in the other direction."""
        return replace(self, descending=not self.descending)

    def ordered(self) -> UnaryExpression[Any]:
        """Its part of ORDER BY; NULLS FIRST or LAST only where there can be one, or an index would lie idle."""
        if self.descending:
            clause = self.expression.desc()
            return clause.nulls_first() if self.nullable else clause
        clause = self.expression.asc()
        return clause.nulls_last() if self.nullable else clause


def conditions(
    columns: Sequence[Column], values: Sequence[Any], *, inclusive: bool
) -> tuple[Sequence[Condition], dict[str, Any]]:
    """What to ask for, one statement after the other, to get the rows behind `values`; `inclusive`: and that row itself.

    And the parameters of these conditions by name: the conditions are built once for each shape of a place, since that
    costs more than asking the database.
    """
    bounds = tuple(
        None if value is None else Bound(f"{PARAMETER}{place}", kind_of_bound(column.expression, value))
        for place, (column, value) in enumerate(zip(columns, values, strict=True))
    )
    parameters = {bound.name: value for bound, value in zip(bounds, values, strict=True) if bound is not None}
    return _conditions(tuple(columns), bounds, inclusive), parameters


@dataclass(frozen=True, slots=True)
class Bound:
    """A value of the place, as a parameter; `kind` is the class of its type where the column has none."""

    name: str
    kind: type[Any] | None


Bounds = Sequence[Bound | None]  # None is a NULL


@functools.lru_cache(maxsize=256)
def _conditions(
    columns: tuple[Column, ...],
    bounds: tuple[Bound | None, ...],
    inclusive: bool,  # noqa: FBT001 - a part of the cache's key
) -> tuple[Condition, ...]:
    first, bound = columns[0], bounds[0]
    if not first.nullable and bound is not None:
        return (_behind(columns, bounds, inclusive=inclusive),)
    is_null, is_not_null = first.expression.is_(None), first.expression.is_not(None)
    if bound is None:
        ties = and_(is_null, _behind(columns[1:], bounds[1:], inclusive=inclusive))
        return (ties, is_not_null) if first.descending else (ties,)
    with_value = _behind([replace(first, nullable=False), *columns[1:]], bounds, inclusive=inclusive)
    return (with_value,) if first.descending else (with_value, is_null)


def _behind(columns: Sequence[Column], bounds: Bounds, *, inclusive: bool) -> Condition:
    """One condition for all the rows behind `bounds`."""
    if not columns:
        return true() if inclusive else false()
    if _is_uniform(columns, bounds):
        return _row_behind(columns, bounds, inclusive=inclusive)
    first, bound = columns[0], bounds[0]
    rest = _behind(columns[1:], bounds[1:], inclusive=inclusive)
    ties = and_(_equal(first, bound), rest)
    if first.nullable or bound is None:
        return or_(*_null_aware(first, bound), ties)
    value = _parameter(first, bound)
    further = first.expression < value if first.descending else first.expression > value
    reached = first.expression <= value if first.descending else first.expression >= value
    return and_(reached, or_(further, ties))


def _is_uniform(columns: Sequence[Column], bounds: Bounds) -> bool:
    """Whether one comparison of whole rows says it all."""
    directions = {column.descending for column in columns}
    return len(directions) == 1 and None not in bounds and not any(column.nullable for column in columns)


def _row_behind(columns: Sequence[Column], bounds: Bounds, *, inclusive: bool) -> Condition:
    expressions = [column.expression for column in columns]
    values = [_parameter(column, bound) for column, bound in zip(columns, bounds, strict=True)]
    left: Any = expressions[0] if len(columns) == 1 else tuple_(*expressions)
    right: Any = values[0] if len(columns) == 1 else tuple_(*values)
    compared: Condition
    if columns[0].descending:
        compared = left <= right if inclusive else left < right
    else:
        compared = left >= right if inclusive else left > right
    return compared


def _equal(column: Column, bound: Bound | None) -> Condition:
    if bound is None:
        return column.expression.is_(None)
    return column.expression == _parameter(column, bound)


def _null_aware(column: Column, bound: Bound | None) -> list[Condition]:
    """What is behind `bound` in a column with NULLs, the largest of all."""
    if bound is None:
        return [column.expression.is_not(None)] if column.descending else []
    value = _parameter(column, bound)
    if column.descending:
        return [column.expression < value]
    return [column.expression > value, column.expression.is_(None)]


def _parameter(column: Column, bound: Bound | None) -> ColumnElement[Any]:
    if bound is None:
        raise TypeError("a NULL is compared by IS")
    return as_parameter(column.expression, bound.name, bound.kind)
