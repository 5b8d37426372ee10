"""The blueprint for API routes: flask-smorest's, with our envelope, errors and their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar

from flask import current_app, request
from flask_smorest.response import ResponseMixin
from flask_smorest.utils import resolve_schema_instance, unpack_tuple_response
from marshmallow import EXCLUDE, INCLUDE, Schema
from werkzeug.wrappers import Response as BaseResponse

from .._config import SetupError
from .._state import state_of
from ..errors import AppError, NotFoundError
from ..guard import under_guard
from . import openapi
from .documented_blueprint import DocumentedBlueprint, own_notes, synchronous
from .dumping import compiled_dump
from .listing import Listing
from .negotiation import JSON_TYPE
from .paging import CursorPage, Page
from .parser import Parser
from .responses import SuccessResponse
from .view_table import QUERY

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .documented_blueprint import Decorator
    from .filtering import FilterSet

    R = TypeVar("R")


class Blueprint(DocumentedBlueprint):
    """A `flask_smorest.Blueprint` with our envelope and error contract, also without an `Api` of flask-smorest.

    `format` says what differs from the app's wire format; `route(..., format=)` says it for one view. The document of
    a view lists what its declarations answer (`@rate_limit` brings 429).
    """

    is_backend_api: ClassVar[bool] = True
    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_error_handler(AppError, explain_missing_init_app)
        self.before_request(refuse_unfit_path)

    def arguments(  # noqa: PLR0913 - flask-smorest's signature
        self,
        schema: Any,
        *,
        location: str = "json",
        max_bytes: int | None = None,
        content_type: str | None = None,
        required: bool = True,
        description: str | None = None,
        example: Any = None,
        examples: Any = None,
        **options: Any,
    ) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Validate input by `schema` and hand it to the view, after the path's arguments or as flask-smorest has it.

        `max_bytes` limits a JSON body (else `BACKEND_API_MAX_JSON_BYTES`): 413. Raises `InvalidInputError` (422) with
        the names of wrong and unknown fields, `MalformedJSONError`, `UnsupportedMediaTypeError`.
        """
        parser = self.ARGUMENTS_PARSER if max_bytes is None else self.ARGUMENTS_PARSER.limited_to(max_bytes)
        parameters = {"in": location, "required": required, "schema": schema}
        said = {
            "content_type": content_type, "description": description, "example": example, "examples": examples,
        }  # fmt: skip
        parameters |= {name: value for name, value in said.items() if value is not None}
        status = options.get("error_status_code") or parser.DEFAULT_VALIDATION_STATUS

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            reading: Callable[..., Any] = parser.use_args(schema, location=location, **options)(
                synchronous(view)
            )
            notes = own_notes(reading)
            if takes_any_query(schema, location, options.get("unknown", parser.unknown)):
                notes[openapi.ANY_QUERY] = True
            documented = notes.setdefault("arguments", {})
            documented.setdefault("parameters", []).append(parameters | {"schema": described(schema, view)})
            documented.setdefault("responses", {})[status] = None
            return reading

        return partial(under_guard, wrap=decorate)

    def response(  # noqa: PLR0913 - flask-smorest's signature
        self,
        status_code: int | str,
        schema: Any = None,
        *,
        location: Callable[[Any], str] | None = None,
        content_type: str | None = None,
        description: str | None = None,
        example: Any = None,
        examples: Any = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Decorator:
        """Dump what the view returns by `schema` and send it in the envelope.

        `location` makes the URL for the `Location` header (201, 202) from the view's value. A `Response` that the view
        returns is sent as it is. A client that does not accept `content_type` gets a 406 before the view is called.
        """
        document = super().response(
            status_code,
            schema,
            content_type=content_type,
            description=description,
            example=example,
            examples=examples,
            headers=headers if location is None else {**openapi.LOCATION_HEADER, **(headers or {})},
        )
        instance = resolve_schema_instance(schema)
        can_dump = hasattr(instance, "dump")  # a name or a dict only documents
        success = SuccessResponse(
            status=int(status_code),
            dump=compiled_dump(instance) if can_dump else None,
            many=bool(getattr(instance, "many", False)),
            location=location,
            content_type=content_type or JSON_TYPE,
            prepare=overridden(self._prepare_response_content),
        )

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            call = synchronous(view)

            @wraps(view)
            def responding(*args: Any, **kwargs: Any) -> Any:
                return success.make(call, *args, **kwargs)

            responding._apidoc = document(view)._apidoc  # type: ignore[attr-defined]  # noqa: SLF001 - where smorest keeps it
            openapi.note_success(responding, int(status_code))
            return responding

        return partial(under_guard, wrap=decorate)

    def paginate(
        self, pager: Any = None, *, filters: type[FilterSet] | None = None, **options: Any
    ) -> Decorator:
        """Send one page of what the view returns: a `select()`, a list, or a callable that takes the page request.

        `pager` is a `Page` or `CursorPage`, `filters` a `FilterSet`; the parameters of both are read from the query.
        Goes below `@blp.response`. With any other `pager` this is flask-smorest's own `paginate`.
        """
        if pager is Page or pager is CursorPage:
            raise SetupError(
                f"@blp.paginate({pager.__name__}): write {pager.__name__}(), with its sorts and limits."
            )
        if not isinstance(pager, (Page, CursorPage)):
            return partial(under_guard, wrap=super().paginate(pager, **options))
        listing = Listing(style=pager, filters=filters)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            call = synchronous(view)

            @wraps(view)
            def paginated(*args: Any, **kwargs: Any) -> Any:
                wanted = listing.read(self.ARGUMENTS_PARSER)
                source, status, headers = unpack_tuple_response(call(*args, **kwargs))
                if isinstance(source, BaseResponse):
                    raise SetupError("@blp.paginate goes below @blp.response, next to the view.")
                return listing.fetch(source, wanted), status, headers

            documented = own_notes(paginated).setdefault("arguments", {})
            documented.setdefault("parameters", []).append({"in": "query", "schema": listing})
            documented.setdefault("responses", {})[self.ARGUMENTS_PARSER.DEFAULT_VALIDATION_STATUS] = None
            openapi.note_listing(paginated, listing)
            return paginated

        return partial(under_guard, wrap=decorate)


def overridden(prepare: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """flask-smorest's hook on dumped values, where a subclass has its own."""
    return None if prepare is ResponseMixin._prepare_response_content else prepare  # noqa: SLF001 - documented there


def takes_any_query(schema: Any, location: str, unknown: str | None) -> bool:
    """Whether the user says so, by `unknown=` or the schema's own, or by a function that makes the schema later."""
    if location not in QUERY:
        return False
    is_function = callable(schema) and not isinstance(schema, type)
    said = {unknown, getattr(resolve_schema_instance(schema), "unknown", None)}
    return is_function or not said.isdisjoint({EXCLUDE, INCLUDE})


def described(schema: Any, view: Callable[..., Any]) -> Any:
    """`schema` for the document, which has no dicts of fields."""
    return (
        Schema.from_dict(dict(schema), name=f"{view.__name__}_input")
        if isinstance(schema, Mapping)
        else schema
    )


def explain_missing_init_app(error: AppError) -> Any:
    """Where our own handling is in place this is never called; else it is for the app's handlers, or nobody's."""
    for name in (*request.blueprints, None):
        handlers = current_app.error_handler_spec.get(name, {}).get(None, {})
        for kind in type(error).__mro__:
            handler: Any = handlers.get(kind, explain_missing_init_app)
            if handler is not explain_missing_init_app:
                return current_app.ensure_sync(handler)(error)
    if state_of(current_app) is not None:  # BACKEND_ERRORS_ENABLED is False
        raise error
    raise SetupError(
        f"A view raised {type(error).__name__}, but this app has no BackendPatterns to answer it; "
        "call BackendPatterns().init_app(app) where the app is made."
    ) from error


def refuse_unfit_path() -> None:
    """A path with a NUL names nothing: no database stores it."""
    asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    if "\0" in asked.path:
        raise NotFoundError
