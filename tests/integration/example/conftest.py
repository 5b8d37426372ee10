"""The shop on a database of its own, once on SQLite and once on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from example_app import create_app
from example_app.extensions import db
from example_app.models import Product, User
from example_app.transactions import write_transaction


@pytest.fixture
def shop_app(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The app with its tables, outside any context."""
    app = create_app(
        {
            "SHOP_INSTANCE": tmp_path / "instance",
            "SQLALCHEMY_DATABASE_URI": database_url,
            "BACKEND_REDIS_URL": redis_url,
            "TESTING": True,
        }
    )
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["example_app.queue"].connection.close()


@pytest.fixture
def shop(shop_app: Flask) -> Iterator[Flask]:
    """The app, inside a context of it."""
    with shop_app.app_context():
        yield shop_app


@pytest.fixture
def stock(shop: Flask) -> Callable[..., dict[str, int]]:
    """Put two users and products with so many pieces each into the shop."""

    def put(**pieces: int) -> dict[str, int]:
        with write_transaction() as session:
            session.add_all(
                User(email=f"{name}@shop.example", name=name.title(), role=role)
                for name, role in (("ann", "customer"), ("bob", "customer"), ("eve", "admin"))
            )
            products = [
                Product(sku=sku, name=f"Thing {sku}", description="", price_cents=250, stock=count)
                for sku, count in pieces.items()
            ]
            session.add_all(products)
            session.flush()
            return {product.sku: product.id for product in products}

    return put
