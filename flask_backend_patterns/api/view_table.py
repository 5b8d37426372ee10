"""What is known of each view before it is called: its format, and which query parameters it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flask import current_app
from marshmallow import Schema

from .._state import state_of
from .format import DEFAULT_FORMAT, Format, format_of

if TYPE_CHECKING:
    from flask import Flask, Request

    from .paging import Parameters


QUERY = frozenset({"query", "querystring"})


class QuerySource(Protocol):
    """Part of a view's query string: whatever can say which parameters it takes under these names."""

    def parameter_names(self, parameters: Parameters) -> set[str]:
        """The parameters' names on the wire."""


@dataclass(frozen=True)
class ViewRecord:
    """One view and method.

    `query` holds the parameters it takes, None when it declares none; `media_types` what it may answer in beside what
    its `@blp.response` says.
    """

    format: Format
    query: frozenset[str] | None = None
    media_types: frozenset[str] = frozenset()


class ViewTable:
    """Answers for one app; remembers the answer for each endpoint and method."""

    def __init__(self, app: Flask, outermost: Format) -> None:
        self._app = app
        self._outermost = outermost
        self._records: dict[tuple[str | None, str], ViewRecord] = {}

    def of(self, request: Request) -> ViewRecord:
        """The record of the view that `request` is for; the app's own format when there is none."""
        key = (request.endpoint, request.method)
        record = self._records.get(key)
        if record is None:
            record = self._find(*key)
            if request.endpoint is not None:  # methods of unmatched requests are the client's to make up
                self._records[key] = record
        return record

    def _find(self, endpoint: str | None, method: str) -> ViewRecord:
        if endpoint is None:
            return ViewRecord(self._outermost)
        found = format_of(endpoint, self._app.blueprints, self._outermost)
        blueprint = self._app.blueprints.get(endpoint.rpartition(".")[0])
        key = (endpoint.rpartition(".")[2], "GET" if method == "HEAD" else method)
        sources: Mapping[tuple[str, str], list[Any]] = getattr(blueprint, "query_sources", {})
        media_types: Mapping[tuple[str, str], frozenset[str]] = getattr(blueprint, "media_types", {})
        names = [names_in(source, found.parameters) for source in sources.get(key, ())]
        return ViewRecord(
            found,
            query=frozenset().union(*names) if names else None,
            media_types=media_types.get(key, frozenset()),
        )


def names_in(source: Any, parameters: Parameters) -> set[str]:
    """The wire names in a marshmallow schema (class or instance), a dict of fields, a set, or a `QuerySource`."""
    if isinstance(source, (set, frozenset)):
        return set(source)
    if hasattr(source, "parameter_names"):
        found: set[str] = source.parameter_names(parameters)
        return found
    if isinstance(source, Mapping):
        source = Schema.from_dict(dict(source))
    if isinstance(source, type):
        source = source()
    return {field.data_key or name for name, field in source.load_fields.items()}


def record_of(request: Request) -> ViewRecord:
    """The record of the view being called; also where `init_app` has not run, by our defaults."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    state = state_of(app)
    table = ViewTable(app, DEFAULT_FORMAT) if state is None else state.api.views
    return table.of(request)


def format_in(app: Flask, endpoint: str) -> Format:
    """The format of an endpoint of `app`, for its document."""
    state = state_of(app)
    return format_of(endpoint, app.blueprints, DEFAULT_FORMAT if state is None else state.api.format)
