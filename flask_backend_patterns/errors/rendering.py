"""An `AppError` as a response: the envelope, RFC 9457 problem documents, or the user's own renderer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from flask import Response
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response as BaseResponse

from .._json import dump

if TYPE_CHECKING:
    from werkzeug.datastructures import MIMEAccept

    from .tree import AppError

JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"
UNLIKE_JSON = ("problem", "html", "text/*", ";")


@dataclass(frozen=True, kw_only=True)
class ErrorContext:
    """What a renderer may want to know beside the error.

    The request's id (None outside observability) and path; the `resource` the error is about, said by the error or
    else by the route's `Format`; and its `kind`, the category (`invalid`, `not_found`, `conflict`).
    """

    request_id: str | None
    path: str
    resource: str | None
    kind: str


# Returns the body, or a whole response; status and headers are filled in from the error where it set none.
Renderer: TypeAlias = Callable[["AppError", ErrorContext], Mapping[str, Any] | Response]


def envelope(error: AppError, context: ErrorContext) -> dict[str, Any]:
    """The default format: `{"error": {"code", "message", "details", "request_id"}}`."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        body["details"] = [_shown(detail) for detail in error.details]
    if context.request_id is not None:
        body["request_id"] = context.request_id
    return {"error": body}


def problem(error: AppError, context: ErrorContext) -> dict[str, Any]:
    """An RFC 9457 problem document, with `code`, `request_id` and `errors` as extension members."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(error.status),
        "status": error.status,
        "detail": error.message,
        "instance": context.path,
        "code": error.code,
    }
    if context.request_id is not None:
        body["request_id"] = context.request_id
    if error.details:
        body["errors"] = [_problem_detail(detail) for detail in error.details]
    return body


def to_response(error: AppError, body: Mapping[str, Any] | Response, mimetype: str) -> Response:
    """The response for `error`; a renderer's own response keeps its headers, and its status unless that is 200."""
    if isinstance(body, BaseResponse):
        response = cast("Response", Response.force_type(body))
        if response.status_code == HTTPStatus.OK:  # the default, which no error means
            response.status_code = error.status
    else:
        response = Response(dump(body), status=error.status, mimetype=mimetype)
    add_headers(response, error)
    return response


def add_headers(response: Response, error: AppError) -> None:
    """Put the error's headers on a response that lacks them; a line break in a value would end the header."""
    for name, value in error.headers.items():
        if name not in response.headers:
            response.headers[name] = " ".join(str(value).splitlines())


def is_content_with_json(header: str | None) -> bool:
    """Whether an `Accept` says so plainly that it need not be parsed: nothing else is named, nothing weighed."""
    if header is None:
        return True
    wish = header.lower()
    return not any(word in wish for word in UNLIKE_JSON)


def prefers_problem(accept: MIMEAccept) -> bool:
    """Whether the client would rather have a problem document than plain JSON; equal wishes count when it is named."""
    as_problem = accept.quality(PROBLEM_TYPE)
    as_json = accept.quality(JSON_TYPE)
    named = any(value.lower() == PROBLEM_TYPE for value, quality in accept if quality)
    return named and as_problem >= as_json


def prefers_html(accept: MIMEAccept) -> bool:
    """Whether the client, a browser, would rather have a page than JSON; `*/*` is no such wish."""
    return bool(accept.quality("text/html") > accept.quality(JSON_TYPE))


def title_of(status: int) -> str:
    """The standard phrase of a status; `Error` for one that has none."""
    return HTTP_STATUS_CODES.get(status, "Error")


def _shown(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in detail.items() if key != "kind"} if "kind" in detail else detail


def _problem_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"detail": detail["message"]}
    field = detail.get("field")
    if field is None:
        return item
    if "in" in detail:
        return {**item, "parameter": field, "in": detail["in"]}
    return {
        **item,
        "pointer": "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in field.split(".")),
    }
