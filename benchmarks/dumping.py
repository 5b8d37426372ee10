"""CPU time of dumping lists: the compiled plan beside `schema.dump`, orjson beside the json of `jsonify`.

`python -m benchmarks.dumping` prints the table; `measure()` gives the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

from flask import Flask
from marshmallow import Schema, fields
from sqlalchemy import PickleType
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns._json import dump as dump_json
from flask_backend_patterns.api.dumping import compiled_dump

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (20, 1_000)
ROUNDS = 7
ROWS_A_ROUND = 10_000
# Issue 3, item 8
MIN_RATIO = 3.0


class SixPlain(Schema):
    id = fields.Integer()
    price = fields.Integer()
    stock = fields.Integer()
    name = fields.String()
    sku = fields.String()
    note = fields.String()


class WithDatetime(SixPlain):
    note = fields.DateTime()


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "benchmark_items"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]
    stock: Mapped[int]
    name: Mapped[str]
    sku: Mapped[str]
    note: Mapped[Any] = mapped_column(PickleType)


class Plain:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


def row(**values: object) -> Any:
    result: IteratorResult[Any] = IteratorResult(
        SimpleResultMetaData(list(values)), iter([tuple(values.values())])
    )
    return result.one()


KINDS: dict[str, Callable[..., Any]] = {"entities": Item, "objects": Plain, "dicts": dict, "rows": row}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One line of the table: CPU microseconds a row, median of the rounds; `ratio` is the median of theirs."""

    name: str
    size: int
    before_us: float
    after_us: float
    ratio: float


def measure() -> list[Comparison]:
    """Each pair is called in interleaved rounds on the same rows; equal output is checked before."""
    comparisons = []
    for schema, title in ((SixPlain(), "6 plain"), (WithDatetime(), "5 plain, 1 datetime")):
        for kind, make in KINDS.items():
            for size in SIZES:
                rows = [make(**values(number, schema)) for number in range(size)]
                before, after = (
                    partial(schema.dump, rows, many=True),
                    partial(compiled_dump(schema), rows, many=True),
                )
                comparisons.append(compare(f"dump {kind}, {title}", size, before, after))
    return comparisons + measure_json()


def measure_json() -> list[Comparison]:
    """What an answer's text costs once the rows are dumped; the two texts differ in spaces only."""
    to_json = Flask(__name__).json.dumps
    comparisons = []
    for size in SIZES:
        rows = SixPlain(many=True).dump([values(number, SixPlain()) for number in range(size)])
        comparisons.append(
            compare("json", size, partial(to_json, rows), partial(dump_json, rows), is_equal=False)
        )
    return comparisons


def values(number: int, schema: Schema) -> dict[str, object]:
    has_datetime = isinstance(schema.fields["note"], fields.DateTime)
    note = datetime(2024, 5, 6, 7, 8, 9, number, tzinfo=UTC) if has_datetime else "in the second aisle"
    return {
        "id": number + 1,
        "price": number * 100,
        "stock": 7,
        "name": f"Item {number}",
        "sku": f"SKU-{number}",
        "note": note,
    }


def compare(
    name: str, size: int, before: Callable[[], Any], after: Callable[[], Any], *, is_equal: bool = True
) -> Comparison:
    if is_equal and before() != after():
        raise RuntimeError(f"{name}: the results differ")
    repeats = ROWS_A_ROUND // size
    rounds = [(cpu_us(before, repeats) / size, cpu_us(after, repeats) / size) for _ in range(ROUNDS)]
    return Comparison(
        name=name,
        size=size,
        before_us=median(first for first, _ in rounds),
        after_us=median(second for _, second in rounds),
        ratio=median(first / second for first, second in rounds),
    )


def cpu_us(call: Callable[[], Any], repeats: int) -> float:
    started = process_time()
    for _ in range(repeats):
        call()
    return (process_time() - started) / repeats * 1e6


def table(comparisons: list[Comparison]) -> bool:
    """Print the figures; whether dumping 6 plain fields is at least `MIN_RATIO` times as fast."""
    print(
        "\nDumping: CPU us a row, marshmallow's `schema.dump` and the compiled plan; then jsonify's json and orjson"
    )
    for one in comparisons:
        print(
            f"  {one.name:<36}{one.size:>6} rows {one.before_us:7.2f} -> {one.after_us:5.2f}  x{one.ratio:.1f}"
        )
    kept = all(one.ratio >= MIN_RATIO for one in comparisons if "6 plain" in one.name)
    print(f"Budget, 6 plain fields: at least x{MIN_RATIO:.0f}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    raise SystemExit(0 if table(measure()) else 1)
