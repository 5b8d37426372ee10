"""Cross-origin requests by Flask-CORS, asked once for each origin (it costs 20 us a call) and for each preflight."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Response, request
from flask_cors.core import FLASK_CORS_EVALUATED, get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from .._contribution import Present
    from .settings import SecuritySettings

ANY_ORIGIN = "*"
VARY_ON_ORIGIN = ("Vary", "Origin")
PRIVATE_NETWORK = "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK"
MAX_ORIGINS = 256  # remembered; whoever calls can make them up
MAX_ORIGIN_LENGTH = 256


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

    def headers_for(sent: Headers, method: str) -> tuple[tuple[str, str, str], ...]:
        found = get_cors_headers(options, sent, method)
        return tuple((name.lower(), name, str(value)) for name, value in found.items())

    @lru_cache(maxsize=MAX_ORIGINS)
    def headers_for_origin(origin: str) -> tuple[tuple[str, str, str], ...]:
        return headers_for(Headers({"Origin": origin}), "GET")

    def add_cors_headers(response: Response) -> Response:
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        origin = asked.environ.get("HTTP_ORIGIN")
        if origin is None:
            return response
        headers = response.headers
        present = {name.lower() for name, _ in headers}  # `in headers` costs 4 us: it raises and catches
        if "access-control-allow-origin" not in present and not hasattr(response, FLASK_CORS_EVALUATED):
            # Only preflights are told more than the origin decides
            is_preflight = asked.method == "OPTIONS" or PRIVATE_NETWORK in asked.environ
            is_known = not is_preflight and len(origin) <= MAX_ORIGIN_LENGTH
            found = headers_for_origin(origin) if is_known else headers_for(asked.headers, asked.method)
            for key, name, value in found:
                if key not in present:
                    headers.add(name, value)
        return response

    return add_cors_headers


def vary_on_origin(sent: list[tuple[str, str]], present: Present) -> None:
    """Add `Vary: Origin`, for caches in between, to whatever `Vary` there is; on every response, with `Origin` or not."""
    last = present.get("vary")
    if last is None:
        sent.append(VARY_ON_ORIGIN)
    elif not _names_origin(last):
        lines = [(index, value) for index, (name, value) in enumerate(sent) if name.lower() == "vary"]
        if not any(_names_origin(value) for _, value in lines):
            index, value = lines[0]
            sent[index] = ("Vary", f"{value}, Origin")


@lru_cache(maxsize=64)
def _names_origin(vary: str) -> bool:
    return any(field.strip().lower() in {"origin", "*"} for field in vary.split(","))


def _exactly(origin: str) -> re.Pattern[str]:
    """Flask-CORS takes a string with `[` or `*` for a pattern, and a pattern that matches a beginning for a match."""
    return re.compile(re.escape(origin) + r"\Z", re.IGNORECASE)
