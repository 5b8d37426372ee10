"""Translates werkzeug's HTTP exceptions, with what webargs and flask-smorest put on them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.http import HTTP_STATUS_CODES

from ..details import flatten_by_location
from ..rendering import title_of
from ..tree import (
    ERRORS_BY_STATUS,
    AppError,
    InternalError,
    MalformedJSONError,
    MethodNotAllowedError,
    ValidationError,
)


def translate(error: HTTPException) -> AppError | None:
    """Status, description and headers are kept; the code is that of the status."""
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        return InternalError()
    if is_malformed_json(error):
        return MalformedJSONError()
    data = getattr(error, "data", None)  # put there by webargs' and smorest's `abort`
    if not isinstance(data, Mapping):
        data = {}
    headers = _headers(error)
    headers.update(data.get("headers") or {})
    options: dict[str, Any] = {"headers": headers}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return MethodNotAllowedError(error.description, allowed=sorted(error.valid_methods))
    message = data.get("message", error.description)
    messages = data.get("errors", data.get("messages"))
    if messages:
        options["details"] = flatten_by_location(messages)
        if error.code == ValidationError.status and "message" not in data:
            message = None
    return of_status(error.code or HTTPStatus.INTERNAL_SERVER_ERROR, message, options)


def _headers(error: HTTPException) -> dict[str, str]:
    """Its own headers; several of one name (challenges) as one line, which means the same (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def of_status(status: int, message: str | None, options: dict[str, Any]) -> AppError:
    """The error of the tree for `status`, or a plain `AppError` whose code is the status' name (`GONE`)."""
    known = ERRORS_BY_STATUS.get(status)
    if known is not None:
        return known(message, **options)
    phrase = HTTP_STATUS_CODES.get(status)  # not Python's own names, which differ between 3.12 and 3.13
    code = re.sub(r"[^A-Z]+", "_", phrase.upper().replace("'", "")) if phrase else f"HTTP_{status}"
    error = AppError(title_of(status) if message is None else message, code=code, **options)
    error.status = status
    return error


def is_malformed_json(error: HTTPException) -> bool:
    """Whether `request.get_json()` or webargs gave up on the body (their exceptions carry only a stock sentence)."""
    if not isinstance(error, BadRequest) or isinstance(error, RequestEntityTooLarge):
        return False
    reason: BaseException | None = getattr(error, "exc", None)  # webargs
    if reason is None and _is_stock(error):
        cause = error.__cause__  # Flask raises a second BadRequest from the first outside debug
        reason = (cause if isinstance(cause, BadRequest) else error).__context__
        return isinstance(reason, ValueError)  # JSONDecodeError, bad UTF-8, or an integer of too many digits
    return isinstance(reason, (json.JSONDecodeError, UnicodeDecodeError))


def _is_stock(error: BadRequest) -> bool:
    description = error.description or ""
    return description == BadRequest.description or description.startswith("Failed to decode JSON object")
