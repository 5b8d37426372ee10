"""Reading products out of a CSV file: row by row, each bad row with a reason that names its column.

Knows neither database nor web. The same file always gives the same outcomes, which is what makes an import that was
interrupted able to go on.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from example_app.money import parse_price

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ("sku", "name", "description", "price", "stock")
MAX_NAME = 200
MAX_DESCRIPTION = 5_000
_SKU = re.compile(r"[A-Za-z0-9._-]{1,40}")
_STOCK = re.compile(r"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE = re.compile(r"[\t\r\n]")
_BROKEN_UTF8 = re.compile("[\udc80-\udcff]")


class HeaderError(ValueError):
    """The file cannot be imported at all; the text says why, for the person who sent it."""


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A row that can be stored."""

    sku: str
    name: str
    description: str
    price_cents: int
    stock: int


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot, with the reason."""

    reason: str


def read_products(path: Path) -> Iterator[tuple[int, ProductRow | RejectedRow]]:
    """Give (row number, outcome) for each data row, counted from 1; blank lines do not count.

    The file is read as a stream. UTF-8 with or without a byte order mark, any line ends. Raises `HeaderError` before
    the first row.
    """
    seen: dict[str, int] = {}
    # Broken bytes become surrogates, so that one bad row does not end the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        order = _read_header(reader)
        for number, cells in enumerate(_cells(reader), start=1):
            outcome = cells if isinstance(cells, RejectedRow) else _parse(cells, order)
            if isinstance(outcome, ProductRow):
                first = seen.setdefault(outcome.sku, number)
                if first != number:
                    outcome = RejectedRow(f"sku: {outcome.sku} is already in row {first}")
            yield number, outcome


def count_rows(path: Path) -> int:
    """How many data rows the file has, good and bad. Raises `HeaderError`."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        _read_header(reader)
        return sum(1 for _ in _cells(reader))


def _read_header(reader: Iterator[list[str]]) -> list[int]:
    """The position of each of `COLUMNS` in a row."""
    try:
        header = [cell.strip().lower() for cell in next(filter(None, reader), [])]
    except csv.Error:
        raise HeaderError("The first line is not a CSV header.") from None
    missing = [column for column in COLUMNS if column not in header]
    unknown = sorted({column for column in header if column not in COLUMNS})
    expected = f"expected: {','.join(COLUMNS)}"
    if not header:
        raise HeaderError(f"The file is empty; {expected}.")
    if missing and len(header) == 1 and set(COLUMNS) <= {cell.strip(' "') for cell in header[0].split(";")}:
        raise HeaderError("Columns are separated by commas; this file uses semicolons.")
    if missing:
        raise HeaderError(f"Missing in the first line: {', '.join(missing)}; {expected}.")
    if unknown:
        shown = ", ".join(_printable(column) for column in unknown[:5])
        raise HeaderError(f"Unknown in the first line: {shown}; {expected}.")
    if len(header) != len(COLUMNS):
        raise HeaderError(f"A column stands twice in the first line; {expected}.")
    return [header.index(column) for column in COLUMNS]


def _cells(reader: Iterator[list[str]]) -> Iterator[list[str] | RejectedRow]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # The reader goes on with the next line; the only cause left in lenient mode is its field limit.
            yield RejectedRow(f"row: a field is longer than {csv.field_size_limit()} characters")
            continue
        if row:
            yield row


def _parse(cells: list[str], order: list[int]) -> ProductRow | RejectedRow:
    if len(cells) != len(COLUMNS):
        return RejectedRow(f"row: {len(cells)} columns instead of {len(COLUMNS)}")
    sku, name, description, price, stock = (cells[position].strip() for position in order)
    for column, value in zip(COLUMNS, (sku, name, description, price, stock), strict=True):
        if _BROKEN_UTF8.search(value):
            return RejectedRow(f"{column}: not valid UTF-8")
        control = _CONTROL.search(value) or (_LINE.search(value) if column == "name" else None)
        if control:
            what = "NUL" if control[0] == "\0" else f"control (U+{ord(control[0]):04X})"
            return RejectedRow(f"{column}: contains a {what} character")
    price_cents = parse_price(price)
    problem = _problem(sku=sku, name=name, description=description, stock=stock)
    if problem is None and price_cents is None:
        problem = f"price: not an amount like 12.50: {_shorten(price)}"
    if problem is not None or price_cents is None:
        return RejectedRow(problem or "")
    return ProductRow(sku, name, description, price_cents, int(stock))


def _problem(*, sku: str, name: str, description: str, stock: str) -> str | None:
    if not _SKU.fullmatch(sku):
        return f"sku: not 1 to 40 of the characters A-Z a-z 0-9 . _ -: {_shorten(sku)}"
    if not name:
        return "name: empty"
    if len(name) > MAX_NAME:
        return f"name: longer than {MAX_NAME} characters"
    if len(description) > MAX_DESCRIPTION:
        return f"description: longer than {MAX_DESCRIPTION} characters"
    if not _STOCK.fullmatch(stock):
        return f"stock: not a whole number from 0 to 999999999: {_shorten(stock)}"
    return None


def _shorten(value: str, length: int = 40) -> str:
    return repr(value if len(value) <= length else value[:length] + "...")


def _printable(value: str) -> str:
    return _shorten(_BROKEN_UTF8.sub("?", value))
