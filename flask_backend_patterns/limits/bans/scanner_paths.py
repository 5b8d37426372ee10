"""Paths that nobody asks for but who looks for holes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import TYPE_CHECKING

from flask import Request
from werkzeug.exceptions import NotFound

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from ..._boundary import Exchange

SLASHES = re.compile("/{2,}")
NOT_FOUND = 404


class ScannerPaths:
    """Patterns of whole paths (`/wp-login.php` or `wp-login.php`, `*.php`, `*` for anything, slashes too), in whatever case."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._pattern = re.compile("|".join(translate(_path(pattern)) for pattern in patterns))

    def named_by(self, exchange: Exchange) -> str | None:
        """The path of a request for one of them that the app has nothing at, else None.

        Nothing: the answer is a 404, and no route but one that takes every path (`<path:file>`) is why. What the app
        does serve, or has a route for that finds nothing, is nobody's fault.
        """
        if exchange.status != NOT_FOUND or (exchange.route is not None and exchange.request is None):
            return None
        path = SLASHES.sub("/", decoded(exchange.environ.get("PATH_INFO", "")))
        return path if self._pattern.match(path.lower()) and _is_nowhere(exchange.request) else None


def _path(pattern: str) -> str:
    text = pattern.strip().lower()
    return text if text.startswith(("/", "*")) else "/" + text


def _is_nowhere(request: Request | None) -> bool:
    if request is None:
        return True  # a wrapper of the app has answered
    if request.url_rule is not None:
        return _takes_everything(request.url_rule)
    return request.routing_exception is None or isinstance(request.routing_exception, NotFound)


def _takes_everything(rule: Rule) -> bool:
    converters = rule._converters.values()  # noqa: SLF001 - kept nowhere else
    return not all(converter.part_isolating for converter in converters)


def decoded(path: str) -> str:
    """WSGI hands on the bytes of a path as Latin-1 (PEP 3333)."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")
