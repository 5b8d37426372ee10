"""The app of `account_app.py`, on each database, with a clock that tests set."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

PROGRAM = Path(__file__).parent / "account_app.py"


@pytest.fixture(scope="session")
def account_app():
    """The module, as `import account_app` would give it."""
    specification = importlib.util.spec_from_file_location("auth_account_app", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def standing_url(standing_schema):
    """PostgreSQL with the tables of the app."""
    return standing_schema("accounts")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """The test runs on both; on PostgreSQL the tables are there already."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "standing_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request):
    """For tests with tables of their own."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def clock(account_app):
    return account_app.Clock()


@pytest.fixture
def app(account_app, create_tables, database_url, clock):
    """An app with tables, within its context; no connection may be left out at the end."""
    app = account_app.create_app(database_url, clock=clock)
    create_tables(app)
    with app.app_context():
        yield app
        app.db.session.remove()
        assert app.db.engine.pool.checkedout() == 0
        app.db.engine.dispose()


@pytest.fixture(scope="module")
def crowd():
    """Two processes that wait for orders; starting them takes longer than what they do."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    yield processes
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


@pytest.fixture
def burst(database_url, crowd):
    """Do an action of `account_app.py` in two processes of 32 threads each; gives what every thread got."""

    def run(action, argument):
        watchdog = Timer(120, lambda: [process.kill() for process in crowd])
        watchdog.start()
        for process in crowd:
            process.stdin.write(json.dumps([database_url, action, argument]) + "\n")
            process.stdin.flush()
        for process in crowd:
            assert process.stdout.readline() == "ready\n"
        for process in crowd:
            process.stdin.write("go\n")
            process.stdin.flush()
        got = [one for process in crowd for one in json.loads(process.stdout.readline())]
        watchdog.cancel()
        return got

    return run
