"""Pages by number, or by offset and limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from marshmallow import fields, validate
from sqlalchemy import Select
from sqlalchemy.orm import Query

from ..._config import SetupError
from .callables import is_sequence, items_and_total, unknown_source
from .lists import ListSource, readers_of
from .parameters import Parameters
from .query_fields import (
    MAX_WHOLE_NUMBER,
    WholeNumber,
    declared_sort,
    limit_field,
    sort_fields,
    wanted_sort,
)
from .requests import Paged, PageRequest
from .selects import count_of, required_session, slice_of
from .sort_sources import SortSource, columns_of, named_sources, unique_sources
from .statements import require_pageable

if TYPE_CHECKING:
    from ..filtering import FilterValues
    from .selects import AnySession

DEFAULT_PARAMETERS = Parameters()
AnyField: TypeAlias = fields.Field[Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """`?page=2&limit=20&sort=-price`: any page at any time; deep pages cost more, and changes move items between pages.

    `sort` is the allow-list of sort keys, name to column (or attribute, or function of a list's item), `default_sort`
    what holds without `?sort=` (`"-created_at,name"`). Equal rows are told apart by the primary key, or by `key`.
    `limit` items a page unless the client asks for up to `max_limit`. `count` False saves the COUNT: `meta` then has
    no `total` and `totalPages`. `max_page` bounds how deep a client may go.

    Raises `SetupError` when the bounds or the sort make no sense.
    """

    sort: Mapping[str, SortSource] | Sequence[str] = field(default_factory=dict)
    default_sort: str | None = None
    limit: int = 20
    max_limit: int = 100
    count: bool = True
    key: SortSource | Sequence[SortSource] | None = None
    max_page: int | None = None

    def __post_init__(self) -> None:
        limit_field(self.limit, self.max_limit)
        declared_sort(list(named_sources(self.sort)), self.default_sort)
        if self.max_page is not None and not 1 <= self.max_page <= self._deepest_page:
            raise SetupError(
                f"max_page={self.max_page}: expected at least 1, and that the database can skip."
            )

    def fields(self, parameters: Parameters = DEFAULT_PARAMETERS) -> dict[str, AnyField]:
        """The query parameters by wire name, for a marshmallow schema and for the OpenAPI document."""
        sources = named_sources(self.sort)
        place = parameters.offset or parameters.page
        return {
            place: self._offset_field() if parameters.offset else self._page_field(),
            parameters.limit: limit_field(self.limit, self.max_limit),
            **sort_fields(sources, self._default_sort, sort=parameters.sort, order=parameters.order),
        }

    def parse(self, loaded: Mapping[str, Any], parameters: Parameters = DEFAULT_PARAMETERS) -> PageRequest:
        """The request in what a schema of `fields` has loaded; other parameters in it are left alone."""
        limit = loaded.get(parameters.limit, self.limit)
        sort = wanted_sort(loaded.get(parameters.sort), loaded.get(parameters.order), self._default_sort)
        if parameters.offset is not None:
            return PageRequest(limit=limit, offset=loaded.get(parameters.offset, 0), sort=sort)
        page = loaded.get(parameters.page, 1)
        return PageRequest(limit=limit, offset=(page - 1) * limit, page=page, sort=sort)

    def fetch(
        self,
        source: Any,
        request: PageRequest,
        *,
        session: AnySession | None = None,
        filters: FilterValues | None = None,
        parameters: Parameters = DEFAULT_PARAMETERS,
    ) -> Paged:
        """One page of `source`: a `select()`, a list, or a function.

        A function gets the request (its `filters` are the values by wire name) and returns a list of up to
        `request.fetch_limit` items from `request.offset` on, sorted and filtered, or up to `request.limit` of them
        together with the total number: `(items, total)`.

        Raises `SetupError` for any other source, for a select that is sorted or cut already, and for one without `session`.
        """
        if isinstance(source, Query):
            session, source = session or source.session, source.statement
        if isinstance(source, Select):
            found, total = self._of_select(source, request, session, filters)
        elif is_sequence(source):
            found, total = self._of_list(source, request, filters)
        elif callable(source):
            values = {} if filters is None else filters.values
            found, total = items_and_total(source(replace(request, filters=values)))
        else:
            raise SetupError(unknown_source(source))
        return _paged(found, total, request, parameters)

    def meta_fields(self, parameters: Parameters = DEFAULT_PARAMETERS) -> dict[str, AnyField]:
        """The fields of `meta`, for the OpenAPI document."""
        place = {"offset": "How many items come before."} if parameters.offset else {"page": "Counts from 1."}
        totals = {"total": "How many items there are on all pages."} if self.count else {}
        if self.count and not parameters.offset:
            totals["totalPages"] = "How many pages there are."
        numbers = place | {"limit": "How many items a page holds at most."} | totals
        return {
            **{name: fields.Integer(metadata={"description": text}) for name, text in numbers.items()},
            "hasNext": fields.Boolean(metadata={"description": "Whether there is a next page."}),
            "hasPrev": fields.Boolean(metadata={"description": "Whether there is a page before."}),
        }

    @property
    def _default_sort(self) -> Any:
        return declared_sort(list(named_sources(self.sort)), self.default_sort)

    @property
    def _deepest_page(self) -> int:
        """The last page whose end a 64-bit offset reaches, whatever the limit."""
        return MAX_WHOLE_NUMBER // self.max_limit - 1

    def _page_field(self) -> WholeNumber:
        return WholeNumber(
            load_default=1,
            validate=validate.Range(1, self.max_page or self._deepest_page),
            metadata={"description": "Which page; counts from 1."},
        )

    def _offset_field(self) -> WholeNumber:
        deepest = (self.max_page or self._deepest_page) * self.max_limit
        return WholeNumber(
            load_default=0,
            validate=validate.Range(0, deepest),
            metadata={"description": "How many items to skip."},
        )

    def _of_select(
        self, statement: Any, request: PageRequest, session: AnySession | None, filters: FilterValues | None
    ) -> tuple[Sequence[Any], int | None]:
        session = required_session(session)
        require_pageable(statement)
        statement = statement if filters is None else filters.apply(statement)
        columns = columns_of(statement, request.sort, named_sources(self.sort), unique_sources(self.key))
        found = slice_of(session, statement, columns, offset=request.offset, limit=request.fetch_limit)
        if not self.count:
            return found, None
        seen = request.offset + len(found)
        # A page that is neither empty nor full is the last one, and the first may be empty because all is.
        if len(found) <= request.limit and (found or not request.offset):
            return found, seen
        counted = count_of(session, statement)
        return found, max(counted, seen) if found else counted

    def _of_list(
        self, items: Sequence[Any], request: PageRequest, filters: FilterValues | None
    ) -> tuple[Sequence[Any], int | None]:
        items = items if filters is None else filters.select_from(items)
        readers = readers_of(request.sort, named_sources(self.sort), unique_sources(self.key))
        if readers:
            items = [entry.item for entry in ListSource(items, readers).entries]
        found = items[request.offset : request.offset + request.fetch_limit]
        return found, len(items) if self.count else None


def _paged(found: Sequence[Any], total: int | None, request: PageRequest, parameters: Parameters) -> Paged:
    limit, offset = request.limit, request.offset
    has_next = len(found) > limit if total is None else total > offset + limit
    meta: dict[str, Any] = {"offset": offset} if request.page is None else {"page": request.page}
    meta["limit"] = limit
    if total is not None:
        meta["total"] = total
    if total is not None and request.page is not None:
        meta["totalPages"] = -(-total // limit)
    meta |= {"hasNext": has_next, "hasPrev": offset > 0}
    return Paged(items=found[:limit], meta=meta, links=_links(request, total, parameters, has_next=has_next))


def _links(
    request: PageRequest, total: int | None, parameters: Parameters, *, has_next: bool
) -> dict[str, dict[str, str | None]]:
    limit, offset = request.limit, request.offset
    last = None if total is None else max(0, (total - 1) // limit * limit)
    before = max(0, offset - limit)
    offsets = {
        "first": 0,
        "prev": (before if last is None else min(before, last)) if offset else None,
        "next": offset + limit if has_next else None,
        "last": last,
    }
    if request.page is not None:
        numbers = {name: value // limit + 1 for name, value in offsets.items() if value is not None}
        return {name: {parameters.page: str(number)} for name, number in numbers.items()}
    wire_name = parameters.offset or "offset"
    return {name: {wire_name: str(value)} for name, value in offsets.items() if value is not None}
