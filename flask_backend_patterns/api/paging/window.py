"""One page of a walk by cursors, over anything that can be read from a place on in either direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .cursor_values import write_value
from .cursors import Position, Side

INCLUSIVE: dict[Side, Side] = {">": ">=", "<": "<="}
# The other side of a place. What counts here does not count there: an item at the place is on one side only.
OTHER_SIDE: dict[Side, Side] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An item and the values of its sort keys."""

    item: Any
    values: tuple[Any, ...]


class Source(Protocol):
    """A sorted collection."""

    def scan(self, position: Position | None, count: int) -> Sequence[Entry]:
        """Up to `count` entries on the position's side of it, the nearest first; None is the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The entries of a page in order; where the pages around it begin, None where there is nothing."""

    entries: Sequence[Entry]
    previous: Position | None
    next: Position | None


def look(source: Source, position: Position | None, limit: int) -> Window:
    """The page of up to `limit` entries at `position`.

    Whether something lies behind is told by the item at the place, which is read along. Only when that is gone, or the
    place is not an item's, does it take another scan.
    """
    if position is None:
        found = source.scan(None, limit + 1)
        return _window(found, limit, None, has_behind=False)
    overlap = INCLUSIVE.get(position.side)
    if overlap is None:
        found = source.scan(position, limit + 1)
    else:
        found = source.scan(Position(overlap, position.values), limit + 2)
        if found and _is_at(found[0], position):
            return _window(found[1:], limit, position, has_behind=True)
    has_behind = bool(source.scan(Position(OTHER_SIDE[position.side], position.values), 1))
    return _window(found, limit, position, has_behind=has_behind)


def _window(found: Sequence[Entry], limit: int, position: Position | None, *, has_behind: bool) -> Window:
    entries, has_ahead = found[:limit], len(found) > limit
    if position is None or not position.backward:
        return Window(
            entries=entries,
            previous=_back_from(entries, position, "<") if has_behind else None,
            next=Position(">", entries[-1].values) if has_ahead else None,
        )
    return Window(
        entries=entries[::-1],
        previous=Position("<", entries[-1].values) if has_ahead else None,
        next=_back_from(entries, position, ">") if has_behind else None,
    )


def _back_from(entries: Sequence[Entry], position: Position | None, side: Side) -> Position | None:
    """Where the way back begins: at the nearest entry, or on the other side of the place when the page is empty."""
    if entries:
        return Position(side, entries[0].values)
    return None if position is None else Position(OTHER_SIDE[position.side], position.values)


def _is_at(entry: Entry, position: Position) -> bool:
    """Whether the entry is the very one that the position was made from; NaN, which equals nothing, included."""
    pairs = zip(entry.values, position.values, strict=True)
    return all(ours == theirs or write_value(ours) == write_value(theirs) for ours, theirs in pairs)
