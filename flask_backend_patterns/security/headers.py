"""Security headers, computed once and appended in one pass."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .cors import ANY_ORIGIN, vary_on_origin

if TYPE_CHECKING:
    from .._api_routes import ApiRoutes
    from .._boundary import Exchange
    from .._contribution import HeaderPass, Present
    from .settings import SecuritySettings

# JSON is no document: nothing in it may load anything, and nobody may frame it (OWASP REST Security Cheat Sheet).
API_JSON_HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


def header_pass(settings: SecuritySettings, routes: ApiRoutes) -> HeaderPass:
    """Adds what the app has not set itself."""
    always = [("x-content-type-options", ("X-Content-Type-Options", "nosniff"))]
    if settings.referrer_policy is not None:
        always.append(("referrer-policy", ("Referrer-Policy", settings.referrer_policy)))
    for_api = [(header[0].lower(), header) for header in API_JSON_HEADERS]
    for_pages = (
        [("x-frame-options", ("X-Frame-Options", settings.frame_options))] if settings.frame_options else []
    )
    hsts = _strict_transport_security(settings)
    varies = bool(settings.cors_origins) and ANY_ORIGIN not in settings.cors_origins

    def add(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        for key, header in always:
            if key not in present:
                sent.append(header)
        for key, header in (
            for_api if is_api_json(exchange, present.get("content-type"), routes) else for_pages
        ):
            if key not in present:
                sent.append(header)
        if (
            hsts
            and exchange.environ["wsgi.url_scheme"] == "https"
            and "strict-transport-security" not in present
        ):
            sent.append(hsts)
        if varies:
            vary_on_origin(sent, present)

    return add


def is_api_json(exchange: Exchange, content_type: str | None, routes: ApiRoutes) -> bool:
    """Whether this response is JSON of an API route."""
    request = exchange.request
    if request is None or content_type is None:
        return False
    return _is_json(content_type) and routes.covers(request)


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    mimetype = content_type.partition(";")[0].strip().lower()
    return mimetype.endswith(("/json", "+json"))


def _strict_transport_security(settings: SecuritySettings) -> tuple[str, str] | None:
    if not settings.hsts_seconds:
        return None
    subdomains = "; includeSubDomains" if settings.hsts_subdomains else ""
    return ("Strict-Transport-Security", f"max-age={settings.hsts_seconds}{subdomains}")
