"""What the sort keys of a style stand for, in items and in SELECTs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import Select
from sqlalchemy.sql.elements import ColumnElement, Label

from ..._config import SetupError
from .exact_types import enum_class
from .keyset import Column
from .query_fields import SortKey
from .statements import entities_of, may_be_null, primary_key_of, require_in_from

# A column or labelled expression; the name of one, or of an attribute or key of the items (`user.name`); for items
# also a function that takes the item.
SortSource = Any


def named_sources(sort: Mapping[str, SortSource] | Sequence[str]) -> dict[str, SortSource]:
    """The allow-list as a mapping; a sequence of names stands for attributes of the same names."""
    return dict(sort) if isinstance(sort, Mapping) else {name: name for name in sort}


def unique_sources(key: SortSource | Sequence[SortSource] | None) -> dict[str, SortSource]:
    """The unique key, one or several sources, by names of their own."""
    sources = () if key is None else key if isinstance(key, (list, tuple)) else (key,)
    return {name_of(source): source for source in sources}


def name_of(source: SortSource) -> str:
    """What a unique key is called: its column's or attribute's name."""
    return source if isinstance(source, str) else str(getattr(source, "key", None) or source)


def is_column(source: SortSource) -> bool:
    """Whether it is SQLAlchemy's."""
    return isinstance(source, ColumnElement) or hasattr(source, "__clause_element__")


def is_same(source: SortSource, other: SortSource) -> bool:
    """Whether two sources are one; columns are not compared by `==`, which makes SQL of them."""
    return source is other or (isinstance(source, str) and isinstance(other, str) and source == other)


def reader_of(source: SortSource) -> Callable[[Any], Any]:
    """A function that reads the source's value from an item; a key that a mapping does not have is None."""
    if is_column(source):
        return _reader(name_of(source))
    if isinstance(source, str):
        return _reader(source)
    if callable(source):
        found: Callable[[Any], Any] = source
        return found
    raise SetupError(f"sort: expected a column, a name or a function, got {source!r}.")


def _reader(path: str) -> Callable[[Any], Any]:
    if "." not in path:
        return lambda item: item.get(path) if isinstance(item, Mapping) else getattr(item, path)
    names = path.split(".")

    def read(item: Any) -> Any:
        for name in names:
            if item is None:
                return None
            item = item.get(name) if isinstance(item, Mapping) else getattr(item, name)
        return item

    return read


def enum_of(source: SortSource) -> type[Enum] | None:
    """The Enum class of the values, where a column says so."""
    found: type[Enum] | None = None
    if is_column(source):
        found = enum_class(clause_of(source))
    return found


def clause_of(source: SortSource) -> Any:
    """The column or expression itself, without its label."""
    clause = source.__clause_element__() if hasattr(source, "__clause_element__") else source
    return clause.element if isinstance(clause, Label) else clause


def columns_of(
    statement: Select[Any],
    sort: Sequence[SortKey],
    sources: Mapping[str, SortSource],
    unique: Mapping[str, SortSource],
) -> tuple[Column, ...]:
    """The sort columns of `statement`, ending in a unique key: `unique`, or the primary keys of what is selected.

    The unique key follows the direction of the last sort key, so that one index serves both. It may be missing, when
    the statement selects columns and `unique` is empty.
    """
    wanted = [(key.name, sources[key.name], key.descending) for key in sort]
    descending = bool(sort) and sort[-1].descending
    tail = list(unique.items()) or [
        (attribute.key, attribute)
        for entity in entities_of(statement)
        for attribute in primary_key_of(entity)
    ]
    for name, source in tail:
        if not any(is_same(source, other) for _, other, _ in wanted):
            wanted.append((name, source, descending))
    return tuple(_column(statement, *each) for each in wanted)


def _column(statement: Select[Any], name: str, source: SortSource, descending: bool) -> Column:  # noqa: FBT001 - unpacked
    if isinstance(source, str):
        source = _selected(statement, source)
    elif not is_column(source):
        raise SetupError(f"sort: {name!r} is {source!r}; a select is sorted by columns or expressions.")
    clause = clause_of(source)
    require_in_from(clause, statement, "join it in the select that the view returns.")
    return Column(
        name=name, expression=clause, descending=descending, nullable=may_be_null(clause, statement)
    )


def _selected(statement: Select[Any], name: str) -> Any:
    found = statement.selected_columns.get(name)
    if found is None:
        raise SetupError(f"sort: the select has no column or label {name!r}.")
    return found
