"""The app of `order_app.py`, and a clock that tests set."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask

PROGRAM = Path(__file__).parent / "order_app.py"


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def order_app() -> ModuleType:
    """The module, as `import order_app` would give it."""
    specification = importlib.util.spec_from_file_location("idempotency_order_app", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def make_app(order_app: ModuleType, clock: Clock) -> Iterator[Callable[..., Flask]]:
    """Make apps; their engines are closed at the end."""
    made = []

    def make(url=None, *, tables=True, **options) -> Flask:
        app = order_app.create_app(url, **{"clock": clock, **options})
        made.append(app)
        if url is not None and tables:
            with app.app_context():
                app.db.create_all()
        return app

    yield make
    for app in made:
        if app.db is not None:
            with app.app_context():
                app.db.engine.dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask], database_url: str) -> Flask:
    return make_app(database_url)


@pytest.fixture
def send(app: Flask):
    """POST to the app; gives the response, after making sure that no connection is left out."""

    def post(path, key="k-1", *, headers=None, method="POST", **options):
        sent = {"Idempotency-Key": key} if key is not None else {}
        options = options or {"json": {"name": "one"}}
        response = app.test_client().open(path, method=method, headers={**sent, **(headers or {})}, **options)
        with app.app_context():
            assert app.db.engine.pool.checkedout() == 0
        return response

    return post
