"""pytest plugin: a real Redis and a real PostgreSQL from wheels, one of each per session, clean for each test.

| fixture | scope | gives |
|---|---|---|
| `redis_url` | test | URL of a running Redis that is empty and configured as at its start |
| `redis_server` | session | the server behind it: `url`, `pid`, `running`, `stop()`, `kill()`, `suspend()`, `resume()`, `restart()` |
| `postgres_url` | test | SQLAlchemy URL (`postgresql+psycopg://`) into an empty schema, dropped afterwards |
| `postgres_server` | session | the server behind it, with the same methods |
| `sqlite_url` | test | SQLAlchemy URL of a file that does not exist yet |
| `database_url` | test | each test twice: `sqlite_url` and `postgres_url` (ids `sqlite`, `postgresql`) |

Each xdist worker has servers of its own. `BACKEND_TEST_REDIS_URL` and `BACKEND_TEST_POSTGRES_URL` name servers to use
instead; that Redis is emptied. A server that is not installed is an error with the command that installs it.

Every pytest run of every user loads this module: drivers and servers are imported inside the fixtures only.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask_backend_patterns.testing.postgres_server import ForeignPostgres, PostgresServer
    from flask_backend_patterns.testing.redis_server import ForeignRedis, RedisServer


@pytest.fixture(scope="session")
def redis_server() -> "Iterator[RedisServer | ForeignRedis]":
    """The Redis of this test process; it may be stopped, killed and suspended, `redis_url` brings it back."""
    from flask_backend_patterns.testing.redis_server import ForeignRedis, RedisServer

    url = os.environ.get("BACKEND_TEST_REDIS_URL")
    server = ForeignRedis(url) if url else RedisServer()
    try:
        server.reset()
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_url(redis_server: "RedisServer | ForeignRedis") -> str:
    """A Redis that runs and is empty."""
    redis_server.reset()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[PostgresServer | ForeignPostgres]":
    """The PostgreSQL of this test process; it may be stopped, killed and suspended, `postgres_url` brings it back."""
    try:
        from flask_backend_patterns.testing.postgres_server import (
            ForeignPostgres,
            PostgresServer,
        )
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        from flask_backend_patterns.testing.local_server import MissingServerError

        raise MissingServerError("driver for PostgreSQL (psycopg)", "install psycopg") from error

    url = os.environ.get("BACKEND_TEST_POSTGRES_URL")
    server = ForeignPostgres(url) if url else PostgresServer()
    try:
        server.reset()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer | ForeignPostgres") -> Iterator[str]:
    """A SQLAlchemy URL into a schema that only this test sees."""
    from flask_backend_patterns.testing.postgres_server import fresh_schema

    with fresh_schema(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLAlchemy URL of a file in the test's own folder; journal mode and foreign keys are the app's business."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on SQLite and once on PostgreSQL; a server starts only when its turn comes."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url
