"""One view's list: its pages, sorts and filters, read from the query string and fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

from flask import current_app, request
from marshmallow import Schema

from .._config import SetupError
from .._state import state_of
from .paging import CursorPage, CursorRequest, Page, Paged, PageRequest, Parameters
from .view_table import record_of

if TYPE_CHECKING:
    from flask import Flask

    from .filtering import FilterSet, FilterValues
    from .parser import Parser


@dataclass(frozen=True)
class Wanted:
    """What a request asks of a list."""

    page: PageRequest | CursorRequest
    filters: FilterValues | None
    parameters: Parameters


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The style of a view's pages, and its filters; what is read is one schema of both, so nothing else is known."""

    style: Page | CursorPage
    filters: type[FilterSet] | None = None
    _schemas: dict[Parameters, Schema] = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_cursor(self) -> bool:
        """Whether a request can have a cursor that is not ours."""
        return isinstance(self.style, CursorPage)

    def parameter_names(self, parameters: Parameters) -> set[str]:
        """The query parameters under these names."""
        return set(self._fields(parameters))

    def schema(self, parameters: Parameters) -> Schema:
        """What reads the query string."""
        return Schema.from_dict(self._fields(parameters), name="ListQuery")()

    def read(self, parser: Parser) -> Wanted:
        """What the request being served asks for; raises `InvalidInputError`."""
        parameters = record_of(request).format.parameters
        schema = self._schemas.get(parameters)
        if schema is None:
            schema = self._schemas[parameters] = self.schema(parameters)
        loaded = parser.parse(schema, request, location="query")
        filters = None if self.filters is None else self.filters.parse(loaded, parameters)
        return Wanted(self.style.parse(loaded, parameters), filters, parameters)

    def fetch(self, source: Any, wanted: Wanted) -> Paged:
        """The page of `source`; raises `BadRequestError` for a cursor that is not ours."""
        session, filters, parameters = _session(current_app), wanted.filters, wanted.parameters
        if isinstance(wanted.page, PageRequest):
            style = cast("Page", self.style)
            return style.fetch(source, wanted.page, session=session, filters=filters, parameters=parameters)
        return cast("CursorPage", self.style).fetch(
            source,
            wanted.page,
            secret=_cursor_secrets(current_app),
            scope=json.dumps([request.endpoint, request.view_args], default=str),
            session=session,
            filters=filters,
            parameters=parameters,
        )

    def _fields(self, parameters: Parameters) -> dict[str, Any]:
        fields: dict[str, Any] = {**self.style.fields(parameters)}
        filters = {} if self.filters is None else self.filters.fields(parameters)
        both = sorted(set(fields) & set(filters))
        if both:
            raise SetupError(f"{', '.join(both)}: a filter cannot be called what pages are asked for by.")
        return fields | filters

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _session(app: Flask) -> Any:
    """The session of the app's Flask-SQLAlchemy, which only selects need."""
    state = state_of(app)
    db = None if state is None else state.wrapped.find(app, "db")
    return None if db is None else db.session


def _cursor_secrets(app: Flask) -> list[bytes]:
    """What signs cursors, and what signed them before."""
    state = state_of(app)
    own = None if state is None else state.settings.api.cursor_secret
    texts = [own] if own else [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or ())]
    secrets = [text.encode() if isinstance(text, str) else text for text in texts if text]
    if not secrets:
        raise SetupError("Cursors are signed: set SECRET_KEY or BACKEND_API_CURSOR_SECRET.")
    return secrets
