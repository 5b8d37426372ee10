"""`BACKEND_AUTH_DEFAULT = "deny"`: a route that nothing is declared about is refused."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from flask import request

from ..errors import ForbiddenError
from ..guard import declarations_of
from .declarations import AuthDeclaration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from .._contribution import EventLog

HINT = (
    "Declare who may call it: @require_auth, @require_role, @require_permission, @require_policy, or "
    '@public(reason="..."), below the decorator that makes the route; or list the endpoint in '
    "BACKEND_AUTH_PUBLIC_ENDPOINTS. @jwt_required() says nothing here: put @require_auth beside it, or list the endpoint."
)


def install(app: Flask, *, log: EventLog, public_endpoints: Iterable[str]) -> None:
    """Have `app` refuse undeclared routes, before any of its own functions sees the request."""
    gate = Gate(app, log=log, public_endpoints=public_endpoints)
    app.before_request_funcs.setdefault(None, []).insert(0, gate.refuse_undeclared)


class Gate:
    """Decides for one app; shared by threads."""

    def __init__(self, app: Flask, *, log: EventLog, public_endpoints: Iterable[str]) -> None:
        self._app = app
        self._log = log
        self._public_endpoints = tuple(public_endpoints)
        # (endpoint, method) -> the view that was looked at, and whether requests may go on to it.
        self._decisions: dict[tuple[str, str], tuple[Any, bool]] = {}

    def refuse_undeclared(self) -> None:
        """Raise `ForbiddenError` when the request is for a route and method that nothing is declared about.

        Requests without a route go on to their 404 or 405, and OPTIONS that Flask answers itself to Flask.
        """
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        rule, method = asked.url_rule, asked.method
        if rule is None or (method == "OPTIONS" and getattr(rule, "provide_automatic_options", False)):
            return
        view = self._app.view_functions.get(rule.endpoint)
        key = (rule.endpoint, method)
        decision = self._decisions.get(key)
        if decision is None or decision[0] is not view:  # views can be replaced
            decision = self._decisions[key] = (view, self._may_go_on(view, *key))
        if not decision[1]:
            raise ForbiddenError

    def _may_go_on(self, view: Any, endpoint: str, method: str) -> bool:
        if any(fnmatchcase(endpoint, pattern) for pattern in self._public_endpoints):
            return True
        if view is not None and is_declared(view, method):
            return True
        self._log.error("undeclared_route", endpoint=endpoint, method=method, hint=HINT)
        return False


def is_declared(view: Any, method: str) -> bool:
    """Whether something is declared about who may call `method` of `view`."""
    return any(isinstance(item, AuthDeclaration) for item in declarations_of(view, method))
