"""CPU time of one request over a real server: the server's process tree, divided by the requests it answered."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from flask_backend_patterns.testing.local_server import free_port

from .apps import APPS

CONNECTIONS = 16
REQUESTS = 8_000
ROUNDS = 3
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
REQUEST = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


def measure() -> dict[str, list[float]]:
    """Microseconds of CPU a request, for each app one figure a round; servers run side by side, rounds are interleaved."""
    figures: dict[str, list[float]] = {name: [] for name in APPS}
    servers: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    try:
        for name, make in APPS.items():
            servers[name] = start(make.__name__)
        for _ in range(ROUNDS):
            for name, (server, port) in servers.items():
                figures[name].append(cpu_us_a_request(server.pid, port))
    finally:
        for server, _ in servers.values():
            server.send_signal(signal.SIGTERM)
        for server, _ in servers.values():
            server.wait(10)
    return figures


def start(factory: str) -> tuple[subprocess.Popen[bytes], int]:
    """Granian with one worker; its logs go to nowhere, as the file of the in-process run."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--factory",
        f"benchmarks.apps:{factory}",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-log"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(port)
        load(port, 1_000)  # warm up
    except BaseException:
        server.kill()
        raise
    return server, port


def wait_until_ready(port: int) -> None:
    """Return once somebody listens; `RuntimeError` after 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"granian did not start on port {port}")


def cpu_us_a_request(pid: int, port: int) -> float:
    """CPU time that the process tree of `pid` spends on a load, for each request."""
    before = cpu_seconds_of_tree(pid)
    load(port, REQUESTS)
    return (cpu_seconds_of_tree(pid) - before) / REQUESTS * 1e6


def load(port: int, requests: int) -> None:
    """So many requests over some connections at once; raises when one is not answered with 200."""
    share = requests // CONNECTIONS
    failures: list[str] = []
    threads = [threading.Thread(target=talk, args=(port, share, failures)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])


def talk(port: int, requests: int, failures: list[str]) -> None:
    """One connection that asks and waits for the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            connection.sendall(REQUEST)
            answer = connection.recv(4096)
            while answer and not answer.endswith(b"}\n"):  # granian sends head and body apart
                answer += connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                failures.append(answer[:100].decode("latin-1"))
                return


def cpu_seconds_of_tree(pid: int) -> float:
    """User and system time of a process and its children, from /proc."""
    total = 0.0
    for process in [pid, *children_of(pid)]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return total


def children_of(pid: int) -> list[int]:
    """Direct and further children."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children_of(child)]
    return found
