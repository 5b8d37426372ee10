"""CPU time of one request, the app called as a WSGI function: no server, no client, no network."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from time import process_time
from typing import TYPE_CHECKING

from werkzeug.test import create_environ

from .apps import APPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

REQUESTS = 10_000
WARM_UP = 500
ROUNDS = 5


def measure() -> dict[str, list[float]]:
    """Microseconds of CPU a request, for each app one figure a round; rounds are interleaved."""
    figures: dict[str, list[float]] = {name: [] for name in APPS}
    with log_to_a_file():
        apps = {name: make() for name, make in APPS.items()}
        for app in apps.values():
            cpu_seconds(app, create_environ("/ping"), WARM_UP)
        for _ in range(ROUNDS):
            for name, app in apps.items():
                figures[name].append(cpu_seconds(app, create_environ("/ping"), REQUESTS) / REQUESTS * 1e6)
    return figures


def cpu_seconds(app: Flask, base: Mapping[str, object], requests: int) -> float:
    """CPU time of this process for so many requests like `base`."""
    started = process_time()
    for _ in range(requests):
        body = app(dict(base), start_response)
        for _part in body:
            pass
        body.close()
    return process_time() - started


def start_response(status: str, _headers: object, _exc_info: object = None) -> None:
    """What a server would send."""
    if not status.startswith("200"):
        raise RuntimeError(status)


@contextmanager
def log_to_a_file() -> Iterator[None]:
    """Send the access log where a server's would go, not to the terminal."""
    with tempfile.TemporaryFile("w") as file:
        kept, sys.stderr = sys.stderr, file
        try:
            yield
        finally:
            sys.stderr = kept
