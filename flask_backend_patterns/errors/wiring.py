"""Builds and installs the error contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .handlers import ErrorHandling, install_handling

if TYPE_CHECKING:
    from flask import Flask

    from .._api_routes import ApiRoutes
    from .._contribution import EventLog
    from .handlers import StyleOf
    from .settings import ErrorsSettings


@dataclass(frozen=True)
class ErrorsState:
    """What the error feature keeps for an app."""

    handling: ErrorHandling


def build(
    app: Flask, settings: ErrorsSettings, routes: ApiRoutes, log: EventLog, style_of: StyleOf
) -> ErrorsState:
    """The handling for `app`, not yet in place."""
    return ErrorsState(ErrorHandling(app, settings, routes, log, style_of))


def install(app: Flask, state: ErrorsState) -> None:
    """Put it in place."""
    install_handling(app, state.handling)
