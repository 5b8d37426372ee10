"""The shop on a database of its own, once on SQLite and once on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from example_app import create_app
from example_app.extensions import db
from example_app.models import Product, User
from example_app.transactions import write_transaction
from flask_backend_patterns.testing.postgres_server import fresh_schema

from .logins import CHEAP_PASSWORDS, SECRET
from .staged_shop import Stage
from .tables import make_tables

PEOPLE_PER_ROLE = 1_000


@pytest.fixture
def shop_settings() -> dict[str, object]:
    """What a test wants otherwise; the test client's address is not limited unless a test is about that."""
    return {"BACKEND_LIMITS_EXEMPT_ADDRESSES": ["127.0.0.1"]}


@pytest.fixture
def migrate() -> Callable[[], None]:
    """What makes the tables; tests of the migrations themselves run these each time."""
    return make_tables


@pytest.fixture
def shop_app(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    shop_settings: dict[str, object],
    migrate: Callable[[], None],
) -> Iterator[Flask]:
    """The app with its tables, outside any context."""
    app = create_app(
        {
            "SHOP_INSTANCE": tmp_path / "instance",
            "SQLALCHEMY_DATABASE_URI": database_url,
            "BACKEND_REDIS_URL": redis_url,
            "BACKEND_REDIS_TIMEOUT_SECONDS": 5.0,  # a busy machine is no outage
            "JWT_SECRET_KEY": SECRET,
            **CHEAP_PASSWORDS,
            **shop_settings,
            "TESTING": True,
        }
    )
    with app.app_context():
        migrate()
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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request, redis_server, tmp_path_factory) -> Iterator[Stage]:
    """A shop full of people, on each database, for all tests of the module."""
    folder = tmp_path_factory.mktemp("staged")
    redis_server.reset()
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'shop.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_server")))
        app = create_app(
            {
                "SHOP_INSTANCE": folder / "instance",
                "SQLALCHEMY_DATABASE_URI": url,
                "BACKEND_REDIS_URL": redis_server.url,
                "JWT_SECRET_KEY": SECRET,
                # All come from one address. Who is known by name stays limited: nobody asks that often here.
                "BACKEND_AUTH_FAILURES_PER_ADDRESS": "100000/minute",
                "BACKEND_LIMITS_EXEMPT_ADDRESSES": ["127.0.0.1"],
                # One connection has to be enough for a request: two of them could each hold one and wait for another.
                "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5},
                **CHEAP_PASSWORDS,
                "TESTING": True,
            }
        )
        with app.app_context():
            make_tables()
        yield Stage(app, people=PEOPLE_PER_ROLE)
        with app.app_context():
            db.engine.dispose()
        app.extensions["example_app.queue"].connection.close()
