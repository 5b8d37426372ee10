"""Reads request input for `Blueprint.arguments`, with clear refusals of what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

from flask import current_app
from marshmallow import Schema, fields, missing
from marshmallow import ValidationError as SchemaError
from webargs.core import is_json
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict

from .._state import state_of
from ..errors import (
    InvalidInputError,
    MalformedJSONError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    flatten,
    place_of,
)
from .text import unfit_text
from .tolerance import MAX_SURE_DEPTH, is_deeper, tolerated, without_unknown
from .view_table import QUERY, record_of
from .violations import REPEATED, UNKNOWN_PARAMETER, annotate

if TYPE_CHECKING:
    from flask import Request

BODY = frozenset({"json", "json_or_form", "form"})
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class Parser(FlaskParser):
    """webargs' parser; a body that is not JSON is a 415, not a list of missing fields.

    Unknown fields are refused by name, in the query too, where every part of the view's query string is known. JSON
    bodies are limited to `max_bytes`, or to `BACKEND_API_MAX_JSON_BYTES`.
    """

    def __init__(self, *args: Any, max_bytes: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_bytes = max_bytes

    def limited_to(self, max_bytes: int) -> Self:
        """A parser like this one, for JSON bodies of another length."""
        parser = copy(self)
        parser._max_bytes = max_bytes  # noqa: SLF001 - of its own class
        return parser

    def pre_load(self, location_data: Any, *, schema: Schema, req: Request, location: str) -> Any:
        """Refuse what no schema looks at: unknown and repeated query parameters, text that cannot be stored."""
        record = record_of(req)
        if location in QUERY:
            if record.query is not None and not record.format.ignore_unknown:
                _refuse_unknown(req, record.query)
            _refuse_repeated(req, schema, location_data)
        if isinstance(location_data, (MultiDictProxy, MultiDict)):  # else JSON, or the path
            _refuse_unfit(_plain(location_data))
        elif location in BODY:
            if record.format.body_key is not None:
                location_data = _unwrapped(location_data, record.format.body_key)
            if record.format.ignore_unknown:
                location_data = without_unknown(location_data, schema)
        return location_data

    def handle_error(
        self,
        error: SchemaError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raise `InvalidInputError`, each detail with the kind of its violation."""
        [(location, messages)] = error.messages_dict.items()
        texts = record_of(req).format.messages or {}
        say_more = partial(annotate, schema, error.data, texts)
        details = flatten(messages, location=place_of(location), annotate=say_more)
        refusal = InvalidInputError(details=details, headers=error_headers)
        if error_status_code is not None:
            refusal.status = error_status_code
        raise refusal from error

    def load_json_or_form(self, req: Request, schema: Schema) -> Any:
        """A body that is not JSON has to be a form."""
        if is_json(req.mimetype):
            return self.load_json(req, schema)
        if _has_body(req) and req.mimetype not in FORM_TYPES:
            raise UnsupportedMediaTypeError("Send the body as application/json or as a form.")
        return self.load_form(req, schema)

    def _process_location_data(
        self,
        location_data: Any,
        schema: Schema,
        req: Request,
        location: str,
        unknown: str | None,
        validators: Any,
    ) -> Any:
        if location in BODY and unknown == self.unknown and record_of(req).format.ignore_unknown:
            unknown = tolerated(schema)
        try:
            return super()._process_location_data(location_data, schema, req, location, unknown, validators)
        except RecursionError as error:  # a schema that contains itself goes as deep as the data
            if is_deeper(location_data, MAX_SURE_DEPTH):
                raise MalformedJSONError("The request body is nested too deeply.") from error
            raise

    def _raw_load_json(self, req: Request) -> Any:
        if not is_json(req.mimetype):
            if _has_body(req):
                raise UnsupportedMediaTypeError("Send the body as application/json.")
            return missing
        limit = self._limit(req)
        body = req.get_data(cache=True)
        if not body:
            return missing
        if limit is not None and len(body) > limit:  # in chunks, or read by somebody before
            raise PayloadTooLargeError
        try:
            text = body.decode(json.detect_encoding(body))
            data = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:  # also an integer of too many digits, brackets too deep
            raise MalformedJSONError from error
        if "\\u" in text:  # the only way to write such a character in JSON
            _refuse_unfit(data)
        return data

    def _limit(self, req: Request) -> int | None:
        state = state_of(current_app)
        limit = self._max_bytes or (state.settings.api.max_json_bytes if state else None)
        if limit is not None and (req.max_content_length is None or req.max_content_length > limit):
            # What comes in chunks is cut off there without a word; one byte more tells.
            req.max_content_length = limit if req.content_length is not None else limit + 1
        return limit


def _unwrapped(data: Any, key: str) -> Any:
    inner = data.get(key, missing) if isinstance(data, Mapping) else missing
    if inner is missing:
        raise SchemaError({key: [fields.Field.default_error_messages["required"]]}, data={})
    return inner


def _refuse_unknown(req: Request, known: frozenset[str]) -> None:
    unknown = sorted(set(req.args) - known)
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        raise SchemaError(
            {name: [f"{UNKNOWN_PARAMETER} Allowed: {allowed}."] for name in unknown}, data=req.args
        )


def _refuse_repeated(req: Request, schema: Schema, data: Any) -> None:
    several = data.multiple_keys if isinstance(data, MultiDictProxy) else set()
    names = {field.data_key or name for name, field in schema.load_fields.items()} - several
    repeated = [name for name in names if len(req.args.getlist(name)) > 1]
    if repeated:
        raise SchemaError({name: [REPEATED] for name in sorted(repeated)}, data=req.args)


def _plain(values: Any) -> dict[str, Any]:
    """A multidict as a dict, of values that were given once as they are; headers hold nothing unfit."""
    lists = values.lists() if hasattr(values, "lists") else ()
    return {name: several[0] if len(several) == 1 else several for name, several in lists}


def _refuse_unfit(data: Any) -> None:
    unfit = unfit_text(data)
    if unfit:
        raise SchemaError(unfit, data={})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _has_body(req: Request) -> bool:
    return bool(req.content_length) or "chunked" in req.headers.get("Transfer-Encoding", "")
