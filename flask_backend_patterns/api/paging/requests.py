"""What a client asks for, and what it gets: values, without a database or a web framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .query_fields import SortKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A page by its place: skip `offset` items, then `limit` of them, sorted by `sort`.

    `page` counts from 1 and is None where the client gives the offset itself. `filters` holds the filters' values by
    wire name, for a source that filters by itself. `parameters` are not repeated here.
    """

    limit: int
    offset: int
    page: int | None = None
    sort: tuple[SortKey, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fetch_limit(self) -> int:
        """One more than `limit`: that item tells that there is a next page."""
        return self.limit + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorRequest:
    """`limit` items from where `cursor` points to, sorted by `sort`; without a cursor from the start.

    The last three are for a source that pages by itself. `after` holds the values of the sort keys, the unique key
    among them, where the last page ended; None at the start. `inclusive` means that an item with exactly these values
    counts too. With `backward` everything is reversed: items come from before that place, in reverse order, the nearest first.
    """

    limit: int
    cursor: str | None = None
    sort: tuple[SortKey, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] | None = None
    inclusive: bool = False
    backward: bool = False

    @property
    def fetch_limit(self) -> int:
        """One more than `limit`: that item tells that there is a further page."""
        return self.limit + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """One page: its items, the `meta` of CONTRACTS, and for each relation (`next`) what changes in the query string.

    In `links` a parameter that is None is left out of the URL.
    """

    items: Sequence[Any]
    meta: Mapping[str, Any]
    links: Mapping[str, Mapping[str, str | None]]
