"""Builds and installs health endpoints and draining."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._api_routes import unless_taken
from .._contribution import Contribution
from .checker import HealthChecker
from .draining import Draining
from .views import HealthViews, unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from flask import Flask, Request, Response

    from .._contribution import Answer, EventLog, HealthCheck
    from .settings import HealthSettings


@dataclass(frozen=True)
class HealthState:
    """What the health feature keeps for an app."""

    settings: HealthSettings
    draining: Draining
    views: HealthViews


def build(
    app: Flask, settings: HealthSettings, checks: Callable[[], Sequence[HealthCheck]], log: EventLog
) -> HealthState:
    """The checker over `checks` (asked for when health is first asked for) and the drain switch."""

    def find_checks() -> list[HealthCheck]:
        return [replace(check, run=app.ensure_sync(check.run)) for check in checks()]

    checker = HealthChecker(
        find_checks,
        timeout_seconds=settings.timeout_seconds,
        cache_seconds=settings.cache_seconds,
        context=app.app_context,
        log=log,
    )
    draining = Draining(seconds=settings.drain_seconds, file=settings.drain_file, log=log)
    return HealthState(settings, draining, HealthViews(app, settings, checker, draining))


def contribution(app: Flask, state: HealthState, log: EventLog) -> Contribution:
    """Answers probes at the edge, before the app: its login checks, rate limits and trusted hosts do not apply.

    Kubernetes restarts a pod whose liveness probe gets a 401, 429 or 400. It is also why no route is added: none shows
    up in the app's own API document, and a route that the app registers later for the same path is the one that counts.
    """

    def guarded(path: str, view: Answer) -> Answer:
        def answer(request: Request) -> Response | None:
            try:
                return view(request)
            except Exception as error:  # a check that cannot be made is a failed one
                log.error("health_failed", exc_info=error)  # noqa: TRY400 - an event log, not a logger
                return unfit()

        return unless_taken(app, path, answer)

    return Contribution(
        answers={path: guarded(path, view) for path, view in state.views.by_path().items()},
        remedy="move ours with BACKEND_HEALTH_PREFIX, or leave it out with BACKEND_HEALTH_ENABLED = False",
    )


def install(state: HealthState, undo: ExitStack) -> None:
    """Take SIGTERM over where draining is configured."""
    state.draining.install(undo)
