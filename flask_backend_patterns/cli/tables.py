"""Tables for people: as wide as the terminal, never wider."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import click

from .text_layout import padded, width_of, wrapped

GAP: Final = 2
PIPED_WIDTH: Final = 120
MERGED_HEADER: Final = "MORE"
NARROWEST: Final = 40
MAX_DIGITS: Final = 6
# A column is not made narrower than its longest word, or than this.
NARROW_CELL: Final = 20
# With more lines a row than this, on average, the details go below the row instead.
MAX_MEAN_HEIGHT: Final = 1.6

LEFT_OUT: Final = (
    "Endpoints and the rest of long texts are left out here; see them with a wider terminal, or --json."
)

Item = TypeVar("Item")
Style = Mapping[str, Any]  # the options of `click.style`


@dataclass(frozen=True)
class Cell:
    """A text and how it is drawn on a terminal that has colours."""

    text: str
    style: Style | None = None
    short: str | None = None  # what to show where there is little room

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells under headers.

    Where they do not fit, the columns that hold least share one; else the `optional` column is left out and long texts
    are shortened; where that does not help, the first two lead and the rest goes below them, where the first `leading`
    need no header. Columns whose headers are `unmerged` stay by themselves.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    leading: int
    unmerged: frozenset[str] = frozenset()
    optional: str | None = None

    def lines(self, width: int) -> list[str]:
        """The table in at most `width` columns; styled, which `click.echo` takes off again where it is not wanted."""
        table = self._without_empty_columns()
        for choice in (table, table.narrowed().shortened()):
            for merged in choice.merges():
                grid = merged.grid(width)
                if grid is not None:
                    left_out = wrapped(LEFT_OUT, width) if choice is not table else []
                    return [*grid, *(["", *left_out] if left_out else [])]
        return table.stacked(width)

    def narrowed(self) -> Table:
        """Without the optional column."""
        if self.optional is None:
            return self
        place = self.headers.index(self.optional)
        return replace(
            self,
            headers=_without(self.headers, place),
            rows=[_without(row, place) for row in self.rows],
            leading=self.leading - (place < self.leading),
            optional=None,
        )

    def shortened(self) -> Table:
        """With the short form of each cell that has one."""
        rows = [
            [cell if cell.short is None else replace(cell, text=cell.short) for cell in row]
            for row in self.rows
        ]
        return replace(self, rows=rows)

    def merges(self) -> Iterator[Table]:
        """The table itself, then with more and more of its emptiest columns in one."""
        yield self
        places = [
            place
            for place, header in enumerate(self.headers)
            if place >= self.leading and header not in self.unmerged
        ]
        emptiest = sorted(places, key=lambda place: sum(bool(row[place].text) for row in self.rows))
        for count in range(2, len(emptiest) + 1):
            yield self._with_merged(sorted(emptiest[:count]))

    def grid(self, width: int) -> list[str] | None:
        """One row a row; None where that would be too narrow to read."""
        widths = self._fitting_widths(width)
        if widths is None or self._mean_height(widths) > MAX_MEAN_HEIGHT:
            return None
        head = [Cell(header, {"bold": True}) for header in self.headers]
        return [line for row in (head, *self.rows) for line in _row_lines(row, widths)]

    def _without_empty_columns(self) -> Table:
        kept = [
            place
            for place in range(len(self.headers))
            if place < self.leading or any(row[place].text for row in self.rows)
        ]
        return replace(
            self,
            headers=[self.headers[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
        )

    def _fitting_widths(self, width: int) -> list[int] | None:
        """The width of each column, the widest ones narrowed first; None when that leaves too little of them."""
        columns = [
            [header, *(row[place].text for row in self.rows)] for place, header in enumerate(self.headers)
        ]
        return fitting_widths(columns, width)

    def _mean_height(self, widths: Sequence[int]) -> float:
        heights = [
            max(len(wrapped(cell.text, column)) for cell, column in zip(row, widths, strict=True))
            for row in self.rows
        ]
        return sum(heights) / len(heights) if heights else 1

    def _with_merged(self, merged: Sequence[int]) -> Table:
        kept = [place for place in range(len(self.headers)) if place not in merged]
        return replace(
            self,
            headers=[*(self.headers[place] for place in kept), MERGED_HEADER],
            rows=[[*(row[place] for place in kept), self._merged_cell(row, merged)] for row in self.rows],
        )

    def _merged_cell(self, row: Sequence[Cell], merged: Sequence[int]) -> Cell:
        facts = self._facts(row, merged)
        style = next((fact.style for fact in facts if fact.style), None)
        return Cell("; ".join(fact.text for fact in facts), style)

    def _facts(self, row: Sequence[Cell], places: Iterable[int]) -> list[Cell]:
        """The cells that hold something, each with its header before it."""
        return [
            Cell(f"{self.headers[place].lower()}: {row[place].text}", row[place].style)
            for place in places
            if row[place].text
        ]

    def stacked(self, width: int) -> list[str]:
        """Two or more lines a row: the leading cells, and indented below what else there is, each with its header."""
        first = min(width // 3, max((width_of(row[0].text) for row in self.rows), default=0))
        indent = first + GAP
        lines = []
        for row in self.rows:
            lines += _row_lines(row[:2], [first, width - indent][: len(row)])
            facts = [cell for cell in row[2 : self.leading] if cell.text]
            facts += self._facts(row, range(self.leading, len(row)))
            lines += [" " * indent + line for line in _paragraph(facts, width - indent)]
        return lines


def fitting_widths(columns: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """How wide to make `columns` of texts (a header first) for a line of `width`; None when they cannot be."""
    widths = [max(map(width_of, texts)) for texts in columns]
    least = [
        max(width_of(texts[0]), min(NARROW_CELL, max(_longest_word(text) for text in texts)))
        for texts in columns
    ]
    room = width - GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        place = max(
            (place for place in range(len(widths)) if widths[place] > least[place]),
            key=lambda place: widths[place],
        )
        widths[place] -= 1
    return widths


def terminal_width() -> int:
    """`COLUMNS` if it is set, else that of the terminal, else 120; at least 40."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and len(asked) <= MAX_DIGITS and int(asked) > 0:
        return max(NARROWEST, int(asked))
    columns = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if sys.stdout.isatty() else PIPED_WIDTH
    return max(NARROWEST, columns)


