"""Reads request input for `Blueprint.arguments`, with clear refusals of bodies that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from webargs.flaskparser import FlaskParser

from ..errors import MalformedJSONError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from flask import Request


class Parser(FlaskParser):
    """webargs' parser; a body that is not JSON is a 415, not a list of missing fields."""

    def _raw_load_json(self, req: Request) -> Any:
        if not req.is_json and _has_body(req):
            raise UnsupportedMediaTypeError("Send the body as application/json.")
        try:
            return super()._raw_load_json(req)
        except (ValueError, RecursionError) as error:  # also an integer of too many digits, brackets too deep
            self._handle_invalid_json_error(error)

    def _handle_invalid_json_error(self, error: Exception, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise MalformedJSONError from error


def _has_body(req: Request) -> bool:
    return bool(req.content_length) or "chunked" in req.headers.get("Transfer-Encoding", "")
