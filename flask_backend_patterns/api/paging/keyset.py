"""The condition "behind this row in this order", and the ORDER BY that goes with it.

NULL is the largest value, as PostgreSQL has it. For `a, b, id` after the row (x, y, z):

- all in one direction and never NULL: `(a, b, id) > (x, y, z)`, one range of an index;
- mixed: `a >= x AND (a > x OR a = x AND (b < y OR b = y AND id > z))`, where the first part bounds the index scan;
- `a` may be NULL: two statements one after the other, since no index gives `a > x OR a IS NULL` in order: first the
  rest of the rows with a value, then, when the page is not yet full, those with NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, false, or_, true, tuple_
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from .exact_types import as_bound

Condition = ColumnElement[bool]


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


def conditions(columns: Sequence[Column], values: Sequence[Any], *, inclusive: bool) -> list[Condition]:
    """What to ask for, one statement after the other, to get the rows behind `values`; `inclusive`: and that row itself."""
    first, value = columns[0], values[0]
    if not first.nullable and value is not None:
        return [_behind(columns, values, inclusive=inclusive)]
    is_null, is_not_null = first.expression.is_(None), first.expression.is_not(None)
    if value is None:
        ties = and_(is_null, _behind(columns[1:], values[1:], inclusive=inclusive))
        return [ties, is_not_null] if first.descending else [ties]
    with_value = _behind([replace(first, nullable=False), *columns[1:]], values, inclusive=inclusive)
    return [with_value] if first.descending else [with_value, is_null]


def _behind(columns: Sequence[Column], values: Sequence[Any], *, inclusive: bool) -> Condition:
    """One condition for all the rows behind `values`."""
    if not columns:
        return true() if inclusive else false()
    if _is_uniform(columns, values):
        return _row_behind(columns, values, inclusive=inclusive)
    first, value = columns[0], values[0]
    rest = _behind(columns[1:], values[1:], inclusive=inclusive)
    ties = and_(_equal(first, value), rest)
    if first.nullable or value is None:
        return or_(*_null_aware(first, value), ties)
    bound = as_bound(first.expression, value)
    further = first.expression < bound if first.descending else first.expression > bound
    reached = first.expression <= bound if first.descending else first.expression >= bound
    return and_(reached, or_(further, ties))


def _is_uniform(columns: Sequence[Column], values: Sequence[Any]) -> bool:
    """Whether one comparison of whole rows says it all."""
    directions = {column.descending for column in columns}
    return len(directions) == 1 and None not in values and not any(column.nullable for column in columns)


def _row_behind(columns: Sequence[Column], values: Sequence[Any], *, inclusive: bool) -> Condition:
    expressions = [column.expression for column in columns]
    bounds = [as_bound(column.expression, value) for column, value in zip(columns, values, strict=True)]
    left: Any = expressions[0] if len(columns) == 1 else tuple_(*expressions)
    right: Any = bounds[0] if len(columns) == 1 else tuple_(*bounds)
    compared: Condition
    if columns[0].descending:
        compared = left <= right if inclusive else left < right
    else:
        compared = left >= right if inclusive else left > right
    return compared


def _equal(column: Column, value: Any) -> Condition:
    if value is None:
        return column.expression.is_(None)
    return column.expression == as_bound(column.expression, value)


def _null_aware(column: Column, value: Any) -> list[Condition]:
    """What is behind `value` in a column with NULLs, the largest of all."""
    if value is None:
        return [column.expression.is_not(None)] if column.descending else []
    bound = as_bound(column.expression, value)
    if column.descending:
        return [column.expression < bound]
    return [column.expression > bound, column.expression.is_(None)]
