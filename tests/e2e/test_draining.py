"""A server as a real process: not ready from SIGTERM on, alive and serving, requests in flight finished, then gone."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import httpx
import pytest

from flask_backend_patterns.testing.local_server import free_port

DEADLINE_SECONDS = 60
DRAIN_SECONDS = 4  # within which a busy machine answers twice

APP = """
import os, time
from pathlib import Path
from flask import Flask
from flask_backend_patterns import BackendPatterns

here = Path(__file__).parent
app = Flask(__name__)
app.config.from_prefixed_env("APP")
BackendPatterns(app)

@app.get("/slow")
def slow():
    (here / "entered").touch()
    while not (here / "release").exists():
        time.sleep(0.005)
    return "done"
"""
GUNICORN_CONF = """
def post_worker_init(worker):
    from flask_backend_patterns.health import take_sigterm
    assert take_sigterm(worker.app.wsgi())
"""
GUNICORN = [
    "gunicorn",
    "--workers",
    "1",
    "--threads",
    "4",
    "--worker-class",
    "gthread",
    "--graceful-timeout",
    "30",
]


def until(condition, what):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen in {DEADLINE_SECONDS} s")


class Server:
    """A web server over `APP`, in a process group of its own."""

    def __init__(self, folder, command, **settings):
        self.folder = folder
        (folder / "served.py").write_text(APP)
        (folder / "hooked.py").write_text(textwrap.dedent(GUNICORN_CONF))
        self.port = free_port()
        bind = (
            ["--host", "127.0.0.1", "--port", str(self.port)]
            if command[0] == "granian"
            else ["--bind", f"127.0.0.1:{self.port}"]
        )
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith(("APP_", "GRANIAN_"))
        }
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command, *bind, "served:app"],
            cwd=folder,
            env={**environ, **{f"APP_{key}": str(value) for key, value in settings.items()}},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def get(self, path, *, seconds=2):
        """The status, or None where nobody answers within that time."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=seconds).status_code
        except httpx.TransportError:
            return None

    def start_slow_request(self):
        answers = []
        url = f"http://127.0.0.1:{self.port}/slow"
        thread = threading.Thread(
            target=lambda: answers.append(httpx.get(url, timeout=DEADLINE_SECONDS).text)
        )
        thread.start()
        until((self.folder / "entered").exists, "the slow request's start")
        return thread, answers

    def written(self):
        return (self.folder / "log").read_text()

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_SECONDS)
        self.log.close()


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(command, **settings):
        server = Server(tmp_path, command, **settings)
        servers.append(server)
        until(lambda: server.get("/health/ready") == 200, f"a ready server:\n{server.written()}")
        return server

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("options", "tell"),
    [
        pytest.param([], os.kill, id="gthread"),
        pytest.param([], os.killpg, id="gthread-whole-group"),
        pytest.param(["--preload", "--config", "hooked.py"], os.kill, id="preload-with-hook"),
    ],
)
def test_gunicorn_drains_before_it_stops(serve, options, tell):
    """From SIGTERM on readiness is 503 and liveness 200 for the drain time; the request in flight gets its answer.

    A process group's SIGTERM comes twice to the workers (systemd's default) and does not shorten the time.
    """
    server = serve([*GUNICORN, *options], BACKEND_HEALTH_DRAIN_SECONDS=DRAIN_SECONDS)
    thread, answers = server.start_slow_request()
    told = time.monotonic()
    tell(server.process.pid, signal.SIGTERM)
    until(lambda: server.get("/health/ready") == 503, "readiness turning 503")
    assert server.get("/health/live", seconds=DEADLINE_SECONDS) == 200
    until(lambda: server.get("/health/live") is None, "the end of serving")
    assert time.monotonic() - told >= DRAIN_SECONDS
    assert server.process.poll() is None, "it waits for the request in flight"
    (server.folder / "release").touch()
    thread.join(DEADLINE_SECONDS)
    assert answers == ["done"]
    assert server.process.wait(DEADLINE_SECONDS) == 0
    events = [name for name in ("server.draining", "server.stopped") if f'"{name}"' in server.written()]
    assert events == ["server.draining", "server.stopped"]


def test_gunicorn_with_preload_says_what_to_do(serve):
    """Gunicorn takes SIGTERM back after loading the app in its master: the first readiness request tells, once."""
    server = serve([*GUNICORN, "--preload"], BACKEND_HEALTH_DRAIN_SECONDS=DRAIN_SECONDS)
    for _ in range(3):
        assert server.get("/health/ready", seconds=DEADLINE_SECONDS) == 200
    assert server.written().count('"drain_unavailable"') == 1
    assert "take_sigterm" in server.written()
    server.process.terminate()
    assert server.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["sync", "sync-preload"])
def test_gunicorns_sync_worker_drains(serve, options):
    """It answers in its main thread, so a readiness request takes SIGTERM again where gunicorn took it back."""
    command = ["gunicorn", "--workers", "1", "--worker-class", "sync", *options]
    server = serve(command, BACKEND_HEALTH_DRAIN_SECONDS=DRAIN_SECONDS)
    server.process.terminate()
    until(lambda: server.get("/health/ready") == 503, "readiness turning 503")
    assert server.get("/health/live", seconds=DEADLINE_SECONDS) == 200
    assert server.process.wait(DEADLINE_SECONDS) == 0


def test_granian_drains_by_file(serve, tmp_path):
    """Granian takes SIGTERM itself: the file turns readiness off, then SIGTERM finishes what is in flight and stops."""
    file = tmp_path / "drain"
    server = serve(
        ["granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "4"],
        BACKEND_HEALTH_DRAIN_FILE=file,
    )
    thread, answers = server.start_slow_request()
    file.touch()
    assert server.get("/health/ready", seconds=DEADLINE_SECONDS) == 503
    assert server.get("/health/live", seconds=DEADLINE_SECONDS) == 200
    server.process.terminate()
    until(lambda: server.get("/health/live") is None, "the end of serving")
    (server.folder / "release").touch()
    thread.join(DEADLINE_SECONDS)
    assert answers == ["done"]
    assert server.process.wait(DEADLINE_SECONDS) == 0
    assert "drain_unavailable" not in server.written()


def test_granian_with_drain_seconds_alone_says_what_to_do(serve):
    """Its handler comes after ours: the first readiness request tells, once."""
    server = serve(["granian", "--interface", "wsgi"], BACKEND_HEALTH_DRAIN_SECONDS=DRAIN_SECONDS)
    assert server.get("/health/ready", seconds=DEADLINE_SECONDS) == 200
    assert server.written().count('"drain_unavailable"') == 1
    assert "BACKEND_HEALTH_DRAIN_FILE" in server.written()
