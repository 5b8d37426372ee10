"""Builds and installs health endpoints and draining."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .checker import HealthChecker
from .draining import Draining
from .views import health_blueprint, paths

__all__ = ["HealthState", "blueprint", "build", "install", "paths"]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from flask import Blueprint, Flask

    from .._contribution import EventLog, HealthCheck
    from .settings import HealthSettings


@dataclass(frozen=True)
class HealthState:
    """What the health feature keeps for an app."""

    settings: HealthSettings
    checker: HealthChecker
    draining: Draining


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
    return HealthState(
        settings, checker, Draining(seconds=settings.drain_seconds, file=settings.drain_file, log=log)
    )


def blueprint(state: HealthState) -> Blueprint:
    """The endpoints."""
    return health_blueprint(state.settings, state.checker, state.draining)


def install(state: HealthState, undo: ExitStack) -> None:
    """Take SIGTERM over where draining is configured."""
    state.draining.install(undo)
