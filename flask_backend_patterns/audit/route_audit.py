"""The audit as one object, to hand to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config import SetupError
from .access import Access
from .findings import ABOUT_ROLES, CONDITIONS, Finding, find_faults
from .route_entry import RouteEntry
from .route_table import route_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flask import Flask


class RouteAudit:
    """Lists the routes of apps and finds faults in them; holds nothing of any app."""

    @property
    def conditions(self) -> Mapping[str, str]:
        """What can be asked for by `findings`: name -> meaning."""
        return {name: condition.meaning for name, condition in CONDITIONS.items()}

    def table(self, app: Flask) -> Sequence[RouteEntry]:
        """Every route of `app`: see `route_table`."""
        return route_table(app)

    def callable_by(
        self, app: Flask, entries: Iterable[RouteEntry], roles: Sequence[str]
    ) -> Sequence[RouteEntry]:
        """Those of `entries` that somebody with `roles` may call: see `Access`. Raises `SetupError` where nobody can tell."""
        access = Access.of(app)
        if access is None:
            raise SetupError("Authentication is switched off in this app, so there are no roles.")
        return access.callable_by(entries, roles)

    def findings(self, app: Flask, entries: Iterable[RouteEntry], names: Iterable[str]) -> Sequence[Finding]:
        """Faults in `entries`: see `find_faults`. Raises `SetupError` for one about roles that cannot be read."""
        wanted = tuple(names)
        access = Access.of(app) if ABOUT_ROLES.intersection(wanted) else None
        return find_faults(map(access.judged, entries) if access else entries, wanted)
