"""Cross-origin requests by Flask-CORS, asked only when a request has an `Origin` (it costs 10 us and more a call)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Response, request
from flask_cors.core import FLASK_CORS_EVALUATED, get_cors_headers, get_cors_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from .settings import SecuritySettings

ANY_ORIGIN = "*"
VARY_ON_ORIGIN = ("Vary", "Origin")


def answer_cors(app: Flask, settings: SecuritySettings) -> Callable[[Response], Response]:
    """A last step for each response."""
    any_origin = ANY_ORIGIN in settings.cors_origins
    options = get_cors_options(
        app,
        {
            "origins": ANY_ORIGIN if any_origin else [_exactly(origin) for origin in settings.cors_origins],
            "supports_credentials": settings.cors_credentials,
            "allow_headers": list(settings.cors_headers),
            "expose_headers": list(settings.cors_expose),
            "max_age": settings.cors_max_age_seconds,
            "send_wildcard": any_origin,
            "always_send": False,
            "vary_header": False,  # see vary_on_origin, which joins what is there
        },
    )

    def add_cors_headers(response: Response) -> Response:
        if "HTTP_ORIGIN" not in request.environ:
            return response
        headers = response.headers
        if "Access-Control-Allow-Origin" not in headers and not hasattr(response, FLASK_CORS_EVALUATED):
            for name, value in get_cors_headers(options, request.headers, request.method).items():
                if name not in headers:
                    headers[name] = str(value)
        return response

    return add_cors_headers


def vary_on_origin(sent: list[tuple[str, str]], present: set[str]) -> None:
    """Add `Vary: Origin`, for caches in between, to whatever `Vary` there is; on every response, with `Origin` or not."""
    if "vary" not in present:
        sent.append(VARY_ON_ORIGIN)
        return
    lines = [(index, value) for index, (name, value) in enumerate(sent) if name.lower() == "vary"]
    named = {field.strip().lower() for _, value in lines for field in value.split(",")}
    if named.isdisjoint(("origin", "*")):
        index, value = lines[0]
        sent[index] = ("Vary", f"{value}, Origin")


def _exactly(origin: str) -> re.Pattern[str]:
    """Flask-CORS takes a string with `[` or `*` for a pattern, and a pattern that matches a beginning for a match."""
    return re.compile(re.escape(origin) + r"\Z", re.IGNORECASE)
