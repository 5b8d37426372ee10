"""The values inside a cursor, as JSON that keeps their types: what a database gives back is compared exactly."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from ..._config import SetupError

# Text, booleans and None are written as they are; everything else as [mark, text].
WRITERS: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (int, "i", hex),  # decimal digits are limited to 4,300 by Python
    (float, "f", float.hex),
    (Decimal, "d", str),
    (datetime, "t", datetime.isoformat),
    (date, "D", date.isoformat),
    (time, "T", time.isoformat),
    (timedelta, "p", lambda span: f"{span.days},{span.seconds},{span.microseconds}"),
    (UUID, "u", str),
    (bytes, "b", lambda raw: base64.b64encode(raw).decode()),
)
READERS: Mapping[str, Callable[[str], Any]] = {
    "i": lambda text: int(text, 16),
    "f": float.fromhex,
    "d": Decimal,
    "t": datetime.fromisoformat,
    "D": date.fromisoformat,
    "T": time.fromisoformat,
    "p": lambda text: timedelta(*map(int, text.split(","))),
    "u": UUID,
    "b": lambda text: base64.b64decode(text, validate=True),
}


def write_value(value: Any) -> Any:
    """`value` in JSON's own types; raises `SetupError` for a type that a cursor cannot carry.

    An Enum is written as its member's name.
    """
    if isinstance(value, Enum):
        return ["e", value.name]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (memoryview, bytearray)):
        value = bytes(value)
    for kind, mark, write in WRITERS:
        if isinstance(value, kind):
            return [mark, write(value)]
    raise SetupError(
        f"A cursor cannot carry {type(value).__name__}; sort by text, numbers, dates, UUIDs, enums or bytes."
    )


def read_value(written: Any, enum: type[Enum] | None = None) -> Any:
    """What `write_value` was given; `enum` is the class of a member. Raises `ValueError` for anything else."""
    if written is None or isinstance(written, (bool, str)):
        return written
    match written:
        case ["e", str(name)] if enum is not None and name in enum.__members__:
            return enum[name]
        case [str(mark), str(text)] if mark in READERS:
            try:
                return READERS[mark](text)
            except (ValueError, TypeError, OverflowError, InvalidOperation, binascii.Error) as error:
                raise ValueError(f"not a value of kind {mark}") from error
    raise ValueError("not a value of a cursor")
