"""The filters of one request, and how they narrow a select or a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_
from sqlalchemy.sql.elements import ColumnElement

from ..._config import SetupError
from ..paging.sort_sources import reader_of
from ..paging.statements import is_in_from, require_in_from
from .bound_values import alongside
from .operators import OPERATORS

if TYPE_CHECKING:
    from .filter_set import Filter


@dataclass(frozen=True, kw_only=True)
class FilterValue:
    """What a client gave for one parameter; `path` is where the value is in an item of a list."""

    wire_name: str
    filter: Filter
    path: str
    operator: str
    value: Any

    def condition(self) -> ColumnElement[bool]:
        """The condition in SQL."""
        return OPERATORS[self.operator].sql(self.filter.clause, self.value)

    def matcher(self) -> Callable[[Any], bool]:
        """A function that tells whether an item fits."""
        read, known = reader_of(self.path), OPERATORS[self.operator]

        def fits(item: Any) -> bool:
            found = read(item)
            if known.takes == "flag":
                return known.python(found, self.value)
            return found is not None and known.python(found, alongside(self.value, found))

        return fits


@dataclass(frozen=True)
class FilterValues:
    """The filters that a client asked for; all must hold."""

    asked: tuple[FilterValue, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The loaded values by wire name, for a source that filters by itself."""
        return {each.wire_name: each.value for each in self.asked}

    def apply(self, statement: Select[Any]) -> Select[Any]:
        """`statement` with the joins and conditions; a join that it already has is not made again."""
        for joins, asked in self._by_joins():
            condition = and_(*(each.condition() for each in asked))
            if any(join.property.uselist for join in joins):
                statement = statement.where(_exists(joins, condition))
                continue
            for join in joins:
                statement = _joined(statement, join)
            for each in asked:
                require_in_from(
                    each.filter.clause,
                    statement,
                    "say how it is reached: Filter(..., join=Model.relationship), or join it in the select.",
                )
            statement = statement.where(condition)
        return statement

    def select_from(self, items: Iterable[Any]) -> Sequence[Any]:
        """The items that fit."""
        matchers = [each.matcher() for each in self.asked]
        return [item for item in items if all(fits(item) for fits in matchers)]

    def fingerprint(self) -> list[list[str]]:
        """The same for the same filters, which are in the order of their declaration; cursors are bound to it."""
        return [[each.wire_name, *map(str, _several(each.value))] for each in self.asked]

    def _by_joins(self) -> list[tuple[tuple[Any, ...], list[FilterValue]]]:
        groups: dict[tuple[int, ...], tuple[tuple[Any, ...], list[FilterValue]]] = {}
        for each in self.asked:
            joins = each.filter.joins
            groups.setdefault(tuple(map(id, joins)), (joins, []))[1].append(each)
        return list(groups.values())


def _joined(statement: Select[Any], join: Any) -> Select[Any]:
    target = join.entity.selectable
    if target is join.parent.selectable:
        raise SetupError(
            f"Filter: {join} leads back to its own table; use join={join}.of_type(other) and columns of other, "
            "where other = aliased(...)."
        )
    return statement if is_in_from(target, statement) else statement.join(join)


def _exists(joins: Sequence[Any], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    for join in reversed(joins):
        condition = join.any(condition) if join.property.uselist else join.has(condition)
    return condition


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)
