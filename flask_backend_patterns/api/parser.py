"""Reads request input for `Blueprint.arguments`, with clear refusals of what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from flask import current_app
from marshmallow import EXCLUDE, Schema, fields, missing
from marshmallow import ValidationError as SchemaError
from webargs.core import is_json
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy

from .._state import state_of
from ..errors import (
    InvalidInputError,
    MalformedJSONError,
    UnsupportedMediaTypeError,
    flatten,
    place_of,
)
from .text import unfit_text
from .view_table import record_of
from .violations import UNKNOWN_PARAMETER, annotate

if TYPE_CHECKING:
    from flask import Request

QUERY = frozenset({"query", "querystring"})
BODY = frozenset({"json", "json_or_form"})


class Parser(FlaskParser):
    """webargs' parser; a body that is not JSON is a 415, not a list of missing fields.

    Unknown fields are refused by name, in the query too, where every part of the view's query string is known. JSON
    bodies are limited to `max_bytes`, or to `BACKEND_API_MAX_JSON_BYTES`.
    """

    def __init__(self, *args: Any, max_bytes: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_bytes = max_bytes

    def pre_load(self, location_data: Any, *, schema: Schema, req: Request, location: str) -> Any:
        """Refuse what no schema looks at: unknown and repeated query parameters, text that cannot be stored."""
        record = record_of(req)
        if location in QUERY:
            if record.query is not None and not record.format.ignore_unknown:
                _refuse_unknown(req, record.query)
            _refuse_repeated(req, schema, location_data)
        if location in BODY and record.format.body_key is not None:
            location_data = _unwrapped(location_data, record.format.body_key)
        if location not in BODY and isinstance(location_data, MultiDictProxy):
            _refuse_unfit(_plain(location_data.data))
        if record.format.ignore_unknown and location in BODY:
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

    def _raw_load_json(self, req: Request) -> Any:
        if not is_json(req.mimetype):
            if _has_body(req):
                raise UnsupportedMediaTypeError("Send the body as application/json.")
            return missing
        self._limit(req)
        body = req.get_data(cache=True)
        if not body:
            return missing
        try:
            data = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:  # also an integer of too many digits, brackets too deep
            raise MalformedJSONError from error
        if b"\\u" in body:  # the only way to write such a character in JSON
            _refuse_unfit(data)
        return data

    def _limit(self, req: Request) -> None:
        state = state_of(current_app)
        limit = self._max_bytes or (state.settings.api.max_json_bytes if state else None)
        if limit is not None and (req.max_content_length is None or req.max_content_length > limit):
            req.max_content_length = limit


def without_unknown(data: Any, schema: Schema) -> Any:
    """`data` with only the fields that `schema` loads, at every depth; marshmallow itself tolerates only the outermost."""
    if schema.many or not isinstance(data, Mapping):
        one = type(schema)(unknown=EXCLUDE) if schema.many else schema
        return [without_unknown(item, one) for item in data] if isinstance(data, list) else data
    known = {field.data_key or name: field for name, field in schema.load_fields.items()}
    return {key: _pruned(value, known[key]) for key, value in data.items() if key in known}


def _pruned(value: Any, field: Any) -> Any:
    if isinstance(field, fields.Nested):
        if isinstance(value, list):
            return [without_unknown(item, field.schema) for item in value]
        return without_unknown(value, field.schema)
    if isinstance(field, fields.List) and isinstance(value, list):
        return [_pruned(item, field.inner) for item in value]
    return value


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
        raise SchemaError({name: ["Give it once."] for name in sorted(repeated)}, data=req.args)


def _plain(values: Any) -> dict[str, Any]:
    """A multidict as a dict, of values that were given once as they are."""
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