def wants_colour(*, plain: bool) -> bool:
    """Only on a terminal that knows colours, unless the user has said no: the option, or `NO_COLOR` (no-color.org)."""
    if plain or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _without(items: Sequence[Item], place: int) -> list[Item]:
    return [*items[:place], *items[place + 1 :]]


def _longest_word(text: str) -> int:
    return max(map(width_of, text.split()), default=0)


def _row_lines(row: Sequence[Cell], widths: Sequence[int]) -> list[str]:
    parts = [wrapped(cell.text, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(map(len, parts))):
        texts = [part[number] if number < len(part) else "" for part in parts]
        last = max((place for place, text in enumerate(texts) if text), default=0)
        drawn = [
            _styled(Cell(text if place == last else padded(text, widths[place]), cell.style))
            for place, (text, cell) in enumerate(zip(texts, row, strict=True))
            if place <= last
        ]
        lines.append((" " * GAP).join(drawn))
    return lines


def _paragraph(facts: Sequence[Cell], width: int) -> list[str]:
    """The facts with semicolons between, in lines of `width`; one that does not fit in a line begins a new one."""
    lines: list[str] = []
    used = width
    for number, fact in enumerate(facts):
        text = fact.text + (";" if number < len(facts) - 1 else "")
        pieces = wrapped(text, width)
        if len(pieces) == 1 and used + 1 + width_of(text) <= width:
            lines[-1] += " " + _styled(Cell(text, fact.style))
            used += 1 + width_of(text)
        else:
            lines += [_styled(Cell(piece, fact.style)) for piece in pieces]
            used = width_of(pieces[-1])
    return lines


def _styled(cell: Cell) -> str:
    return click.style(cell.text, **cell.style) if cell.style and cell.text.strip() else cell.text
