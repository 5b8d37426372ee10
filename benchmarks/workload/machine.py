"""The processes of a run: servers of the shop on one core, everything else on the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flask_backend_patterns.testing.local_server import free_port
from flask_backend_patterns.testing.postgres_server import PostgresServer
from flask_backend_patterns.testing.redis_server import RedisServer

from ..over_granian import children_of, cpu_seconds_of_tree, wait_until_ready
from . import shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

THREADS = 8  # that each may block on Redis or the database
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Server:
    """One app under granian."""

    process: subprocess.Popen[bytes]
    port: int
    access_log: Path

    def cpu_seconds(self) -> float:
        """Of its process tree, until now."""
        return cpu_seconds_of_tree(self.process.pid)

    def resident_bytes(self) -> int:
        """Of its process tree."""
        processes = [self.process.pid, *children_of(self.process.pid)]
        pages = (int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes)
        return sum(pages) * PAGE_BYTES


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the apps stand on: PostgreSQL with the data, Redis, a folder, and the core that is the servers' own."""

    database_url: str
    redis_url: str
    folder: Path
    cores: set[int]


@contextmanager
def services() -> Iterator[Services]:
    """For all rounds of a run."""
    cores = sorted(os.sched_getaffinity(0))
    served, rest = {cores[-1]}, set(cores[:-1]) or set(cores)
    os.sched_setaffinity(0, rest)  # children inherit it
    database, redis = PostgresServer(), RedisServer()
    try:
        with tempfile.TemporaryDirectory(prefix="backend-workload-") as folder:
            database.start()
            redis.start()
            shop.fill(database.url)
            yield Services(database_url=database.url, redis_url=redis.url, folder=Path(folder), cores=served)
    finally:
        redis.close()
        database.close()
        os.sched_setaffinity(0, cores)


@contextmanager
def servers(names: Sequence[str], around: Services) -> Iterator[dict[str, Server]]:
    """One server for each app, by its name."""
    running: dict[str, Server] = {}
    try:
        for name in names:
            running[name] = _start(name, around)
        yield running
    finally:
        for server in running.values():
            server.process.send_signal(signal.SIGTERM)
        for server in running.values():
            server.process.wait(20)


def _start(name: str, around: Services) -> Server:
    port = free_port()
    log = around.folder / f"{name}-{port}.log"
    environ = shop.Surroundings(
        database_url=around.database_url, redis_url=around.redis_url, access_log=str(log)
    ).environ()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--no-log"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--blocking-threads", str(THREADS), f"benchmarks.workload.{name}:create_app"]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=errors
        )
    os.sched_setaffinity(process.pid, around.cores)  # before it has threads or workers
    server = Server(process=process, port=port, access_log=log)
    try:
        wait_until_ready(port)
    except RuntimeError as error:
        process.kill()
        raise RuntimeError(f"{name}: {error}\n{log.read_text()[-4_000:]}") from error
    return server
