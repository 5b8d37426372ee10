"""Which requests belong to the API: routes of our `Blueprint`, and the path prefixes the user lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

if TYPE_CHECKING:
    from flask import Flask, Request


class ApiRoutes:
    """Answers for one app; remembers the answer for each endpoint."""

    def __init__(self, app: Flask, prefixes: tuple[str, ...]) -> None:
        self._app = app
        self._prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)
        self._by_endpoint: dict[str, bool] = {}

    def covers(self, request: Request) -> bool:
        """Whether `request` is for the API, also when no route matched it."""
        if self.covers_path(request.path):
            return True
        endpoint = request.endpoint or self._endpoint_despite_failure(request)
        return endpoint is not None and self.covers_endpoint(endpoint)

    def covers_path(self, path: str) -> bool:
        """Whether `path` is at or below a listed prefix; `/api` has `/api/x` below it, not `/apix`."""
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self._prefixes)

    def covers_endpoint(self, endpoint: str) -> bool:
        """Whether `endpoint` is in a `Blueprint` of ours, or in any blueprint nested in one."""
        known = self._by_endpoint.get(endpoint)
        if known is None:
            parts = endpoint.split(".")[:-1]
            names = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            blueprints = (self._app.blueprints.get(name) for name in names)
            known = any(getattr(blueprint, "is_backend_api", False) for blueprint in blueprints)
            self._by_endpoint[endpoint] = known
        return known

    def _endpoint_despite_failure(self, request: Request) -> str | None:
        """The endpoint that the path belongs to, when only the method or the host name is why none matched."""
        failure = request.routing_exception
        method: str | None = request.method
        if isinstance(failure, MethodNotAllowed) and failure.valid_methods:
            adapter, method = self._app.create_url_adapter(request), next(iter(failure.valid_methods))
        elif isinstance(failure, SecurityError):
            adapter = self._app.url_map.bind("localhost")
        else:
            return None
        try:
            endpoint, _ = adapter.match(request.path, method=method) if adapter else (None, None)
        except HTTPException:
            return None
        return endpoint
