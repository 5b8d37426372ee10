"""Finds text that databases and encoders choke on: the NUL character, and surrogates without their other half.

PostgreSQL stores neither, and a view that passed them on would answer 500 to a client's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

UNFIT = re.compile("[\x00\ud800-\udfff]")
MESSAGE = "Contains a character that cannot be stored (NUL, or half of a surrogate pair)."
MAX_FOUND = 20


def unfit_text(data: Any) -> dict[str, Any]:
    """Nested messages, as marshmallow has them, about the unfit strings and keys in `data`; empty when all is well."""
    messages: dict[str, Any] = {}
    for count, path in enumerate(_unfit_paths(data)):
        if count == MAX_FOUND:
            break
        place = messages
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1] if path else "_schema"] = [MESSAGE]
    return messages


def _unfit_paths(data: Any) -> Iterator[tuple[str, ...]]:
    """Where they are; an unfit key is told by the object that has it. Not recursive: data may be nested deeply."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            if UNFIT.search(value):
                yield path
        elif isinstance(value, Mapping):
            if any(isinstance(key, str) and UNFIT.search(key) for key in value):
                yield path
            else:
                waiting += [((*path, str(key)), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, str(index)), item) for index, item in enumerate(value)]
