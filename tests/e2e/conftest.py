"""The shop as real processes: started by the command of `make run`, asked over HTTP, stopped by signals."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from flask_backend_patterns.testing.local_server import free_port

DEADLINE_SECONDS = 120
_ROOT = Path(__file__).parent.parent.parent


def eventually(probe, *, seconds=DEADLINE_SECONDS, what="it"):
    """Ask again and again until the answer is true; give the answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class ShopProcess:
    """One `python -m example_app run` over an instance folder."""

    def __init__(self, instance: Path, **environ: str) -> None:
        self.instance, self.port = instance, free_port()
        self.lines: list[str] = []
        settings = {
            "SHOP_INSTANCE": str(instance), "PORT": str(self.port), "SHOP_LOG_FORMAT": "json",
            "SHOP_SEED_USERS": "20", "SHOP_SEED_PRODUCTS": "200", "SHOP_SEED_ORDERS": "50", "SHOP_DRAIN_SECONDS": "0.1",
            # Small batches: an import takes long enough to be watched, and to be killed in its midst.
            "SHOP_IMPORT_BATCH_ROWS": "20",
            # Tests ask every 10 ms; test_shop_limits.py has the shop's own rate.
            "SHOP_DEFAULT_RATE": "1000000/minute",
            "BACKEND_REDIS_TIMEOUT_SECONDS": "5",  # a busy machine is no outage
        }  # fmt: skip
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SHOP_", "BACKEND_", "GRANIAN_", "FLASK_"))
        }
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "example_app", "run"],
            cwd=_ROOT,
            env={**inherited, **settings, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.family: list[psutil.Process] = []

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_until_open(self) -> float:
        """Seconds from the start to the line that says the shop is open."""
        eventually(
            lambda: "The shop is open" in self.output or self.process.poll() is not None, what="opening"
        )
        assert "The shop is open" in self.output, self.output
        self.remember_family()
        return time.monotonic() - self.started_at

    def remember_family(self) -> list[psutil.Process]:
        """Note all processes below the supervisor, so that a later look finds those left behind."""
        known = {process.pid for process in self.family}
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.family += [child for child in children if child.pid not in known]
        return self.family

    def child(self, part: str) -> psutil.Process:
        """The direct child of the supervisor whose command line holds `part`."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if part in " ".join(child.cmdline()))

    def signal(self, number: int) -> None:
        self.remember_family()
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(timeout=DEADLINE_SECONDS)
        self._reader.join(60)
        return code

    def left_behind(self) -> list[psutil.Process]:
        return [process for process in self.family if is_alive(process)]

    def client(self, role: str | None = None) -> httpx.Client:
        """A client, logged in as the demo's user of that role."""
        headers = {"Authorization": f"Bearer {self.tokens(role)['access_token']}"} if role else {}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60)

    def tokens(self, role: str) -> dict[str, str]:
        """What a login of the demo's user of that role gives."""
        body = {"login": f"{role}@shop.example", "password": "shop-demo"}
        with self.client() as client:
            return client.post("/auth/login", json=body).raise_for_status().json()["data"]

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in self.left_behind():
            process.kill()
        self._reader.join(60)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def start_shop() -> Iterator[Callable[..., ShopProcess]]:
    """Start shops; all are stopped at the end."""
    started: list[ShopProcess] = []

    def start(instance: Path, **environ: str) -> ShopProcess:
        started.append(ShopProcess(instance, **environ))
        return started[-1]

    yield start
    for shop in started:
        shop.close()


@pytest.fixture(name="eventually", scope="session")
def eventually_fixture() -> Callable[..., object]:
    """`eventually`, for modules that cannot import this file."""
    return eventually
