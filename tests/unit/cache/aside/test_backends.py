"""`@cached` over the app's Flask-Caching backend, with a schema, and counted in the metric."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from flask import Flask
from flask_caching import Cache
from marshmallow import Schema, fields, post_load

from flask_backend_patterns import (
    BackendPatterns,
    UncacheableValueError,
    cached,
    get_many_or_load,
    invalidate,
)


@dataclass(frozen=True)
class Price:
    amount: Decimal


class Item:
    """Not plain data."""

    def __init__(self, name, price):
        self.name = name
        self.price = price


class ItemSchema(Schema):
    name = fields.String()
    price = fields.Decimal(as_string=True)

    @post_load
    def make(self, data, **_options):
        return Item(**data)


def make_app(**config):
    app = Flask("backends")
    app.config.update(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics", **config)
    if "CACHE_TYPE" in config:
        Cache(app)
    BackendPatterns(app)
    return app


@pytest.mark.parametrize("kind", ["SimpleCache", "FileSystemCache"])
def test_cached_over_a_backend_of_flask_caching(kind, tmp_path):
    """Once loaded, kept with its types, forgotten by tag and key, also when many are asked for."""
    app, loads = make_app(CACHE_TYPE=kind, CACHE_DIR=str(tmp_path), CACHE_THRESHOLD=100_000), []

    @cached(key="p:{number}", tags=["prices"], near=False)
    def price(number: int) -> Price | None:
        loads.append(number)
        return Price(Decimal(number)) if number else None

    with app.app_context():
        assert [price(1), price(1), price(0), price(0)] == [Price(Decimal(1))] * 2 + [None] * 2
        assert loads == [1, 0]
        invalidate(tags=["prices"])
        assert price(1) == Price(Decimal(1))
        price.invalidate(1)
        assert price(1) == Price(Decimal(1))
        assert loads == [1, 0, 1, 1]
        for expected in (["a", "b"], [], ["b"]):
            asked = []
            found = get_many_or_load(
                ["a", "b"], lambda names, asked=asked: asked.extend(names) or dict.fromkeys(names, 1)
            )
            assert (found, asked) == ({"a": 1, "b": 1}, expected)
            invalidate(keys=["b"] if not expected else [])


def test_a_schema_dumps_and_loads_what_is_kept():
    """An object that is no plain data comes back as the schema makes it, a new one for each caller."""
    app, loads = make_app(), []

    @cached(key="i", schema=ItemSchema())
    def item():
        loads.append(1)
        return Item("tea", Decimal("1.10"))

    @cached(key="j")
    def without():
        return Item("tea", Decimal("1.10"))

    with app.app_context():
        first, second = item(), item()
        assert (second.name, second.price) == ("tea", Decimal("1.10"))
        assert second is not first
        assert len(loads) == 1
        with pytest.raises(UncacheableValueError, match="schema="):
            without()


def test_each_call_is_counted_in_the_metric():
    """By name and result, as Prometheus reads it."""
    app = make_app()

    @cached(key="m", name="the item")
    def item() -> list[int]:
        return [1]

    @cached(key="e", name="broken")
    def broken() -> int:
        raise LookupError

    with app.app_context():
        for _ in range(4):
            item()
        item.fresh()
        with pytest.raises(LookupError):
            broken()
    lines = app.test_client().get("/metrics").text.splitlines()
    counted = {
        line
        for line in lines
        if line.startswith("backend_cache_requests_total{") and not line.endswith(" 0.0")
    }
    start = "backend_cache_requests_total"
    assert counted == {
        f'{start}{{name="the item",result="miss"}} 1.0',
        f'{start}{{name="the item",result="near"}} 3.0',
        f'{start}{{name="the item",result="hit"}} 1.0',
        f'{start}{{name="broken",result="error"}} 1.0',
    }
