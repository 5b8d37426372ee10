"""Pages of whatever a function fetches: another API, a search index, a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..._config import SetupError
from .cursors import Position
from .requests import CursorRequest
from .window import Entry

PAIR = 2


def items_and_total(answer: Any) -> tuple[Sequence[Any], int | None]:
    """What a function has returned: `items`, or `(items, total)`. Raises `SetupError` for anything else."""
    if isinstance(answer, tuple) and len(answer) == PAIR and _is_pair(*answer):
        return answer
    if not is_sequence(answer):
        raise SetupError(
            f"A function for pagination returned {type(answer).__name__}; return a list, or a list and its total."
        )
    return answer, None


def is_sequence(source: Any) -> bool:
    """Whether it can be counted and sliced, and is not text."""
    return isinstance(source, Sequence) and not isinstance(source, (str, bytes, bytearray))


def _is_pair(items: Any, total: Any) -> bool:
    return is_sequence(items) and isinstance(total, int) and not isinstance(total, bool)


@dataclass(frozen=True, kw_only=True)
class CallableSource:
    """`fetch(request)` gives up to `request.fetch_limit` items; their keys are read by `readers`."""

    fetch: Callable[[CursorRequest], Any]
    request: CursorRequest
    readers: Sequence[tuple[str, Callable[[Any], Any], bool]]

    def scan(self, position: Position | None, count: int) -> list[Entry]:
        """Call the function for up to `count` items."""
        request = replace(self.request, limit=max(count - 1, 1))
        if position is not None:
            names = (name for name, _, _ in self.readers)
            request = replace(
                request,
                after=dict(zip(names, position.values, strict=True)),
                inclusive=position.inclusive,
                backward=position.backward,
            )
        items, _ = items_and_total(self.fetch(request))
        return [Entry(item, tuple(read(item) for _, read, _ in self.readers)) for item in items[:count]]


def unknown_source(source: Any) -> str:
    """What to tell who paginates something else."""
    return f"Cannot paginate {type(source).__name__}; return a select(), a list, or a function that takes the request."
