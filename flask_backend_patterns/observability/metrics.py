"""Prometheus metrics of one app; imported where metrics are on, since prometheus-client chooses its mode when imported.

With several worker processes set `PROMETHEUS_MULTIPROC_DIR` to an empty directory before any of them starts: each
writes its counts to files there, and any of them answers for all. prometheus-client has one such place for a process,
so apps in one process then answer with the sums of all of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from flask import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from .._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


class FilledFiles(MultiProcessCollector):
    """Adds up the files that hold something: one that a process is just making is empty, which the base cannot read.

    Gauges say how it is now, so those of processes that have ended do not count.
    """

    def __init__(self, registry: CollectorRegistry, directory: str) -> None:
        self._directory = Path(directory)
        super().__init__(registry, path=directory)  # type: ignore[no-untyped-call]

    def collect(self) -> Any:
        """The metrics of all processes."""
        files = [str(path) for path in self._directory.glob("*.db") if path.stat().st_size and _counts(path)]
        return self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]


def _counts(path: Path) -> bool:
    """Not so the gauges (`gauge_livemin_<pid>.db`) of a process that is gone."""
    kind, _, pid = path.stem.rpartition("_")
    if not kind.startswith("gauge_live") or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, so it runs
        return True
    return True


class Metrics:
    """The metrics of one app, in a registry of their own: never the process-wide default one.

    Raises `SetupError` when `PROMETHEUS_MULTIPROC_DIR` names no directory. Threads may share it.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._lock = Lock()
        self._directory = os.environ.get(DIRECTORY_VARIABLE)
        if self._directory is not None and not Path(self._directory).is_dir():
            raise SetupError(
                f"{DIRECTORY_VARIABLE} is {self._directory!r}, which is no directory; create it, and empty it before "
                "each start of the server."
            )

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """The counter `name` (it ends in `_total`), made when first asked for; keep its children where they are used.

        Raises `SetupError` when it exists with other labels.
        """
        with self._lock:
            counter = self._counters.get(name)
            if counter is None:
                counter = Counter(name, documentation, tuple(labels), registry=self._registry)
                self._counters[name] = counter
        _require_labels(name, counter, labels)
        return counter

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """The gauge `name`, made when first asked for; of several worker processes the lowest value is shown.

        Raises `SetupError` when it exists with other labels.
        """
        with self._lock:
            gauge = self._gauges.get(name)
            if gauge is None:
                gauge = Gauge(
                    name,
                    documentation,
                    tuple(labels),
                    registry=self._registry,
                    multiprocess_mode="livemin",
                )
                self._gauges[name] = gauge
        _require_labels(name, gauge, labels)
        return gauge

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that suits an `Accept` header (OpenMetrics or text), and its content type."""
        registry = self._registry
        if self._directory is not None:
            registry = CollectorRegistry()
            FilledFiles(registry, self._directory)
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a `version` that is none: anybody can send it
            encode, content_type = choose_encoder("")
        return encode(registry), content_type

    def answer(self, request: Request) -> Response:
        """The response to a scrape."""
        body, content_type = self.exposition(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def _require_labels(name: str, metric: Counter | Gauge, labels: Sequence[str]) -> None:
    if metric._labelnames != tuple(labels):  # noqa: SLF001 - it has no public name for them
        raise SetupError(
            f"The metric {name} has the labels {metric._labelnames}, not {tuple(labels)}."  # noqa: SLF001 - as above
        )
