"""Puts the view cache into an app."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..._contribution import Contribution
from .cache_headers import CacheControlEnforcement
from .cache_headers import contribution as header_contribution
from .declaration import CacheControl, CachedView
from .enforcement import Enforcement
from .safety import unsafe_views

if TYPE_CHECKING:
    from flask import Flask

    from ..._boundary import Exchange
    from ..._contribution import EventLog
    from ...declarations import Declaration
    from ...guard import Enforcer
    from ..aside import CacheAside


def enforcers(engine: CacheAside) -> dict[type[Declaration], Enforcer]:
    """Who enforces `@cached_view` and `@cache_control`."""
    return {
        CachedView: Enforcement(engine).enforce,
        CacheControl: CacheControlEnforcement().note,
    }


def contribution(app: Flask, *, log: EventLog) -> Contribution:
    """The headers, and a look at all views at the first request, when the app has its routes.

    What is not safe is logged then, whoever asks for what; requests to such a view are refused by the enforcers.
    """
    headers = header_contribution().headers
    looking = threading.Lock()
    looked: list[bool] = []

    def begin(_: Exchange) -> None:
        if looked:
            return
        with looking:
            if not looked:
                looked.append(True)
                for endpoint, problem in unsafe_views(list(app.view_functions.items())).items():
                    log.error("view_cache_unsafe", endpoint=endpoint, problem=problem)

    return Contribution(begin=begin, headers=headers)
