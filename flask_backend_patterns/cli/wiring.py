"""Puts the group `backend` on the command line of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.cli import AppGroup

from .bans import bans_group
from .cache import cache_group
from .limits import limits_group
from .openapi import openapi_group
from .routes import routes_command

if TYPE_CHECKING:
    from flask import Flask

    from .._contribution import EventLog
    from .protocols import ExportDocument, RouteAudit

COMMAND = "backend"


def backend_group(*, export_document: ExportDocument, route_audit: RouteAudit | None = None) -> AppGroup:
    """`backend` with all its commands; an app that has a `backend` command of its own can add it by another name.

    Without a `route_audit` there is no `routes`.
    """
    group = AppGroup(COMMAND, help="What flask-backend-patterns knows about this app.")
    group.add_command(openapi_group(export_document))
    group.add_command(bans_group())
    group.add_command(cache_group())
    group.add_command(limits_group())
    if route_audit is not None:
        group.add_command(routes_command(route_audit))
    return group


def install(
    app: Flask, log: EventLog, *, export_document: ExportDocument, route_audit: RouteAudit | None = None
) -> None:
    """Add `flask backend`. A command of the app by that name stays, and the log says so; one added later replaces ours."""
    if COMMAND in app.cli.commands:
        log.warning("cli_command_taken", command=COMMAND)
        return
    app.cli.add_command(backend_group(export_document=export_document, route_audit=route_audit))
