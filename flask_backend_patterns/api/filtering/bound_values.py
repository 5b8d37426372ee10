"""Makes what a client sent fit the column that it is compared with, so that no database can choke on it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from marshmallow import ValidationError
from sqlalchemy import Float, Integer, String, literal, types
from sqlalchemy.sql.elements import ColumnElement

from ..paging.exact_types import ExactNumber, as_bound

# What each integer type holds on PostgreSQL; the same is taken on SQLite, so that both answer alike.
INTEGER_BITS = ((types.SmallInteger, 16), (types.BigInteger, 64), (types.Integer, 32))
WIDEST_BITS = 64
# PostgreSQL's numeric has 131,072 digits before the point and 16,383 after it.
MAX_DECIMAL_PLACES = 1_000
SMALLEST_REAL, LARGEST_REAL = 1e-45, 3.4028235e38


def integer_range(kind: Any) -> tuple[int, int]:
    """The integers that can be compared with a column of type `kind`; 64 bits where it says nothing."""
    bits = next((bits for types_, bits in INTEGER_BITS if isinstance(kind, types_)), WIDEST_BITS)
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def fitting(value: Any, kind: Any) -> Any:
    """`value` as something that can be compared with a column of type `kind` (None: there is no column).

    Raises marshmallow's `ValidationError` for a value that cannot be.
    """
    if isinstance(value, Decimal):
        _require_size(value)
    elif isinstance(value, datetime):
        value = _utc(value)
    elif isinstance(value, time) and value.tzinfo is not None:
        raise ValidationError("Must have no time zone.")
    if isinstance(kind, types.Enum):
        return _member(value, kind)
    if isinstance(kind, String) and not isinstance(value, str):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(kind, Float) and isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, types.DateTime):
        return as_datetime(value, aware=kind.timezone)
    if isinstance(kind, types.Date) and isinstance(value, datetime):
        return value.date()
    return value


def as_datetime(value: Any, *, aware: bool) -> Any:
    """A date as midnight; without a zone UTC is meant, and taken off again where there is none on the other side."""
    if not isinstance(value, date):
        return value
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if aware:
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def alongside(value: Any, found: Any) -> Any:
    """`value` as something that can be compared with `found`, an item's date or time."""
    if isinstance(value, (list, tuple)):
        return [alongside(one, found) for one in value]
    if isinstance(found, datetime):
        return as_datetime(value, aware=found.tzinfo is not None)
    if isinstance(found, date) and isinstance(value, datetime):
        return value.date()
    return value


def bound(column: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    """`value` as a parameter that is neither rounded nor refused for the column's precision."""
    if isinstance(column.type, Integer) and isinstance(value, Decimal):
        return literal(value, ExactNumber())
    if isinstance(value, float) and not (isinstance(column.type, Float) and _fits_real(value)):
        return literal(value, Float())
    return as_bound(column, value)


def _fits_real(value: float) -> bool:
    """Whether PostgreSQL makes a REAL of it; what would become infinite or zero it refuses."""
    return value == 0 or not math.isfinite(value) or SMALLEST_REAL <= abs(value) <= LARGEST_REAL


def _require_size(value: Decimal) -> None:
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -MAX_DECIMAL_PLACES
        or value.adjusted() > MAX_DECIMAL_PLACES
    ):
        raise ValidationError(f"Must have at most {MAX_DECIMAL_PLACES} digits before and after the point.")


def _utc(value: datetime) -> datetime:
    try:
        return value if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValidationError("Must be within the years 1 to 9999 in UTC.") from error


def _member(value: Any, kind: types.Enum) -> Any:
    name = value.name if isinstance(value, Enum) and kind.enum_class is not None else value
    name = name.value if isinstance(name, Enum) else name
    if name not in kind.enums:
        raise ValidationError(f"Must be one of: {', '.join(map(str, kind.enums))}.")
    return name if kind.enum_class is None else kind.enum_class[name]
