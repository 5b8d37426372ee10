"""What the kit adds to flask-smorest's document: envelope, page fields, declarations and every error with its schema.

flask-smorest notes on each view what its decorators say (`_apidoc`) and calls the functions here for each operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask_smorest.utils import deepupdate
from webargs.core import is_json

from .._state import state_of
from ..errors import title_of
from .error_schemas import ERROR_SCHEMA, PROBLEM_SCHEMA
from .format import DEFAULT_FORMAT
from .negotiation import JSON_TYPE
from .view_table import QUERY

if TYPE_CHECKING:
    from .format import Format
    from .listing import Listing

PROBLEM_TYPE = "application/problem+json"
# Our own notes on an operation, beside flask-smorest's.
SUCCESS, LISTING, FORMAT, DECLARATIONS = (
    "backend_success",
    "backend_listing",
    "backend_format",
    "backend_declarations",
)
LOCATION_HEADER: dict[str, Any] = {
    "Location": {
        "description": "Where the new resource is.",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
LINK_HEADER: dict[str, Any] = {
    "Link": {"description": "The pages around this one (RFC 8288).", "schema": {"type": "string"}}
}
MIN_ERROR_STATUS = 400
BODY_STATUSES = (400, 413, 415)
UNPROCESSABLE = 422
HAS_PATH_ARGUMENTS, OPERATION_ID = "backend_has_path_arguments", "backend_operation_id"
ANY_QUERY = "backend_any_query"
# What flask-smorest calls its own error responses, which are not what is answered here.
SMORESTS_NAMES = tuple(status.name for status in HTTPStatus)


def note_success(view: Any, status: int) -> None:
    """Note that `status` of `view` is sent in the envelope."""
    view._apidoc[SUCCESS] = status  # noqa: SLF001 - where flask-smorest keeps its notes


def note_listing(view: Any, listing: Listing) -> None:
    """Note that `view` answers pages."""
    view._apidoc[LISTING] = listing  # noqa: SLF001 - where flask-smorest keeps its notes


def operation_id(endpoint: str, method: str | None) -> str:
    """A name for code that is generated from the document: `orders_create_order`, `products_OneProduct_patch`."""
    parts = endpoint.split(".") + ([method] if method else [])
    return "_".join(parts)


def query_sources(operation: Mapping[str, Any], of_route: Iterable[Any]) -> Iterator[Any]:
    """What reads the query string of an operation; nothing when it takes any.

    Parameters that are documented by hand (`of_route`, `@blp.doc`) are read by the view itself.
    """
    declared = operation.get("arguments", {}).get("parameters", ())
    found = [place["schema"] for place in declared if isinstance(place, Mapping) and place["in"] in QUERY]
    if "pagination" in operation:  # flask-smorest's own
        found.append(operation["pagination"]["parameters"]["schema"])
    if found and ANY_QUERY not in operation:
        by_hand = (*of_route, *operation.get("manual_doc", {}).get("parameters", ()))
        yield from found
        yield {
            place["name"] for place in by_hand if isinstance(place, Mapping) and place.get("in") == "query"
        }


def media_types(operation: Mapping[str, Any]) -> Iterator[str]:
    """Those of its successful responses that are said, `@blp.alt_response(200, content_type=...)` too."""
    for status, described in operation.get("response", {}).get("responses", {}).items():
        for response in described if str(status).startswith("2") else ():
            if isinstance(response, Mapping) and response.get("content_type"):
                yield response["content_type"]


def spell_out_arguments(doc_info: Mapping[str, Any]) -> None:
    """Put the schema of a listing's parameters, under the names of the view's format, where the listing stands."""
    wanted = _format(doc_info)
    for parameter in doc_info.get("arguments", {}).get("parameters", ()):
        if isinstance(parameter, dict):
            if hasattr(parameter["schema"], "parameter_names"):
                parameter["schema"] = parameter["schema"].schema(wanted.parameters)
            if parameter["in"] == "json" and wanted.body_key is not None:
                parameter["schema"] = _object({wanted.body_key: parameter["schema"]})


def envelop(doc_info: dict[str, Any], converter: Any) -> None:
    """Wrap the schema of the view's own success response as `responses.py` wraps its body."""
    status = doc_info.get(SUCCESS)
    if status is None or status == 204:  # noqa: PLR2004 - no body
        return
    wanted, listing = _format(doc_info), doc_info.get(LISTING)
    described = doc_info["response"]["responses"][
        status if status in doc_info["response"]["responses"] else str(status)
    ]
    for response in described:
        schema = response.get("schema") if isinstance(response, Mapping) else None
        if schema is None or not is_json(response.get("content_type") or JSON_TYPE):
            continue
        many = getattr(schema, "many", False)
        key = wanted.key_for(many=many or listing is not None)
        if listing is not None:
            items = schema if many else {"type": "array", "items": schema}
            response["schema"] = page_schema(items, listing, wanted, converter)
            response["headers"] = LINK_HEADER | (response.get("headers") or {})
        elif wanted.envelope:
            response["schema"] = _object({key: schema})
        if wanted.envelope:
            for name in ("example", "examples"):
                if name in response:
                    response[name] = _wrapped_example(response[name], name, key)


