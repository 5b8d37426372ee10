"""flask-smorest's blueprint with our parts of its document, and our guards outside of its decorators."""

from __future__ import annotations

import inspect
from copy import deepcopy
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import flask_smorest
from flask import current_app
from flask_smorest.utils import get_appcontext

from .._implied import declarations_for
from ..guard import declarations_of, note_registered, under_guard
from . import openapi
from .format import NOTHING_SAID, Format
from .negotiation import bare_type
from .view_table import format_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    View_ = TypeVar("View_")
    # What a view returns is turned into a response, so its type says nothing after that.
    Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


class DocumentedBlueprint(flask_smorest.Blueprint):
    """Keeps the format of each view and what reads its query string, and completes the document from declarations."""

    def __init__(self, *args: Any, format: Format = NOTHING_SAID, **kwargs: Any) -> None:  # noqa: A002 - its name
        super().__init__(*args, **kwargs)
        self.format = format
        self.view_formats: dict[str, Format] = {}
        # (endpoint, method) -> the schemas that read its query string.
        self.query_sources: dict[tuple[str, str], list[Any]] = {}
        # (endpoint, method) -> the media types that its successful responses are documented with.
        self.media_types: dict[tuple[str, str], frozenset[str]] = {}
        self._prepare_doc_cbks += [openapi.describe_declarations, openapi.describe_errors]

    if TYPE_CHECKING:  # flask-smorest has no types, and strict checkers refuse untyped decorators

        def route(
            self,
            rule: str,
            *,
            format: Format = NOTHING_SAID,  # noqa: A002 - its name
            **options: Any,
        ) -> Callable[[View_], View_]:
            """Register a view and its documentation."""

        get = post = put = patch = delete = route

    def alt_response(self, status_code: int | str, *args: Any, **options: Any) -> Decorator:
        """Document another response."""
        return partial(under_guard, wrap=super().alt_response(status_code, *args, **options))

    def doc(self, **said: Any) -> Decorator:
        """Add to the operation in the document, in OpenAPI's own words."""
        return partial(under_guard, wrap=super().doc(**said))

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        *args: Any,
        format: Format = NOTHING_SAID,  # noqa: A002 - its name
        **options: Any,
    ) -> None:
        """Register a view; `format` says what differs from the blueprint's."""
        before = len(self._endpoints)
        super().add_url_rule(rule, endpoint, view_func, *args, **options)
        for name in self._endpoints[before:]:
            self.view_formats[name] = format
        note_registered(view_func)

    def register_views_in_doc(self, api: Any, app: Any, spec: Any, *, name: str, parameters: Any) -> None:
        """Write the document of this blueprint as it is registered on `app`."""
        for endpoint, operations in self._docs.items():
            full_name = f"{name}.{endpoint}"
            rule = next(app.url_map.iter_rules(full_name))
            methods = operations.keys() - {"parameters"}
            is_one = len(methods) == 1 and not hasattr(app.view_functions[full_name], "view_class")
            # Copies: a blueprint that is nested twice shares its notes with itself.
            self._docs[endpoint] = dict(operations) | {
                method: {
                    **deepcopy(operations[method]),
                    openapi.FORMAT: format_in(app, full_name),
                    # What is declared on the blueprint, or on one around it, or by a setting, counts too.
                    openapi.DECLARATIONS: declarations_for(
                        app, full_name, app.view_functions[full_name], method.upper()
                    ),
                    openapi.HAS_PATH_ARGUMENTS: bool(rule.arguments),
                    openapi.OPERATION_ID: openapi.operation_id(full_name, None if is_one else method),
                }
                for method in methods
            }
        super().register_views_in_doc(api, app, spec, name=name, parameters=parameters)

    def _store_endpoint_docs(
        self, endpoint: str, obj: Any, parameters: list[Any] | None, tags: list[str] | None, **options: Any
    ) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags, **options)
        for method, operation in self._docs[endpoint].items():
            if method != "parameters":
                operation[openapi.DECLARATIONS] = declarations_of(obj, method.upper())
                key = (endpoint, method.upper())
                self.query_sources[key] = list(openapi.query_sources(operation, parameters or ()))
                self.media_types[key] = frozenset(map(bare_type, openapi.media_types(operation)))

    def _prepare_arguments_doc(self, doc: Any, doc_info: Any, **options: Any) -> Any:
        openapi.spell_out_arguments(doc_info)
        return super()._prepare_arguments_doc(doc, doc_info, **options)

    def _prepare_response_doc(self, doc: Any, doc_info: Any, *, api: Any, **options: Any) -> Any:
        openapi.envelop(doc_info, api.ma_plugin.converter)
        return super()._prepare_response_doc(doc, doc_info, api=api, **options)

    def _decorate_view_func_or_method_view(self, decorator: Decorator, obj: Any) -> Any:
        """Only `etag` comes here, which looks for the dumped result where flask-smorest's `response` leaves it."""

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            call = synchronous(view)

            @wraps(view)
            def leaving_result(*args: Any, **kwargs: Any) -> Any:
                response = call(*args, **kwargs)
                dumped = getattr(response, "backend_dump", None)
                get_appcontext()["result_dump"] = response.get_json(silent=True) if dumped is None else dumped
                return response

            return decorator(leaving_result)

        return super()._decorate_view_func_or_method_view(partial(under_guard, wrap=decorate), obj)


def synchronous(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view`, callable from sync code."""
    if not inspect.iscoroutinefunction(view):
        return view

    @wraps(view)
    def call(*args: Any, **kwargs: Any) -> Any:
        return current_app.ensure_sync(view)(*args, **kwargs)

    return call


def own_notes(function: Any) -> dict[str, Any]:
    """What flask-smorest notes on a function for the document: a copy, so that what it wraps keeps its own."""
    function._apidoc = deepcopy(getattr(function, "_apidoc", {}))  # noqa: SLF001 - where flask-smorest keeps it
    notes: dict[str, Any] = function._apidoc  # noqa: SLF001 - see above
    return notes
