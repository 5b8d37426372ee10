"""The endpoints: liveness, readiness, startup."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import orjson
from flask import Blueprint, Response, current_app, request

from .checker import FAIL, PASS, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from .checker import HealthChecker
    from .draining import Draining
    from .settings import HealthSettings

MIMETYPE = "application/health+json"
BLUEPRINT_NAME = "backend_health"


def health_blueprint(settings: HealthSettings, checker: HealthChecker, draining: Draining) -> Blueprint:
    """A blueprint with the three endpoints below the configured prefix."""
    blueprint = Blueprint(BLUEPRINT_NAME, __name__, url_prefix=settings.prefix.rstrip("/"))
    started: list[bool] = []  # filled once the checks have passed for the first time

    def live() -> Response:
        """The process serves requests; dependencies do not matter here, a restart would not mend them."""
        return _answer(PASS, {})

    def ready() -> Response:
        """Send requests here, or not: 503 while a critical dependency is away, and while draining."""
        draining.keep_sigterm()
        if draining.is_draining():
            return _answer(FAIL, {"output": "draining"})
        report = checker.report()
        return _answer(report.status, _details(report) if _may_see_details(settings) else {})

    def startup() -> Response:
        """503 until the checks have passed once, then always 200."""
        if not started:
            report = checker.report()
            if report.status == FAIL:
                return _answer(FAIL, _details(report) if _may_see_details(settings) else {})
            started.append(True)
        return _answer(PASS, {})

    views: tuple[Callable[[], Response], ...] = (live, ready, startup)
    for view in views:
        blueprint.add_url_rule(f"/{view.__name__}", view_func=view)
    return blueprint


def paths(blueprint: Blueprint) -> list[str]:
    """The paths that `health_blueprint` takes."""
    return [f"{blueprint.url_prefix}/{name}" for name in ("live", "ready", "startup")]


def _may_see_details(settings: HealthSettings) -> bool:
    if settings.details == "always" or current_app.debug:
        return True
    authorization = request.authorization
    if settings.details_token is None or authorization is None or authorization.type != "bearer":
        return False
    return hmac.compare_digest((authorization.token or "").encode(), settings.details_token.encode())


def _details(report: Report) -> dict[str, Any]:
    checks: dict[str, Any] = {}
    for result in report.results:
        entry: dict[str, Any] = {
            **(result.facts or {}),
            "status": result.status,
            "observedValue": result.duration_ms,
            "observedUnit": "ms",
            "time": result.time,
        }
        if result.reason is not None:
            entry["output"] = result.reason
        checks[result.name] = [entry]
    return {"checks": checks}


def _answer(status: str, details: dict[str, Any]) -> Response:
    # a user's facts may hold anything
    body = orjson.dumps({"status": status, **details}, default=str, option=orjson.OPT_NON_STR_KEYS)
    response = Response(body, status=503 if status == FAIL else 200, mimetype=MIMETYPE)
    response.headers["Cache-Control"] = "no-store"
    return response
