"""Pages of a list in memory, sorted as a database would: NULL (None) is the largest, then NaN, then the values."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from .cursors import Position
from .query_fields import SortKey
from .sort_sources import SortSource, is_same, reader_of
from .window import Entry

Values = tuple[Any, ...]


@functools.total_ordering
class _Descending:
    """A rank that sorts the other way round."""

    __slots__ = ("rank",)

    def __init__(self, rank: Any) -> None:
        self.rank = rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.rank == other.rank

    def __lt__(self, other: _Descending) -> bool:
        smaller: bool = other.rank < self.rank
        return smaller

    def __hash__(self) -> int:
        return hash(self.rank)


def rank_of(value: Any) -> tuple[Any, ...]:
    """What `value` is sorted by. Members of an Enum go in the order they are declared, unless they are text or numbers."""
    if value is None:
        return (2,)
    if value != value:  # noqa: PLR0124 - NaN, of a float or a Decimal
        return (1,)
    if isinstance(value, Enum) and not isinstance(value, (str, int, float)):
        return (0, _places(type(value))[value.name])
    return (0, value)


@functools.cache
def _places(members: type[Enum]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(members.__members__)}


def readers_of(
    sort: Sequence[SortKey], sources: Mapping[str, SortSource], unique: Mapping[str, SortSource]
) -> list[tuple[str, Callable[[Any], Any], bool]]:
    """Name, function that reads the value, and whether descending, for each sort key; the unique key last."""
    descending = bool(sort) and sort[-1].descending
    readers = [(key.name, reader_of(sources[key.name]), key.descending) for key in sort]
    named = {key.name for key in sort}
    return readers + [
        (name, reader_of(source), descending)
        for name, source in unique.items()
        if name not in named or not is_same(sources[name], source)
    ]


class ListSource:
    """The items of a list in order; sorted once, when made.

    Items whose keys are all equal cannot be told apart: the last key has to be unique.
    """

    def __init__(
        self, items: Sequence[Any], readers: Sequence[tuple[str, Callable[[Any], Any], bool]]
    ) -> None:
        self._descending = tuple(descending for _, _, descending in readers)
        entries = [Entry(item, tuple(read(item) for _, read, _ in readers)) for item in items]
        self.entries = sorted(entries, key=lambda entry: self._rank(entry.values))

    def scan(self, position: Position | None, count: int) -> Sequence[Entry]:
        """Up to `count` entries from `position` on."""
        if position is None:
            return self.entries[:count]
        bisect = bisect_left if position.side in {">=", "<"} else bisect_right
        place = bisect(self.entries, self._rank(position.values), key=lambda entry: self._rank(entry.values))
        if position.backward:
            return self.entries[max(0, place - count) : place][::-1]
        return self.entries[place : place + count]

    def enums(self) -> list[type[Enum] | None]:
        """The Enum class of each key's values, None where they are something else or there are none."""
        keys = range(len(self._descending))
        return [
            next(
                (type(entry.values[key]) for entry in self.entries if isinstance(entry.values[key], Enum)),
                None,
            )
            for key in keys
        ]

    def _rank(self, values: Values) -> tuple[Any, ...]:
        return tuple(
            _Descending(rank_of(value)) if descending else rank_of(value)
            for value, descending in zip(values, self._descending, strict=True)
        )
