"""The outer edge of a request: a WSGI wrapper round the app.

Here, not in `after_request`: it runs exactly once for every response, also when a hook of the app raises, when the
app replaces `response.headers`, streams, or when another WSGI wrapper answers instead of Flask.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Response

    from ._contribution import Answer, BodyPass, Contribution, Front, FrontAnswer, HeaderPass, RequestHook

SAFE_METHODS = ("GET", "HEAD")


class Exchange:
    """One request and what is known of its response."""

    __slots__ = (
        "_passes",
        "_start_response",
        "address",
        "content_length",
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
        self.address: str | None = environ.get("REMOTE_ADDR")  # wrappers further in may put another one there
        self.started = perf_counter()
        self.status: int | None = None  # until the app has said one
        self.headers: list[tuple[str, str]] = []
        self.content_length: str | None = None  # as the app has said it
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
        code = status.partition(" ")[0]
        self.status = int(code) if code.isdecimal() else None
        self.headers = headers = list(headers)  # the app may use its own list again
        # Flask takes it out of the environment when the request ends; mounted apps put requests of their own there
        request = self.environ.get("werkzeug.request")
        if isinstance(request, Request):
            self.request = request
            if request.url_rule is not None:
                self.route = request.url_rule.rule
        present = {name.lower(): value for name, value in headers}
        self.content_length = present.get("content-length")
        try:
            for contribute in self._passes:
                contribute(self, headers, present)
        except Exception:  # noqa: BLE001 - nothing of ours after the view turns a done request into a failure
            report_fault()
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
        self._fronts: tuple[Front, ...] = tuple(part.front for part in parts if part.front)
        self._bodies: tuple[BodyPass, ...] = tuple(part.body for part in parts if part.body)
        self._answers: dict[str, Answer] = {
            path: view for part in parts for path, view in part.answers.items()
        }

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be done at all."""
        parts = (self._begin, self._passes, self._finished, self._fronts, self._bodies, self._answers)
        return any(parts)

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

    def _front(self, exchange: Exchange) -> FrontAnswer | None:
        """What stands in front of the app answers, or None."""
        try:
            for front in self._fronts:
                if (answer := front(exchange)) is not None:
                    return answer
        except Exception:  # noqa: BLE001 - see above
            report_fault()
        return None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        exchange = Exchange(environ, start_response, self._passes)
        try:
            for begin in self._begin:
                begin(exchange)
        except Exception:  # noqa: BLE001 - see above
            report_fault()
        try:
            response = self._answer(exchange) if self._answers else None
            if response is not None:
                return response(environ, exchange.start_response)
            if self._fronts and (found := self._front(exchange)) is not None:
                status, headers, body = found
                exchange.start_response(status, headers)
                return body
            body = self._wsgi_app(environ, exchange.start_response)
            for see in self._bodies:
                body = see(exchange, body)
            return body  # noqa: TRY300 - what follows is for failures
        except BaseException:
            exchange.status = 500  # what the server will answer
            raise
        finally:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        try:
            for finished in self._finished:
                finished(exchange)
        except Exception:  # noqa: BLE001 - see above
            report_fault()


def report_fault() -> None:
    """Show the exception being handled the way `logging` shows its own; the log itself may be what is broken."""
    if logging.raiseExceptions and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            traceback.print_exc(file=sys.stderr)
