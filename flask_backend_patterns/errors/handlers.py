"""Decides whose error it is, and answers it.

We stand in front of Flask's own two methods rather than register handlers: a handler for 404 or `HTTPException` would
outrank the app's `errorhandler(Exception)` and depend on the order of `init_app` calls. What is not ours goes to
Flask unchanged, so pages, `TRAP_HTTP_EXCEPTIONS` and the app's own handlers work as before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import Response, got_request_exception, request
from werkzeug.exceptions import HTTPException, InternalServerError, default_exceptions

from .._contribution import REQUEST_ID_KEY
from .._notices import Notices
from .rendering import (
    JSON_TYPE,
    PROBLEM_TYPE,
    ErrorContext,
    Renderer,
    add_headers,
    envelope,
    is_content_with_json,
    prefers_html,
    prefers_problem,
    problem,
    to_response,
)
from .translation import translate
from .tree import AppError, CacheError, InternalError, UnavailableError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask, Request

    from .._api_routes import ApiRoutes
    from .._contribution import EventLog
    from .settings import ErrorsSettings

OURS = "flask_backend_patterns"
# Packages whose app-wide handlers are part of the disorder this replaces, not a choice of the app.
WRAPPED_PACKAGES = frozenset({"flask_smorest", "flask_jwt_extended", "flask_limiter", "webargs"})
MIN_ERROR_STATUS = 400
MIN_SERVER_ERROR_STATUS = 500
SECONDS_BETWEEN_OUTAGE_LINES = 10.0


@dataclass(frozen=True)
class ErrorStyle:
    """How one route wants its errors: its own renderer, and the name of the resource they are about."""

    renderer: Renderer | None = None
    resource: str | None = None


StyleOf: TypeAlias = Callable[["Request"], ErrorStyle]


class ErrorHandling:
    """Answers the errors of one app; `style_of` says how the request's route wants them."""

    def __init__(
        self, app: Flask, settings: ErrorsSettings, routes: ApiRoutes, log: EventLog, style_of: StyleOf
    ) -> None:
        self._app = app
        self._settings = settings
        self._routes = routes
        self._log = log
        self._style_of = style_of
        self._outages = Notices(seconds_between=SECONDS_BETWEEN_OUTAGE_LINES)

    def handle_user_exception(self, error: Exception, to_flask: Callable[[Exception], Any]) -> Any:
        """An exception out of a view or a hook; `to_flask` is the app's own way with it. Raises what nobody foresaw."""
        if not self._is_ours(error):
            return to_flask(error)
        handler = self._handler_of_app(error)
        if handler is not None:
            return self._app.ensure_sync(handler)(error)
        translated = translate(error)
        if translated is None:
            raise error
        if (
            isinstance(error, AppError)
            and not self._routes.covers(request)
            and not is_content_with_json(request.environ.get("HTTP_ACCEPT"))
            and prefers_html(request.accept_mimetypes)
        ):
            return self._as_page(error, to_flask)
        return self.answer(translated)

    def handle_exception(self, error: Exception, to_flask: Callable[[Exception], Response]) -> Response:
        """What nobody foresaw: re-raised where Flask would (debug, testing), else a 500 that can be found in the log."""
        if not self._routes.covers(request):
            return to_flask(error)
        got_request_exception.send(self._app, _async_wrapper=self._app.ensure_sync, exception=error)
        propagate = self._app.config["PROPAGATE_EXCEPTIONS"]
        if propagate or (propagate is None and (self._app.testing or self._app.debug)):
            raise error
        failure = InternalError()
        failure.__cause__ = error
        wrapped = InternalServerError(original_exception=error)
        handler = self._handler_of_app(wrapped)
        if handler is not None:
            self._record(failure)
            answer = self._app.ensure_sync(handler)(wrapped)
        else:
            answer = self.answer(failure)
        return self._app.finalize_request(answer, from_error_handler=True)

    def answer(self, error: AppError) -> Response:
        """Log `error` and render it."""
        if isinstance(error, ValidationError) and error.status == ValidationError.status:
            error.status = self._settings.validation_status
        self._record(error)
        style = self._style_of(request)
        context = ErrorContext(
            request_id=request.environ.get(REQUEST_ID_KEY),
            path=request.path,
            resource=error.resource or style.resource,
            kind=error.kind,
        )
        renderer = style.renderer or self._settings.renderer
        if renderer is not None:
            try:
                return to_response(error, renderer(error, context), JSON_TYPE)
            except Exception as fault:  # noqa: BLE001 - the user's function; the client still gets an answer
                self._log.error("error_renderer_failed", exc_info=fault)
        if self._settings.format == "problem" or (
            not is_content_with_json(request.environ.get("HTTP_ACCEPT"))
            and prefers_problem(request.accept_mimetypes)
        ):
            return to_response(error, problem(error, context), PROBLEM_TYPE)
        return to_response(error, envelope(error, context), JSON_TYPE)

    def _is_ours(self, error: Exception) -> bool:
        if isinstance(error, AppError):
            return True
        if isinstance(error, HTTPException):
            # A redirect or a ready response is an answer already; a trapped exception is the developer's wish.
            is_answer = error.response is not None or error.code is None or error.code < MIN_ERROR_STATUS
            if is_answer or self._app.trap_http_exception(error):
                return False
        return self._routes.covers(request)

    def _handler_of_app(self, error: Exception) -> Callable[[Any], Any] | None:
        """The app's handler for just this kind of error: any on a blueprint, a specific one on the app."""
        for blueprint, kind, handler in self._registered_handlers(error):
            package = getattr(handler, "__module__", "").partition(".")[0]
            if package == OURS:  # what a Blueprint says where `init_app` is missing
                continue
            if blueprint is not None:
                return handler
            is_general = kind in (Exception, BaseException) or kind.__module__.partition(".")[0] == "werkzeug"
            if not is_general and package not in WRAPPED_PACKAGES:
                return handler
        return None

    def _registered_handlers(
        self, error: Exception
    ) -> Iterator[tuple[str | None, type, Callable[[Any], Any]]]:
        """In Flask's own order: those for the status before those for the class, blueprints before the app."""
        code = error.code if isinstance(error, HTTPException) else None
        for status in (code, None) if code is not None else (None,):
            for name in (*request.blueprints, None):
                handlers = self._app.error_handler_spec.get(name, {}).get(status, {})
                for kind in type(error).__mro__:
                    if kind in handlers:
                        yield name, kind, handlers[kind]

    def _as_page(self, error: AppError, to_flask: Callable[[Exception], Any]) -> Response:
        """An error of ours on a page of the app: the app's own error page, with our headers."""
        exception = default_exceptions.get(error.status, HTTPException)(description=error.message)
        exception.code = error.status
        self._record(error)
        response = self._app.make_response(to_flask(exception))
        add_headers(response, error)
        return response

    def _record(self, error: AppError) -> None:
        if not error.is_logged:
            return
        fields: dict[str, Any] = {"code": error.code, "status": error.status, "message": error.message}
        cause = error.__cause__
        if cause is not None:
            fields["exception"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
        reason = getattr(error, "reason", None)
        if isinstance(reason, str):  # why credentials were refused, which the client is not told
            fields["reason"] = reason
        if _is_of_outage(error):  # which is in the log already (R9)
            times = self._outages.times("error")
            if not times:
                return
            fields["held_back"] = times - 1
        if isinstance(error, CacheError) and cause is None:
            self._log.info("error", **fields)
        elif error.status >= MIN_SERVER_ERROR_STATUS:
            self._log.error("error", exc_info=cause or error, **fields)
        else:
            self._log.info("error", **fields)


def _is_of_outage(error: BaseException | None) -> bool:
    """Whether it is answered by 503 since Redis is away, be it for another error of ours."""
    while isinstance(error, UnavailableError):
        if isinstance(error, CacheError) and error.is_outage:
            return True
        error = error.__cause__
    return False


def install_handling(app: Flask, handling: ErrorHandling) -> None:
    """Put `handling` in front of the app's two methods; the last argument is the error in every version of Flask."""
    flask_user_exception: Callable[..., Any] = app.handle_user_exception
    flask_exception: Callable[..., Response] = app.handle_exception

    def handle_user_exception(*args: Any) -> Any:
        return handling.handle_user_exception(args[-1], lambda error: flask_user_exception(*args[:-1], error))

    def handle_exception(*args: Any) -> Response:
        return handling.handle_exception(args[-1], lambda error: flask_exception(*args[:-1], error))

    # As instance attributes, the way Flask-CORS and Flask-RESTX do it.
    vars(app).update(handle_user_exception=handle_user_exception, handle_exception=handle_exception)
