"""`BACKEND_LIMITS_DEFAULT`: what holds for each route of our blueprints that says nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._api_routes import ApiRoutes
from .declaration import RateLimit, Unlimited, lifted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from ..declarations import Declaration
    from .named_rates import NamedRates


class DefaultLimits:
    """Of one app; `declared` is None where it has none."""

    def __init__(self, app: Flask, declared: RateLimit | None, *, named: NamedRates) -> None:
        self._app = app
        self._named = named
        self._routes = ApiRoutes(app, ())
        self.declared = declared

    def implied(self, endpoint: str, method: str, said: Iterable[Declaration]) -> tuple[RateLimit, ...]:
        """The default where it holds for `method` (in capitals) of `endpoint`, on whose view `said` is declared."""
        declared = self.declared
        if declared is None or not declared.counts(method) or not self._routes.covers_endpoint(endpoint):
            return ()
        if any(isinstance(item, (RateLimit, Unlimited)) and item.counts(method) for item in said):
            return ()
        return () if self.serves_files(endpoint) else (declared,)

    def in_force(self, said: tuple[Declaration, ...], method: str) -> tuple[Declaration, ...]:
        """`said` without the limits that `rate_limit(None)` takes the view out of, the others with the rates of the app."""
        gone = lifted(said, method)
        return tuple(
            self._named.in_force(item) if isinstance(item, RateLimit) else item
            for item in said
            if id(item) not in gone
        )

    def serves_files(self, endpoint: str) -> bool:
        """Whether it is the static files of a blueprint: they are never limited."""
        name, _, last = endpoint.rpartition(".")
        blueprint = self._app.blueprints.get(name)
        return last == "static" and blueprint is not None and blueprint.has_static_folder
