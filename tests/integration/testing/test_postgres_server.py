"""`postgres_url`, `sqlite_url`, `database_url`: real databases, clean for each test, that can be broken on purpose."""

import os
import shutil
import threading

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from flask_backend_patterns.testing.postgres_server import PostgresServer, fresh_schema, postgres_installation


@pytest.fixture
def engine(database_url):
    engine = create_engine(database_url, poolclass=NullPool)
    yield engine
    engine.dispose()


def connect(url, **options):
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, **options)


@pytest.mark.parametrize("turn", [1, 2])
def test_tables_end_with_the_test(engine, turn):
    """The same table is created in every test, on both databases: none finds the one before."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO thing VALUES (1)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM thing")).scalar() == 1


def test_the_two_databases_are_what_their_ids_say(engine, database_url, request):
    """`sqlite` is SQLite, `postgresql` is PostgreSQL through psycopg."""
    assert engine.dialect.name == request.node.callspec.params["database_url"]
    assert make_url(database_url).drivername in {"sqlite", "postgresql+psycopg"}


def test_tables_are_made_in_the_tests_own_schema(postgres_url):
    """Nothing reaches `public`, so tests and workers on one server cannot meet."""
    name = make_url(postgres_url).query["application_name"]
    with connect(postgres_url) as connection:
        connection.execute("CREATE TABLE owned_thing (id int)")
        found = connection.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'owned_thing'"
        ).fetchall()
    assert found == [(name,)]


def test_two_schemas_do_not_see_each_other(postgres_server):
    """Two tests at the same time on one server have the same table names without noticing."""
    with fresh_schema(postgres_server) as one, fresh_schema(postgres_server) as other:
        with connect(one) as connection:
            connection.execute("CREATE TABLE thing (id int)")
        with connect(other) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM thing")


def test_a_leaked_transaction_does_not_block_the_end(postgres_server):
    """A connection that a test forgot, with locks and an advisory lock, is closed; its schema is gone."""
    with fresh_schema(postgres_server) as url:
        leaked = psycopg.connect(url.replace("+psycopg", ""))
        leaked.execute("CREATE TABLE thing (id int)")
        leaked.execute("SELECT pg_advisory_lock(7)")
    with connect(postgres_server.url) as connection:
        assert connection.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
        name = make_url(url).query["application_name"]
        left = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [name]).fetchall()
    assert left == []
    with pytest.raises(psycopg.OperationalError):
        leaked.execute("SELECT 1")
    leaked.close()


def test_other_connections_are_left_alone(postgres_server):
    """Ending one test closes its own connections only: another worker may share the server."""
    with connect(postgres_server.url) as bystander:
        with fresh_schema(postgres_server) as url, connect(url):
            pass
        assert bystander.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("turn", ["kill", "stop", "suspend", "after all"])
def test_whatever_a_test_did_the_next_has_a_working_postgres(postgres_url, postgres_server, turn):
    """Killed, stopped or hanging: the end of the test and the next test find it running."""
    with connect(postgres_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    if turn != "after all":
        getattr(postgres_server, turn)()


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_committed_rows_survive_and_connections_do_not(postgres_url, postgres_server, way):
    """After a crash or a restart what was committed is there, at the same URL, for new connections."""
    with connect(postgres_url) as connection:
        connection.execute("CREATE TABLE thing (id int)")
        connection.execute("INSERT INTO thing VALUES (1)")
        getattr(postgres_server, way)()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect(postgres_url)
    postgres_server.restart()
    with connect(postgres_url) as connection:
        assert connection.execute("SELECT id FROM thing").fetchall() == [(1,)]


def test_a_suspended_server_hangs_and_a_resumed_one_answers(postgres_url, postgres_server):
    """A hanging database answers neither new connections nor open ones, and goes on where it was."""
    with connect(postgres_url) as connection:
        postgres_server.suspend()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            connect(postgres_url, connect_timeout=2)  # libpq's least
        rows = []
        thread = threading.Thread(target=lambda: rows.extend(connection.execute("SELECT 1").fetchall()))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        postgres_server.resume()
        thread.join(60)
    assert rows == [(1,)]


def test_text_and_time_are_the_same_on_every_machine(postgres_url):
    """UTF-8, Unicode case rules and UTC, whatever the machine's locale and time zone are."""
    with connect(postgres_url) as connection:
        row = connection.execute("SELECT lower('ÄÉ'), current_setting('TimeZone')").fetchone()
    assert row == ("äé", "UTC")


def test_the_url_is_refused_by_the_server_once_it_is_stopped_for_good(tmp_path, monkeypatch):
    """`close` leaves no process and no file."""
    server = PostgresServer()
    server.start()
    home, pid = server._home, server.pid
    engine = create_engine(server.url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
    server.close()
    assert not home.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(OperationalError), create_engine(server.url).connect():
        pass


def test_sqlite_is_a_new_file_in_the_tests_own_folder(sqlite_url, tmp_path):
    """No file yet, and none left in the project."""
    path = make_url(sqlite_url).database
    assert path == str(tmp_path / "test.db")
    assert not os.path.lexists(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs the server as another user")
def test_a_wheel_in_a_private_folder_is_copied_for_the_servers_user(tmp_path, monkeypatch):
    """A clone below a folder that only root may enter (`mktemp -d`, /root) works like any other."""
    installation = postgres_installation()
    package, site = installation.parent, tmp_path / "site-packages"
    shutil.copytree(installation, site / package.name / installation.name, symlinks=True)
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), site / libraries, symlinks=True)
    shutil.copy(package / "__init__.py", site / package.name)
    for folder in (tmp_path, site, site / package.name):
        folder.chmod(0o700)
    monkeypatch.syspath_prepend(site)
    assert postgres_installation().is_relative_to(tmp_path)
    server = PostgresServer()
    try:
        server.start()
        with connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.close()
