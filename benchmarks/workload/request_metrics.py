"""The counter and the histogram of requests by route; the kit has none of its own yet, so both apps count by these lines."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from flask import g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

if TYPE_CHECKING:
    from typing import Any

    from flask import Flask, Response

LABELS = ("method", "route", "status")


def count_requests(app: Flask, path: str) -> None:
    """Count every request, and answer scrapes at `path`."""
    registry = CollectorRegistry()
    counter = Counter("http_requests_total", "Requests.", LABELS, registry=registry)
    histogram = Histogram("http_server_request_duration_seconds", "Their time.", LABELS, registry=registry)
    children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def begin() -> None:
        g.metrics_started = perf_counter()

    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        key = request.method, route, response.status_code
        known = children.get(key)
        if known is None:
            known = children[key] = counter.labels(*key), histogram.labels(*key)
        known[0].inc()
        known[1].observe(perf_counter() - g.metrics_started)
        return response

    app.before_request(begin)
    app.after_request(end)
    app.add_url_rule(path, "request_metrics", lambda: generate_latest(registry))
