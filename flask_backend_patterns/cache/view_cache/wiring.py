"""Puts the view cache into an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cache_headers import CacheControlEnforcement
from .cache_headers import contribution as header_contribution
from .declaration import CacheControl, CachedView
from .enforcement import Enforcement
from .safety import unsafe_views

if TYPE_CHECKING:
    from flask import Flask

    from ..._contribution import Contribution, EventLog
    from ...declarations import Declaration
    from ...guard import Enforcer
    from ..aside import CacheAside


def enforcers(engine: CacheAside) -> dict[type[Declaration], Enforcer]:
    """Who enforces `@cached_view` and `@cache_control`."""
    return {
        CachedView: Enforcement(engine).enforce,
        CacheControl: CacheControlEnforcement().note,
    }


def contribution() -> Contribution:
    """The headers."""
    return header_contribution()


def log_unsafe_views(app: Flask, log: EventLog) -> None:
    """To be called when the app has its routes; requests to such a view are refused by the enforcers."""
    for endpoint, problem in unsafe_views(list(app.view_functions.items())).items():
        log.error("view_cache_unsafe", endpoint=endpoint, problem=problem)
