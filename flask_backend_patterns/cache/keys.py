"""Turns arguments into text that is the same in every process, and different for different arguments (PITFALLS C5)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

MAX_KEY_CHARACTERS: Final = 240
_KEPT_CHARACTERS: Final = 120
_MARK: Final = "#"  # stands before the digest
_DIGEST: Final = 40
_MARKED: Final = _DIGEST + 1
_MAX_DEPTH: Final = 32
_MAX_DECIMAL_BITS: Final = 2000  # Python refuses to write longer integers as decimals


class UnstableKeyError(TypeError):
    """An argument has no text that is the same in every process; the message names it and what to do."""


def stable_text(value: Any) -> str:
    """`value` as text: equal for equal values of one type, different otherwise (1, "1", True and 1.0 differ).

    For str, bytes, numbers, None, Decimal, UUID, dates and times, Enum, classes, and tuples, lists, sets, dicts and
    dataclasses of them. Raises `UnstableKeyError` for anything else, and for what is nested too deeply.
    """
    return _text(value, 0)


class HashedName(str):
    """A name that `bounded` has made: it is not hashed again, which the same text from elsewhere is."""

    __slots__ = ()


def bounded(text: str) -> str:
    """`text` itself, or its beginning and a hash when it is long or cannot be sent: the name of a key or tag in a store.

    So a prefix of up to 120 characters finds long keys, too. A text that looks like such a name is hashed as well: no
    short one has the name of a long one.
    """
    is_short = len(text) <= MAX_KEY_CHARACTERS and (text.isascii() or _is_encodable(text))
    if (is_short and text[-_MARKED:-_DIGEST] != _MARK) or type(text) is HashedName:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST // 2).hexdigest()
    beginning = text[:_KEPT_CHARACTERS].encode("utf-8", "replace").decode()
    return HashedName(f"{beginning}{_MARK}{digest}")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any, depth: int) -> str:
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if depth > _MAX_DEPTH:
        raise UnstableKeyError("it is nested too deeply")
    write_nested = _NESTED_WRITERS.get(type(value))
    if write_nested is not None:
        return write_nested(value, depth + 1)
    return _text_of_object(value, depth + 1)


def _text_of_object(value: Any, depth: int) -> str:
    kind = type(value)
    if isinstance(value, enum.Enum):
        return (
            f"E{_name(kind)}.{_quoted(value.name or str(value.value))}"  # a combination of flags has no name
        )
    if isinstance(value, type):
        return f"T{_name(value)}"
    if dataclasses.is_dataclass(value):
        fields = (
            f"{field.name}={_text(getattr(value, field.name), depth)}" for field in dataclasses.fields(value)
        )
        return f"{_name(kind)}({','.join(fields)})"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _name(kind) + _sequence(value, depth)
    raise UnstableKeyError(f"{kind.__module__}.{kind.__qualname__} has no stable key")


def _name(kind: type) -> str:
    return _quoted(f"{kind.__module__}.{kind.__qualname__}")


def _quoted(text: str) -> str:
    if "'" in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _integer(value: int) -> str:
    return str(value) if value.bit_length() < _MAX_DECIMAL_BITS else hex(value)


def _sequence(values: Any, depth: int) -> str:
    return "(" + ",".join([_text(value, depth) for value in values]) + ")"


def _list(values: Any, depth: int) -> str:
    return "L" + _sequence(values, depth)


def _set(values: Any, depth: int) -> str:
    return "S(" + ",".join(sorted(_text(value, depth) for value in values)) + ")"


def _frozenset(values: Any, depth: int) -> str:
    return "F" + _set(values, depth)


def _dict(values: Any, depth: int) -> str:
    items = sorted(f"{_text(key, depth)}:{_text(value, depth)}" for key, value in values.items())
    return "{" + ",".join(items) + "}"


def _datetime(value: dt.datetime) -> str:
    return f"t{value.isoformat()}{'f' if value.fold else ''}"


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: _quoted,
    int: _integer,
    bool: repr,
    type(None): repr,
    float: lambda value: f"f{value!r}",
    complex: lambda value: f"c{value!r}",
    bytes: lambda value: f"b{value.hex()}",
    Decimal: lambda value: f"D{value}",
    UUID: lambda value: f"U{value.hex}",
    dt.date: lambda value: f"d{value.isoformat()}",
    dt.datetime: _datetime,
    dt.time: lambda value: f"T{value.isoformat()}{'f' if value.fold else ''}",
    dt.timedelta: lambda value: f"P{value.days},{value.seconds},{value.microseconds};",
}
_NESTED_WRITERS: Final[dict[type, Callable[[Any, int], str]]] = {
    tuple: _sequence,
    list: _list,
    set: _set,
    frozenset: _frozenset,
    dict: _dict,
}
