"""`Cache-Control` as declared by `@cache_control`, put on at the outer edge, where all other headers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import current_app, request

from ..._contribution import Contribution
from ...guard import declarations_of
from .declaration import READING, CacheControl
from .safety import require_safe

if TYPE_CHECKING:
    from ..._boundary import Exchange
    from ..._contribution import Present

# In the WSGI environment: what the view being called declares.
DECLARED_KEY: Final = "flask_backend_patterns.cache_control"
WITH_COOKIE: Final = "private, no-cache"
MIN_ERROR_STATUS: Final = 400


class CacheControlEnforcement:
    """The enforcer of one app; shared by threads."""

    def __init__(self) -> None:
        # (endpoint, method) -> the view that was looked at, and the declaration nearest to it.
        self._nearest: dict[tuple[str, str], tuple[object, CacheControl]] = {}

    def note(self, declared: CacheControl) -> None:
        """Note for `contribution` what is declared. Raises `SetupError` when the view is not for everybody."""
        if request.method not in READING:
            return
        endpoint = request.endpoint or ""
        view = current_app.view_functions.get(endpoint)
        key = (endpoint, request.method)
        known = self._nearest.get(key)
        if known is None or known[0] is not view:
            found = () if view is None else declarations_of(view, request.method)
            require_safe(found, request.method, endpoint)
            controls = [item for item in found if isinstance(item, CacheControl)]
            known = self._nearest[key] = (view, controls[-1] if controls else declared)
        request.environ[DECLARED_KEY] = known[1].directives.text


def contribution() -> Contribution:
    """Has to come before that of authentication, which adds `private, no-cache` where nothing is said."""

    def headers(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        said = exchange.environ.get(DECLARED_KEY)
        if said is None or "cache-control" in present or (exchange.status or 500) >= MIN_ERROR_STATUS:
            return
        control = present["cache-control"] = WITH_COOKIE if "set-cookie" in present else said
        sent.append(("Cache-Control", control))

    return Contribution(headers=headers)
