"""Which text a database can store: not every string that JSON or a header can bring."""

from __future__ import annotations


def is_storable(text: str, *, max_length: int) -> bool:
    """Whether `text` has 1 to `max_length` characters, no NUL (PostgreSQL refuses it) and no half of a surrogate pair."""
    return 1 <= len(text) <= max_length and "\x00" not in text and is_encodable(text)


def is_encodable(text: str) -> bool:
    """Whether `text` can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
