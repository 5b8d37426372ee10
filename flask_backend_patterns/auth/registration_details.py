"""What somebody sends to register, beside login and password: checked against the columns before it is stored."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, String

from .stored_text import is_encodable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Mapper
    from sqlalchemy.types import TypeEngine

_MAX_INTEGER: Final = 2**63 - 1  # what drivers can send
# Type of column, what it takes, and how that is called.
_KINDS: Final[tuple[tuple[type[TypeEngine[Any]], tuple[type, ...], str], ...]] = (
    (Boolean, (bool,), "true or false"),
    (String, (str,), "text"),
    (Integer, (int,), "a whole number"),
    (Numeric, (int, float, Decimal), "a number"),
    (DateTime, (datetime,), "a date and time"),
    (Date, (date,), "a date"),
)


def detail_problems(
    mapper: Mapper[Any], details: Mapping[str, Any], *, allowed: Collection[str]
) -> list[dict[str, str]]:
    """What is wrong with `details` (attributes by name), as details of a `ValidationError`; None counts as left out.

    The database's own complaint would not say which one it is, and would look like a fault of ours.
    """
    problems = []
    for name, value in details.items():
        complaint = "Unknown field." if name not in allowed else _complaint(mapper, name, value)
        if complaint is not None:
            problems.append({"field": name, "message": complaint})
    return problems


def _complaint(mapper: Mapper[Any], name: str, value: Any) -> str | None:
    if isinstance(value, str) and ("\x00" in value or not is_encodable(value)):
        return "Contains characters that cannot be stored."
    column = mapper.columns.get(name)
    if column is None or value is None:
        return None
    for kind, taken, called in _KINDS:
        if isinstance(column.type, kind):
            is_number_like_truth = isinstance(value, bool) and bool not in taken
            if not isinstance(value, taken) or is_number_like_truth:
                return f"Expected {called}."
    if isinstance(column.type, String) and column.type.length is not None and len(value) > column.type.length:
        return f"Longer than {column.type.length} characters."
    if isinstance(column.type, Integer) and abs(value) > _MAX_INTEGER:
        return "The number is too large."
    return None
