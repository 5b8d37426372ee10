"""The endpoints: liveness, readiness, startup."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

from .checker import FAIL, PASS, Report

if TYPE_CHECKING:
    from flask import Flask, Request

    from .._contribution import Answer
    from .checker import HealthChecker
    from .draining import Draining
    from .settings import HealthSettings

MIMETYPE = "application/health+json"


class HealthViews:
    """The three answers; given at the edge of the app (see `wiring.contribution`)."""

    def __init__(
        self, app: Flask, settings: HealthSettings, checker: HealthChecker, draining: Draining
    ) -> None:
        self._app = app
        self._settings = settings
        self._checker = checker
        self._draining = draining
        self._has_started = False

    def live(self, _request: Request) -> Response:
        """The process serves requests; dependencies do not matter here, a restart would not mend them."""
        return _answer(PASS, {})

    def ready(self, request: Request) -> Response:
        """Send requests here, or not: 503 while a critical dependency is away, and while draining."""
        self._draining.keep_sigterm()
        if self._draining.is_draining():
            return _answer(FAIL, {"output": "draining"})
        return self._checked(request)

    def startup(self, request: Request) -> Response:
        """503 until the checks have passed once, then always 200."""
        if self._has_started:
            return _answer(PASS, {})
        response = self._checked(request)
        self._has_started = response.status_code == HTTPStatus.OK
        return response

    def by_path(self) -> dict[str, Answer]:
        """Every path and its view."""
        prefix = self._settings.prefix.rstrip("/")
        return {
            f"{prefix}/live": self.live,
            f"{prefix}/ready": self.ready,
            f"{prefix}/startup": self.startup,
        }

    def _checked(self, request: Request) -> Response:
        report = self._checker.report()
        return _answer(report.status, _details(report) if self._may_see_details(request) else {})

    def _may_see_details(self, request: Request) -> bool:
        if self._settings.details == "always" or self._app.debug:
            return True
        authorization, token = request.authorization, self._settings.details_token
        if token is None or authorization is None or authorization.type != "bearer":
            return False
        return hmac.compare_digest((authorization.token or "").encode(), token.encode())


def unfit() -> Response:
    """The answer when the checks themselves cannot be made."""
    return _answer(FAIL, {})


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
