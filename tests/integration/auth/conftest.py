"""Tables without the price of making them: what `create_all` does for one app is repeated for the next as a whole."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, create_engine, event
from sqlalchemy.engine import make_url


def create_and_note(metadata: MetaData, connection: Connection) -> str:
    """`create_all` in an empty schema; gives everything that was sent, as one text."""
    sent: list[str] = []
    note = lambda _connection, _cursor, statement, *_: sent.append(statement)
    event.listen(connection, "before_cursor_execute", note)
    metadata.create_all(connection, checkfirst=False)
    event.remove(connection, "before_cursor_execute", note)
    return ";\n".join(sent)


@pytest.fixture(scope="session")
def create_tables(tmp_path_factory) -> Callable[[Any], None]:
    """Create the tables of an app (`app.db`), once for each database; apps of one name have the same tables.

    SQLite gets a copy of a file that has them, PostgreSQL one text: compiling the statements and waiting for the disk
    after each of them would take longer than most tests.
    """
    folder: Path = tmp_path_factory.mktemp("tables")
    texts: dict[str, str] = {}
    done: set[str] = set()

    def template(app) -> Path:
        path = folder / f"{app.name}.db"
        if not path.exists():
            engine = create_engine(f"sqlite:///{path}")
            app.db.metadata.create_all(engine)
            engine.dispose()
        return path

    def create(app) -> None:
        with app.app_context():
            engine = app.db.engine
            url = engine.url.render_as_string(hide_password=False)
            if url in done:
                return
            done.add(url)
            if engine.dialect.name == "sqlite":
                copyfile(template(app), engine.url.database)
                return
            with engine.begin() as connection:
                if app.name not in texts:
                    texts[app.name] = create_and_note(app.db.metadata, connection)
                    return
                connection.execution_options(no_parameters=True).exec_driver_sql(texts[app.name])

    return create


@pytest.fixture(scope="session")
def _schemas(postgres_server) -> Iterator[Callable[[str], str]]:
    """The URL of a schema by its name; each is made when it is first asked for, and dropped at the end."""
    from flask_backend_patterns.testing.postgres_server import fresh_schema

    with ExitStack() as stack:
        yield cache(lambda _name: stack.enter_context(fresh_schema(postgres_server)))


@pytest.fixture
def standing_schema(postgres_server, _schemas) -> Callable[[str], str]:
    """The URL of a PostgreSQL schema that all tests of one name share: it keeps its tables, and no rows.

    Making and dropping eight tables for each test takes the server longer than most tests. Whoever changes tables uses
    `postgres_url`.
    """

    def find(name: str) -> str:
        postgres_server.reset()
        url = _schemas(name)
        empty(url)
        return url

    return find


def empty(url: str) -> None:
    """No rows, numbers that begin at 1 again, and no connection left that could hold a lock."""
    import psycopg

    inside = make_url(url)
    own = {**inside.query, "application_name": "cleaning"}
    plain = inside.set(drivername="postgresql", query=own).render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s",
            [inside.query["application_name"]],
        )
        found = connection.execute(
            "SELECT relkind, quote_ident(relname) FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'S')"
        ).fetchall()
        # Foreign keys are no obstacle then: every row goes.
        orders = ["SET session_replication_role = replica"]
        orders += [f"DELETE FROM {name}" for kind, name in found if kind == "r"]
        orders += [f"ALTER SEQUENCE {name} RESTART" for kind, name in found if kind == "S"]
        connection.execute("; ".join(orders))
