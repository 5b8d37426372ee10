"""The blueprint for API routes: flask-smorest's, with our errors and their documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import flask_smorest

from .._config import SetupError
from ..errors import AppError, title_of
from ..guard import declarations_of
from .parser import Parser

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    R = TypeVar("R")
    View_ = TypeVar("View_")
    # What a view returns is turned into a response, so its type says nothing after that.
    Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

ERROR_SCHEMA_NAME = "BackendError"
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {
                    "type": "string",
                    "description": "Stable, for programs.",
                    "examples": ["VALIDATION_ERROR"],
                },
                "message": {"type": "string", "description": "For people."},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["message"],
                        "properties": {
                            "field": {
                                "type": "string",
                                "description": "A dotted path, such as items.0.quantity.",
                            },
                            "in": {"type": "string", "enum": ["query", "path", "headers", "cookies"]},
                            "message": {"type": "string"},
                        },
                    },
                },
                "request_id": {"type": "string", "description": "Find the log lines of this request by it."},
            },
        }
    },
}


class Blueprint(flask_smorest.Blueprint):
    """A `flask_smorest.Blueprint` whose errors follow our contract, also without an `Api` of flask-smorest.

    Its document lists the error statuses of the declarations on each view (`@rate_limit` brings 429).
    """

    is_backend_api: ClassVar[bool] = True
    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._prepare_errors_doc)
        self.register_error_handler(AppError, explain_missing_init_app)

    if TYPE_CHECKING:  # flask-smorest has no types, and strict checkers refuse untyped decorators

        def route(self, rule: str, **options: Any) -> Callable[[View_], View_]:
            """Register a view and its documentation."""

        get = post = put = patch = delete = route

        def arguments(self, schema: Any, **options: Any) -> Callable[[Callable[..., R]], Callable[..., R]]:
            """Validate input by `schema` and hand it to the view."""

        def response(self, status_code: int | str, schema: Any = None, **options: Any) -> Decorator:
            """Dump what the view returns by `schema`."""

        def alt_response(self, status_code: int | str, **options: Any) -> Decorator:
            """Document another response."""

    def _store_endpoint_docs(
        self, endpoint: str, obj: Any, parameters: list[Any] | None, tags: list[str] | None, **options: Any
    ) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags, **options)
        for method, operation in self._docs[endpoint].items():
            if method != "parameters":
                operation["error_statuses"] = _error_statuses(obj, method.upper())

    @staticmethod
    def _prepare_errors_doc(
        doc: dict[str, Any], doc_info: dict[str, Any], *, spec: Any, **_: Any
    ) -> dict[str, Any]:
        if ERROR_SCHEMA_NAME not in spec.components.schemas:
            spec.components.schema(ERROR_SCHEMA_NAME, ERROR_SCHEMA)
        schema = {"$ref": f"#/components/schemas/{ERROR_SCHEMA_NAME}"}
        responses = doc.setdefault("responses", {})
        responses["default"] = _error_response("Any other error", schema)
        argument_errors = [status for status in responses if str(status) in {"400", "422"}]
        for status in (*argument_errors, *doc_info["error_statuses"]):
            responses[str(status)] = _error_response(title_of(int(status)), schema)
        return doc


def explain_missing_init_app(error: AppError) -> NoReturn:
    """Where `init_app` has run its own handling comes first, and this is never called."""
    raise SetupError(
        f"A view raised {type(error).__name__}, but this app has no BackendPatterns to answer it; "
        "call BackendPatterns().init_app(app) where the app is made."
    ) from error


def _error_statuses(view: Any, method: str) -> list[int]:
    return sorted(
        {status for declaration in declarations_of(view, method) for status in declaration.statuses}
    )


def _error_response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