def page_schema(items: Any, listing: Listing, wanted: Format, converter: Any) -> Any:
    """The schema of a page of `items`."""
    if not wanted.envelope:
        return items
    fields = listing.style.meta_fields(wanted.parameters)
    meta = wanted.page_fields({name: converter.field2property(field) for name, field in fields.items()})
    key = wanted.key_for(many=True)
    if wanted.meta_key is None:
        return _object({key: items, **meta})
    return _object({key: items, wanted.meta_key: _object(meta)})


def describe_declarations(
    doc: dict[str, Any], doc_info: Mapping[str, Any], *, app: Any, spec: Any, method: str, **_: Any
) -> dict[str, Any]:
    """Add what each declaration on the view says about the operation."""
    doc["operationId"] = doc_info.get(OPERATION_ID)
    for declaration in doc_info.get(DECLARATIONS, ()):
        said = declaration.documentation(method.upper())
        if said.secured:
            doc["security"] = _security(app, spec, is_optional=said.secured_optionally)
        if said.parameters:
            doc.setdefault("parameters", []).extend(dict(parameter) for parameter in said.parameters)
        for status, response in doc.get("responses", {}).items():
            if str(status).startswith("2") and isinstance(response, dict):
                response.setdefault("headers", {}).update(said.success_headers)
        doc = deepupdate(doc, dict(said.operation))
    return doc


def describe_errors(
    doc: dict[str, Any], doc_info: Mapping[str, Any], *, app: Any, spec: Any, method: str, **_: Any
) -> dict[str, Any]:
    """List every error that the view's decorators can answer, with its schema."""
    content = _error_content(_format(doc_info), app, spec)
    responses = doc.setdefault("responses", {})
    if not isinstance(responses.get("default"), Mapping):  # else described by the user
        responses["default"] = _error_response("Any other error", content)
    statuses = error_statuses(doc, doc_info, method.upper())
    for status in [status for status, response in responses.items() if response is None]:
        del responses[status]
    for status in statuses:
        number = _validation_status(app) if status == UNPROCESSABLE else status
        known = responses.pop(status, None) or responses.get(str(number)) or {}
        if known in SMORESTS_NAMES:
            known = {}
        if isinstance(known, Mapping) and "content" not in known:  # else described by the user, or a name
            known = _error_response(title_of(number), content) | dict(known)
        responses[str(number)] = known
    doc["responses"] = {str(status): responses[status] for status in sorted(responses, key=str)}
    return doc


def _security(app: Any, spec: Any, *, is_optional: bool) -> list[dict[str, list[str]]]:
    """A requirement that each security scheme of the app meets; the empty one means none is needed."""
    state = state_of(app)
    schemes = {} if state is None else state.api.security_schemes
    for name, scheme in schemes.items():
        if name not in spec.components.security_schemes:
            spec.components.security_scheme(name, dict(scheme))
    requirements: list[dict[str, list[str]]] = [{name: []} for name in schemes]
    return [*requirements, {}] if is_optional else requirements


def error_statuses(doc: Mapping[str, Any], doc_info: Mapping[str, Any], method: str) -> list[int]:
    """The error statuses of an operation, in order."""
    numbers = {int(status) for status in doc["responses"] if str(status).isdecimal()}
    found = {status for status in numbers if status >= MIN_ERROR_STATUS}
    for declaration in doc_info.get(DECLARATIONS, ()):
        found.update(declaration.error_statuses(method))
    if JSON_TYPE in doc.get("requestBody", {}).get("content", {}):
        found.update(BODY_STATUSES)
    if doc_info.get(SUCCESS) not in (None, 204):
        found.add(406)
    if doc_info.get(HAS_PATH_ARGUMENTS):
        found.add(404)
    listing = doc_info.get(LISTING)
    if listing is not None and listing.has_cursor:
        found.add(400)
    return sorted(found)


def _validation_status(app: Any) -> int:
    state = state_of(app)
    return UNPROCESSABLE if state is None else state.settings.errors.validation_status


def _error_content(wanted: Format, app: Any, spec: Any) -> dict[str, Any]:
    if wanted.error is not None:
        return {JSON_TYPE: {"schema": wanted.error_schema}} if wanted.error_schema is not None else {}
    state = state_of(app)
    always_problem = state is not None and state.settings.errors.format == "problem"
    if state is not None and state.settings.errors.renderer is not None:
        return {}
    content = {} if always_problem else {JSON_TYPE: _component(spec, "BackendError", ERROR_SCHEMA)}
    return content | {PROBLEM_TYPE: _component(spec, "BackendProblem", PROBLEM_SCHEMA)}


def _component(spec: Any, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if name not in spec.components.schemas:
        spec.components.schema(name, dict(schema))
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _error_response(description: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description} | (
        {"content": {kind: dict(media) for kind, media in content.items()}} if content else {}
    )


def _wrapped_example(example: Any, name: str, key: str) -> Any:
    if name == "example":
        return {key: example}
    return {title: {**one, "value": {key: one.get("value")}} for title, one in example.items()}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _format(doc_info: Mapping[str, Any]) -> Format:
    found: Format = doc_info.get(FORMAT, DEFAULT_FORMAT)
    return found
