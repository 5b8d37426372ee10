"""Finds declarations that stand above their route, where no request meets them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .guard import GUARDS, guard_of

if TYPE_CHECKING:
    from flask import Flask

    from ._boundary import Exchange
    from ._contribution import EventLog, RequestHook


def look_once(app: Flask, log: EventLog) -> RequestHook:
    """A hook that looks at the first request, when the app has all its routes, and logs `declaration_bypassed`."""
    looked: list[bool] = []

    def begin(_: Exchange) -> None:
        if looked:
            return
        looked.append(True)
        for endpoint, kinds in bypassed(app).items():
            log.error(
                "declaration_bypassed",
                endpoint=endpoint,
                declarations=kinds,
                hint="Put these decorators below the one that makes the route.",
            )

    return begin


def bypassed(app: Flask) -> dict[str, list[str]]:
    """Endpoint -> kinds of declarations on its view that no request meets: the route was made before they were put on.

    That happens to views of plain Flask routes; our `Blueprint` refuses it when the decorator is called.
    """
    by_view: dict[Any, str] = {
        view: endpoint for endpoint, view in app.view_functions.items() if inspect.isfunction(view)
    }
    routed = {guard.view: guard for guard in map(guard_of, by_view) if guard is not None}
    found: dict[str, list[str]] = {}
    for guard in list(GUARDS):
        if guard.wrapper in by_view:
            continue
        bare, inner = by_view.get(guard.view), routed.get(guard.view)
        if bare is None and inner is None:
            continue
        met = () if inner is None else inner.declarations
        missed = [type(item).__name__ for item in guard.declarations if item not in met]
        endpoint = bare if inner is None else by_view[inner.wrapper]
        if missed and endpoint is not None:
            found[endpoint] = missed
    return found
