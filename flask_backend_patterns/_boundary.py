"""The outer edge of a request: a WSGI wrapper round the app.

Here, not in `after_request`: it runs exactly once for every response, also when a hook of the app raises, when the
app replaces `response.headers`, streams, or when another WSGI wrapper answers instead of Flask.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Response

    from ._contribution import Answer, Contribution, HeaderPass, RequestHook

SAFE_METHODS = ("GET", "HEAD")


class Exchange:
    """One request and what is known of its response; `status` is 500 until the app has said otherwise."""

    __slots__ = (
        "_passes",
        "_start_response",
        "environ",
        "headers",
        "request",
        "request_id",
        "route",
        "started",
        "status",
    )

    def __init__(self, environ: dict[str, Any], start_response: Any, passes: tuple[HeaderPass, ...]) -> None:
        self.environ = environ
        self.started = perf_counter()
        self.status = 500
        self.headers: list[tuple[str, str]] = []
        self.request_id: str | None = None
        self.route: str | None = None  # the rule, never the path
        self.request: Request | None = None  # Flask's, from the moment the response starts
        self._start_response = start_response
        self._passes = passes

    def elapsed_ms(self) -> float:
        """Milliseconds since the request came in."""
        return (perf_counter() - self.started) * 1000

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """WSGI's `start_response`, with one pass over the headers."""
        self.status = int(status[:3])
        self.headers = headers
        # Flask takes it out of the environment when the request ends
        self.request = self.environ.get("werkzeug.request")
        if self.request is not None and self.request.url_rule is not None:
            self.route = self.request.url_rule.rule
        present = {name.lower() for name, _ in headers}
        for contribute in self._passes:
            contribute(self, headers, present)
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)


class RequestBoundary:
    """Runs what the features contribute around `wsgi_app`."""

    def __init__(
        self, wsgi_app: Callable[..., Iterable[bytes]], contributions: Iterable[Contribution]
    ) -> None:
        parts = tuple(contributions)
        self._wsgi_app = wsgi_app
        self._begin: tuple[RequestHook, ...] = tuple(part.begin for part in parts if part.begin)
        self._passes: tuple[HeaderPass, ...] = tuple(part.headers for part in parts if part.headers)
        self._finished: tuple[RequestHook, ...] = tuple(part.finished for part in parts if part.finished)
        self._answers: dict[str, Answer] = {
            path: view for part in parts for path, view in part.answers.items()
        }

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be done at all."""
        return bool(self._begin or self._passes or self._finished or self._answers)

    def _answer(self, exchange: Exchange) -> Response | None:
        """A response given in front of the app, or None."""
        path: str = exchange.environ.get("PATH_INFO", "")
        answer = self._answers.get(path)
        if answer is None or exchange.environ["REQUEST_METHOD"] not in SAFE_METHODS:
            return None
        response = answer(Request(exchange.environ))
        if response is not None:
            exchange.route = path
        return response

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        exchange = Exchange(environ, start_response, self._passes)
        for begin in self._begin:
            begin(exchange)
        try:
            response = self._answer(exchange) if self._answers else None
            return (response or self._wsgi_app)(environ, exchange.start_response)
        finally:
            for finished in self._finished:
                finished(exchange)
