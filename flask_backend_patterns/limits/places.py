"""Which route a request will meet, known in front of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing.converters import DEFAULT_CONVERTERS

from .bans.scanner_paths import decoded

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

STANDARD: Final = frozenset(DEFAULT_CONVERTERS.values())
# A rule, or path and query of a request.
Place: TypeAlias = "str | tuple[str | None, ...]"


class Places:
    """Of one app; shared by threads.

    A rule is the place of all its paths only where Flask does nothing but match them: no wrapper of the app that may
    rewrite them, no converter of the app's own, no routes by host name, nothing of Flask's own way overridden.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        is_wrapped = "wsgi_app" in vars(app)  # what wraps us later acts before we look
        self._is_plain = not is_wrapped and all(
            getattr(type(app), name) is getattr(Flask, name)
            for name in ("wsgi_app", "create_url_adapter", "full_dispatch_request", "request_context")
        )
        self._adapter: MapAdapter | None = None
        self._has_looked = False

    def rule(self, environ: dict[str, Any]) -> str | None:
        """The rule that this request meets, None where that cannot be told."""
        if not self._has_looked:  # at the first request the app has all its routes
            self._adapter, self._has_looked = self._made(), True
        if self._adapter is None or "HTTP_UPGRADE" in environ:
            return None
        try:
            rule, _ = self._adapter.match(
                decoded(environ.get("PATH_INFO", "")), method=environ["REQUEST_METHOD"], return_rule=True
            )
        except HTTPException:  # there is none, or a redirect
            return None
        return rule.rule

    def _made(self) -> MapAdapter | None:
        rules = self._app.url_map
        if not self._is_plain or rules.host_matching or self._app.subdomain_matching:
            return None
        converters = [kind for rule in rules.iter_rules() for kind in rule._converters.values()]  # noqa: SLF001 - kept nowhere else
        return rules.bind("localhost") if all(type(kind) in STANDARD for kind in converters) else None


def exact(environ: dict[str, Any]) -> Place:
    """The place of just this path and query."""
    return environ.get("PATH_INFO"), environ.get("QUERY_STRING")
