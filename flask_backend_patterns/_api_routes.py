"""Which requests belong to whom: the API (routes of our `Blueprint`, listed prefixes), or a route of the app."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask, Request, Response
    from werkzeug.routing import MapAdapter, Rule

    from ._contribution import Answer


PLACEHOLDER = re.compile(r"<(?:[^<>]*:)?(?P<name>[A-Za-z_]\w*)>")


def takes_path(rule: Rule, path: str) -> bool:
    """Whether `rule` answers GET of `path`, a slash at the end aside; no converter of the app is run.

    A rule with a converter that goes across slashes (`<path:rest>`) swallows everything and does not count.
    """
    converters = rule._converters  # noqa: SLF001 - their expressions are kept nowhere else
    if rule.methods is not None and "GET" not in rule.methods:
        return False
    if not all(converter.part_isolating for converter in converters.values()):
        return False
    pattern, end = "", 0
    for placeholder in PLACEHOLDER.finditer(rule.rule):
        converter = converters.get(placeholder["name"])
        expression = converter.regex if converter else "[^/]+"
        pattern += f"{re.escape(rule.rule[end : placeholder.start()])}(?:{expression})"
        end = placeholder.end()
    pattern += re.escape(rule.rule[end:])
    return re.fullmatch(pattern.removesuffix("/"), path) is not None


def is_taken(app: Flask, path: str) -> bool:
    """Whether the app has a route for `path`."""
    return any(takes_path(rule, path.rstrip("/")) for rule in app.url_map.iter_rules())


def unless_taken(app: Flask, path: str, answer: Answer) -> Answer:
    """`answer`, which leaves the request to the app where it has a route for `path`."""
    taken: list[bool] = []  # looked up at the first request, when the app has all its routes

    def answer_unless_taken(request: Request) -> Response | None:
        if not taken:
            taken.append(is_taken(app, path))
        return None if taken[0] else answer(request)

    return answer_unless_taken


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
        if request.endpoint is not None:
            return self.covers_endpoint(request.endpoint)
        return any(map(self.covers_endpoint, self._endpoints_despite_failure(request)))

    def covers_path(self, path: str) -> bool:
        """Whether `path` is at or below a listed prefix; `/api` has `/api/x` below it, not `/apix`."""
        if not self._prefixes:  # mostly; and it is asked for each response
            return False
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

    def _endpoints_despite_failure(self, request: Request) -> Iterator[str]:
        """The endpoints that the path belongs to, when only the method or the host name is why none matched."""
        failure = request.routing_exception
        adapter: MapAdapter | None = None
        methods = [request.method]
        if isinstance(failure, MethodNotAllowed) and failure.valid_methods:
            adapter, methods = self._app.create_url_adapter(request), list(failure.valid_methods)
        elif isinstance(failure, SecurityError):
            adapter = self._app.url_map.bind("localhost")
        if adapter is None:
            return
        for method in methods:
            with suppress(HTTPException):
                yield adapter.match(request.path, method=method)[0]
