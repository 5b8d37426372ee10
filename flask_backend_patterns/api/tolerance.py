"""Leaves out the fields of a JSON body that no schema loads, for APIs whose clients may send more than is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, fields
from marshmallow.decorators import PRE_LOAD

# No honest body is deeper, and none of this depth exhausts the stack.
MAX_SURE_DEPTH = 32


def tolerated(schema: Schema) -> str:
    """What marshmallow does with unknown fields of the body itself: drops them, or what the schema says."""
    wanted: str = schema.unknown
    return EXCLUDE if wanted == RAISE else wanted


def without_unknown(data: Any, schema: Schema) -> Any:
    """`data` without the unknown fields of the objects in it; marshmallow itself tolerates only the outermost.

    A schema that says itself what becomes of them (`INCLUDE`), or has `pre_load` hooks, gets its object whole.
    """
    return _each(data, schema, many=schema.many, unknown=EXCLUDE)


def is_deeper(data: Any, depth: int) -> bool:
    """Whether objects and lists are nested in `data` further than `depth`."""
    level = [data]
    for _ in range(depth):
        level = [inner for value in level for inner in _inside(value)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    found = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [inner for inner in found if isinstance(inner, (Mapping, list))]


def _each(data: Any, schema: Schema, *, many: bool, unknown: str) -> Any:
    if many:
        return [_one(item, schema, unknown) for item in data] if isinstance(data, list) else data
    return _one(data, schema, unknown)


def _one(data: Any, schema: Schema, unknown: str) -> Any:
    if not isinstance(data, Mapping) or schema._hooks.get(PRE_LOAD):  # noqa: SLF001 - not to be seen otherwise
        return data
    known = {field.data_key or name: field for name, field in schema.load_fields.items()}
    return {
        key: _value(value, known[key]) if key in known else value
        for key, value in data.items()
        if key in known or unknown != RAISE
    }


def _value(value: Any, field: Any) -> Any:
    if isinstance(field, fields.Nested):
        schema = field.schema
        return _each(
            value, schema, many=bool(schema.many or field.many), unknown=field.unknown or schema.unknown
        )
    if isinstance(field, fields.List) and isinstance(value, list):
        return [_value(item, field.inner) for item in value]
    if isinstance(field, fields.Tuple) and isinstance(value, list):
        rest = value[len(field.tuple_fields) :]
        return [_value(item, inner) for item, inner in zip(value, field.tuple_fields, strict=False)] + rest
    if isinstance(field, fields.Dict) and isinstance(value, Mapping):
        return {key: _value(item, field.value_field) for key, item in value.items()}
    return value
