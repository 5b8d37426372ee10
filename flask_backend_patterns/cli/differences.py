"""How a file differs from what it should be, short enough for a terminal."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Self

MAX_SHOWN_LINES = 30
CONTEXT_LINES = 2


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Counts of lines that came and went, and the beginning of a unified diff."""

    added: int
    removed: int
    shown: tuple[str, ...]
    hidden: int  # lines of the diff that are not in `shown`

    @classmethod
    def between(cls, present: bytes, wanted: bytes) -> Self | None:
        """None when they are the same; the kind of line ends, which version control may change, does not count."""
        before, after = (_lines(content) for content in (present, wanted))
        if before == after:
            return None
        diff = list(difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm=""))[2:]
        return cls(
            added=sum(line.startswith("+") for line in diff),
            removed=sum(line.startswith("-") for line in diff),
            shown=tuple(diff[:MAX_SHOWN_LINES]),
            hidden=max(0, len(diff) - MAX_SHOWN_LINES),
        )

    def __str__(self) -> str:
        more = (f"... and {self.hidden:,} more lines",) if self.hidden else ()
        return "\n".join(
            (f"{_count(self.added)} to add, {_count(self.removed)} to remove.", *self.shown, *more)
        )


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").replace("\r\n", "\n").split("\n")


def _count(number: int) -> str:
    return f"{number:,} line" if number == 1 else f"{number:,} lines"
