"""Flask's URL adapter for a request, from that of an earlier request to the same host.

Flask checks and encodes the host for each request; of what comes out only path, method and query differ between two
requests to one host. It is Flask's own adapter that is remembered, so a host that it refuses is refused each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from werkzeug.routing import Map, MapAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from flask import Request

MAX_HOSTS: Final = 64  # remembered; whoever calls can make them up
# What an adapter depends on, beside what `_key_of` looks up elsewhere; proxies are believed by writing into these.
ASKED: Final = ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME", "wsgi.url_scheme")
# What Flask leaves on the request itself while it makes the adapter.
LEFT_ON_REQUEST: Final = ("host", "trusted_hosts")


def install(app: Flask) -> None:
    """Have `app` make adapters this way, unless it has a way of its own."""
    is_own = type(app).create_url_adapter is not Flask.create_url_adapter or "create_url_adapter" in vars(app)
    if not is_own:
        vars(app).update(create_url_adapter=UrlAdapters(app))


class UrlAdapters:
    """Makes the adapters of one app; threads may share it."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._make: Callable[[Request | None], MapAdapter | None] = app.create_url_adapter
        # The attributes of the adapter, and those of the request.
        self._known: dict[Hashable, tuple[dict[str, Any], dict[str, Any]]] = {}

    def __call__(self, request: Request | None) -> MapAdapter | None:
        """As `Flask.create_url_adapter`."""
        if request is None:
            return self._make(None)
        environ = request.environ
        path, query = environ.get("PATH_INFO"), environ.get("QUERY_STRING")
        if path is None or query is None or not (path.isascii() and query.isascii()):
            return self._make(request)  # they have to be decoded
        key = self._key_of(request)
        if key is None:
            return self._make(request)
        known = self._known.get(key)
        if known is None:
            return self._remembered(key, request)
        attributes, left = known
        vars(request).update(left)
        adapter = MapAdapter.__new__(MapAdapter)
        vars(adapter).update(
            attributes, path_info=path, default_method=environ["REQUEST_METHOD"], query_args=query
        )
        return adapter

    def _key_of(self, request: Request) -> Hashable:
        """All else that the adapter depends on; None where that is more than can be told."""
        app, environ = self._app, request.environ
        rules = app.url_map
        if app.subdomain_matching or rules.host_matching or type(rules) is not Map:
            return None
        if "HTTP_UPGRADE" in environ or "trusted_hosts" in vars(request):
            return None
        trusted = app.config["TRUSTED_HOSTS"]
        return (
            rules,
            rules.default_subdomain,
            type(request),
            app.config["SERVER_NAME"],
            None if trusted is None else tuple(trusted),
            *map(environ.get, ASKED),
        )

    def _remembered(self, key: Hashable, request: Request) -> MapAdapter | None:
        adapter = self._make(request)
        if type(adapter) is MapAdapter:
            if len(self._known) >= MAX_HOSTS:
                self._known.clear()
            left: dict[str, Any] = {
                name: vars(request)[name] for name in LEFT_ON_REQUEST if name in vars(request)
            }
            self._known[key] = dict(vars(adapter)), left
        return adapter
