"""Builds and installs headers, CORS, compression, trusted hosts and proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from werkzeug.datastructures import Headers
from werkzeug.middleware.proxy_fix import ProxyFix

from .._contribution import Contribution
from .compression import compress_large
from .cors import answer_cors
from .headers import header_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from .._api_routes import ApiRoutes
    from .settings import SecuritySettings

ResponseStep: TypeAlias = "Callable[[Response], Response]"


def contribution(settings: SecuritySettings, routes: ApiRoutes) -> Contribution:
    """The header pass."""
    return Contribution(headers=header_pass(settings, routes))


def install(app: Flask, settings: SecuritySettings) -> None:
    """What is configured, and nothing else."""
    if settings.trusted_hosts:
        app.config["TRUSTED_HOSTS"] = list(settings.trusted_hosts)
    cors = answer_cors(app, settings) if settings.cors_origins else None
    compress = compress_large(app) if settings.compression else None
    if cors or compress:
        _finish_responses(app, cors, compress)


def _finish_responses(app: Flask, cors: ResponseStep | None, compress: ResponseStep | None) -> None:
    """Run both after every `after_request` function, whichever was registered when.

    An app's function that reads or changes the body finds it uncompressed. One that raises ends Flask's chain, and the
    answer to that failure still gets its CORS headers: a browser would show a failure without them as a CORS fault.
    """
    flask_process: Callable[..., Response] = app.process_response
    steps = [step for step in (cors, compress) if step]

    def process_response(*args: Any) -> Response:
        try:
            response = flask_process(*args)
        except Exception:  # whichever: it goes on to who called
            if cors:
                cors(_with_headers(args[-1]))  # the last argument is the response in every version of Flask
            raise
        _with_headers(response)
        for step in steps:
            response = step(response)
        return response

    # As an instance attribute, the way Flask-CORS puts itself in front of Flask's error handling.
    vars(app).update(process_response=process_response)


def _with_headers(response: Response) -> Response:
    """Some apps put a plain dict in the place of `response.headers`, whose names are case-sensitive."""
    headers: Any = response.headers
    if not isinstance(headers, Headers):
        response.headers = Headers(headers)
    return response


def behind_proxies(wsgi_app: Any, settings: SecuritySettings) -> Any:
    """`wsgi_app` believing the forwarded headers of as many proxies as are trusted."""
    hops = settings.trusted_proxies
    if not hops:
        return wsgi_app
    return ProxyFix(wsgi_app, x_for=hops, x_proto=hops, x_host=hops if settings.trusted_forwarded_host else 0)
