"""Pages by cursor (keyset pagination): stable while rows come and go, and the last page costs what the first does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from marshmallow import fields
from sqlalchemy import Select
from sqlalchemy.orm import Query

from ..._config import SetupError
from .callables import CallableSource, is_sequence, unknown_source
from .cursors import CursorSigner, Position
from .lists import ListSource, readers_of
from .parameters import Parameters
from .query_fields import SortKey, declared_sort, limit_field, sort_fields, wanted_sort
from .requests import CursorRequest, Paged
from .selects import SelectSource, required_session
from .sort_sources import SortSource, columns_of, enum_of, named_sources, unique_sources
from .statements import entities_of, require_pageable
from .window import Source, Window, look

if TYPE_CHECKING:
    from enum import Enum

    from ..filtering import FilterValues
    from .selects import AnySession

    Enums = Sequence[type[Enum] | None]

DEFAULT_PARAMETERS = Parameters()
AnyField: TypeAlias = fields.Field[Any]


@dataclass(frozen=True, kw_only=True)
class CursorPage:
    """`?cursor=...&limit=20&sort=-price`: from page to page, never to a page by number, without a COUNT.

    An item that is there during the whole walk is seen exactly once, whatever is inserted and deleted meanwhile; one
    whose sort values are changed may be seen twice or not at all. `sort`, `default_sort`, `limit` and `max_limit` are
    those of `Page`; a `sort` column needs an index together with the unique key. The order ends in a unique key: the
    primary key of the selected entities, or `key` (a column, a name, or several), which lists, functions and selects of
    columns need. `enums` gives the Enum class of a sort key whose source is not an Enum column, for functions.

    Raises `SetupError` when the bounds or the sort make no sense.
    """

    sort: Mapping[str, SortSource] | Sequence[str] = field(default_factory=dict)
    default_sort: str | None = None
    limit: int = 20
    max_limit: int = 100
    key: SortSource | Sequence[SortSource] | None = None
    enums: Mapping[str, type[Enum]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limit_field(self.limit, self.max_limit)
        declared_sort(list(named_sources(self.sort)), self.default_sort)

    def fields(self, parameters: Parameters = DEFAULT_PARAMETERS) -> dict[str, AnyField]:
        """The query parameters by wire name, for a marshmallow schema and for the OpenAPI document."""
        return {
            parameters.cursor: fields.String(
                metadata={"description": "`nextCursor` or `prevCursor` of another page; none for the first."}
            ),
            parameters.limit: limit_field(self.limit, self.max_limit),
            **sort_fields(
                named_sources(self.sort), self._default_sort, sort=parameters.sort, order=parameters.order
            ),
        }

    def parse(self, loaded: Mapping[str, Any], parameters: Parameters = DEFAULT_PARAMETERS) -> CursorRequest:
        """The request in what a schema of `fields` has loaded; other parameters in it are left alone."""
        return CursorRequest(
            limit=loaded.get(parameters.limit, self.limit),
            cursor=loaded.get(parameters.cursor),
            sort=wanted_sort(loaded.get(parameters.sort), loaded.get(parameters.order), self._default_sort),
        )

    def fetch(
        self,
        source: Any,
        request: CursorRequest,
        *,
        secret: bytes | Sequence[bytes],
        scope: str,
        session: AnySession | None = None,
        filters: FilterValues | None = None,
        parameters: Parameters = DEFAULT_PARAMETERS,
    ) -> Paged:
        """One page of `source`: a `select()`, a list, or a function.

        `secret` signs the cursors (several: the first signs, all verify). `scope` names the list, such as the route with
        its path arguments; sort and filters need not be in it, they are bound anyway.

        A function gets the request and returns up to `request.fetch_limit` items behind `request.after` (the values of
        the sort keys and of `key`, None at the start), sorted by `request.sort` and then by `key` in the direction of the
        last sort key; with `request.backward` those before it, the nearest first; with `request.inclusive` an item with exactly these
        values counts too. It may be called twice for a page.

        Raises `BadRequestError` `INVALID_CURSOR` (400) for a cursor that was not made for this list, sort and these filters;
        `SetupError` for any other source, a select that is sorted or cut already, and a missing unique key.
        """
        if isinstance(source, Query):
            session, source = session or source.session, source.statement
        entries, enums = self._source(source, request, session, filters)
        signer = CursorSigner(
            secrets=[secret] if isinstance(secret, bytes) else secret,
            context=self._context(scope, request, filters),
            enums=enums,
        )
        position = None if request.cursor is None else signer.read(request.cursor)
        return _paged(look(entries, position, request.limit), request, signer, parameters)

    def meta_fields(self, parameters: Parameters = DEFAULT_PARAMETERS) -> dict[str, AnyField]:
        """The fields of `meta`, for the OpenAPI document."""
        name = parameters.cursor
        return {
            "limit": fields.Integer(metadata={"description": "How many items a page holds at most."}),
            "nextCursor": fields.String(
                allow_none=True, metadata={"description": f"`{name}` of the next page, null on the last."}
            ),
            "prevCursor": fields.String(
                allow_none=True, metadata={"description": f"`{name}` of the page before, null on the first."}
            ),
            "hasNext": fields.Boolean(metadata={"description": "Whether there is a next page."}),
            "hasPrev": fields.Boolean(metadata={"description": "Whether there is a page before."}),
        }

    @property
    def _default_sort(self) -> tuple[SortKey, ...]:
        return declared_sort(list(named_sources(self.sort)), self.default_sort)

    def _source(
        self, source: Any, request: CursorRequest, session: AnySession | None, filters: FilterValues | None
    ) -> tuple[Source, Enums]:
        """The sorted source, and the Enum class of each of its sort keys."""
        if isinstance(source, Select):
            return self._select(source, request, required_session(session), filters)
        sources, unique = named_sources(self.sort), unique_sources(self.key)
        if (is_sequence(source) or callable(source)) and not unique:
            raise SetupError('Cursors in a list or function need a unique key: CursorPage(key="id").')
        readers = readers_of(request.sort, sources, unique)
        declared = [self._enum(name, {**unique, **sources}[name]) for name, _, _ in readers]
        if is_sequence(source):
            items = ListSource(source if filters is None else filters.select_from(source), readers)
            found = [known or seen for known, seen in zip(declared, items.enums(), strict=True)]
            return items, found
        if callable(source):
            values = {} if filters is None else filters.values
            request = replace(request, filters=values)
            return CallableSource(fetch=source, request=request, readers=readers), declared
        raise SetupError(unknown_source(source))

    def _select(
        self, statement: Any, request: CursorRequest, session: AnySession, filters: FilterValues | None
    ) -> tuple[Source, Enums]:
        require_pageable(statement)
        statement = statement if filters is None else filters.apply(statement)
        unique = unique_sources(self.key)
        columns = columns_of(statement, request.sort, named_sources(self.sort), unique)
        if not unique and not entities_of(statement):
            raise SetupError(
                "Cursors need a unique key, and this select has no entity to take one from: CursorPage(key=Model.id)."
            )
        enums = [self.enums.get(column.name) or enum_of(column.expression) for column in columns]
        return SelectSource(session=session, statement=statement, columns=columns), enums

    def _enum(self, name: str, source: SortSource) -> type[Enum] | None:
        return self.enums.get(name) or enum_of(source)

    def _context(self, scope: str, request: CursorRequest, filters: FilterValues | None) -> str:
        """What a cursor is bound to, beside its own values."""
        bound = [scope, list(map(str, request.sort)), [] if filters is None else filters.fingerprint()]
        return json.dumps(bound)


def _paged(window: Window, request: CursorRequest, signer: CursorSigner, parameters: Parameters) -> Paged:
    following, previous = _written(signer, window.next), _written(signer, window.previous)
    meta = {
        "limit": request.limit,
        "nextCursor": following,
        "prevCursor": previous,
        "hasNext": following is not None,
        "hasPrev": previous is not None,
    }
    links: dict[str, dict[str, str | None]] = {"first": {parameters.cursor: None}}
    if previous is not None:
        links["prev"] = {parameters.cursor: previous}
    if following is not None:
        links["next"] = {parameters.cursor: following}
    return Paged(items=[entry.item for entry in window.entries], meta=meta, links=links)


def _written(signer: CursorSigner, position: Position | None) -> str | None:
    return None if position is None else signer.write(position)
