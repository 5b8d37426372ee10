"""Tells what kind of rule a marshmallow message is about, and says it in the API's own words.

marshmallow gives texts only. Its own texts are templates on the field and its validators, so the kind is found by
looking which of them made the text: after the failure, at no cost for input that is fine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError, fields, missing, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

# `required` is an absent field, `null` a null, `blank` an empty string that may not be empty.
KINDS = frozenset(
    {
        *(
            "required",
            "null",
            "blank",
            "unknown",
            "repeated",
            "invalid",
            "too_short",
            "too_long",
            "wrong_length",
        ),
        *("too_small", "too_large", "not_allowed", "format", "not_equal"),
    }
)
_OUT_OF_BOUNDS = "out_of_bounds"  # until it is known on which side
_FIELD_KINDS = {"required": "required", "null": "null", "unknown": "unknown"}
UNKNOWN_PARAMETER = "Unknown parameter."
REPEATED = "Give it once."
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def annotate(
    schema: Schema, data: Any, texts: Mapping[str, str], path: tuple[str, ...], message: str
) -> dict[str, str]:
    """The `kind` of the message at `path`, and its `message` in the words of `texts` where they have that kind."""
    field, value = _find(schema, data, path)
    kind, known = _kind(field, value, message) if field is not None else (_kind_beside(schema, message), {})
    text = texts.get(kind)
    if text is None:
        return {"kind": kind}
    return {
        "kind": kind,
        "message": _filled(text, {**known, "input": value, "field": path[-1] if path else ""}),
    }


def _filled(text: str, known: Mapping[str, Any]) -> str:
    """`text` with what its `{names}` stand for; anything else stays as it is written."""
    return _PLACEHOLDER.sub(lambda found: str(known.get(found[1], found[0])), text)


def _find(schema: Any, data: Any, path: Sequence[str]) -> tuple[Any, Any]:
    """The field (or schema) at `path`, and the input there (`missing` when there is none)."""
    place: Any = schema
    for part in path:
        if isinstance(place, fields.Nested):
            place = place.schema
        place, data = _step(place, data, part)
    return place, data


def _step(place: Any, data: Any, part: str) -> tuple[Any, Any]:
    """One part of a path further in."""
    if isinstance(place, Schema):
        if part.isdecimal() and isinstance(data, Sequence) and not isinstance(data, str):
            return place, _item(data, part)  # of a schema for many
        return _field_called(place, part), _value(data, part)
    if isinstance(place, fields.List):
        return place.inner, _item(data, part)
    if isinstance(place, fields.Dict):
        return (place.key_field, place.value_field), _value(data, part)
    if isinstance(place, tuple):  # what marshmallow puts below the key of a dict
        return place[part == "value"], data
    return None, missing


def _value(data: Any, name: str) -> Any:
    return data.get(name, missing) if isinstance(data, Mapping) else missing


def _field_called(schema: Schema, wire_name: str) -> Any:
    named = (field for name, field in schema.fields.items() if wire_name in (field.data_key or name, name))
    return next(named, None)


def _item(data: Any, index: str) -> Any:
    within = isinstance(data, Sequence) and index.isdecimal() and int(index) < len(data)
    return data[int(index)] if within else missing


def _kind(field: Any, value: Any, message: str) -> tuple[str, Mapping[str, Any]]:
    if message == REPEATED:
        return "repeated", {}
    for kind, template, validator in _templates(field):
        if _made_by(template, message):
            found = _side(validator, field, value) if kind == _OUT_OF_BOUNDS else kind
            is_blank = value == "" and found in {"too_short", "invalid", "wrong_length", "format"}
            return ("blank" if is_blank else found), getattr(validator, "__dict__", {})
    return ("blank" if value == "" else "invalid"), {}


def _kind_beside(schema: Schema, message: str) -> str:
    """The kind of a message about something that is no field of the schema."""
    if message == fields.Field.default_error_messages["required"]:
        return "required"
    return (
        "unknown" if message.startswith((UNKNOWN_PARAMETER, schema.error_messages["unknown"])) else "invalid"
    )


def _templates(field: Any) -> Iterator[tuple[str, str, Any]]:
    """(kind, template, validator) of every message that the field can give."""
    otherwise = "format" if isinstance(field, (fields.Email, fields.Url)) else "invalid"
    for key, template in getattr(field, "error_messages", {}).items():
        yield _FIELD_KINDS.get(key, otherwise), str(template), None
    for validator in _flat(getattr(field, "validators", ())):
        own = getattr(validator, "error", None)
        for kind, template in _of_validator(validator):
            yield kind, str(own or template), validator


def _flat(validators: Sequence[Any]) -> Iterator[Any]:
    for validator in validators:
        if isinstance(validator, validate.And):
            yield from _flat(validator.validators)
        else:
            yield validator


def _of_validator(validator: Any) -> list[tuple[str, str]]:
    if isinstance(validator, (validate.Length, validate.Range)):
        texts = [(_OUT_OF_BOUNDS, getattr(validator, f"message_{name}")) for name in ("min", "max", "all")]
        equal = getattr(validator, "message_equal", None)
        return [*texts, ("wrong_length", equal)] if equal else texts
    if isinstance(
        validator, (validate.OneOf, validate.ContainsOnly, validate.NoneOf, validate.ContainsNoneOf)
    ):
        return [("not_allowed", validator.default_message)]
    if isinstance(validator, validate.Equal):
        return [("not_equal", validator.default_message)]
    if isinstance(validator, (validate.Regexp, validate.Email, validate.URL)):
        return [("format", validator.default_message)]
    return [("invalid", getattr(validator, "default_message", ""))]


def _side(validator: validate.Length | validate.Range, field: Any, value: Any) -> str:
    """On which side of its bounds the value is; both sides may share a text."""
    is_length = isinstance(validator, validate.Length)
    if getattr(validator, "equal", None) is not None:
        return "wrong_length"
    low = validator.min
    if low is not None and (validator.max is None or _is_below(low, field, value, is_length=is_length)):
        return "too_short" if is_length else "too_small"
    return "too_long" if is_length else "too_large"


def _is_below(low: Any, field: Any, value: Any, *, is_length: bool) -> bool:
    try:
        seen = field._deserialize(value, None, None)  # noqa: SLF001 - what the validator saw: a date, not its text
        return bool(len(seen) < low if is_length else seen <= low)
    except (ValidationError, TypeError, ValueError):  # another rule with the same text
        return False


def _made_by(template: str, message: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in _PLACEHOLDER.split(template)[::2])
    return bool(template) and re.fullmatch(pattern, message, re.DOTALL) is not None
