"""An app whose callers say in headers who they are, so that these tests are about authorization alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, request

from flask_backend_patterns import BackendPatterns, InvalidTokenError
from flask_backend_patterns.auth.default_deny import install
from flask_backend_patterns.auth.enforcement import Enforcement
from flask_backend_patterns.auth.identity import Actor, Identification
from flask_backend_patterns.auth.policies import Policies
from flask_backend_patterns.auth.roles import Roles

ROLES = {
    "customer": ["orders:read:own", "orders:list:own"],
    "support": {"permissions": ["orders:read", "orders:list"], "inherits": ["customer"]},
    "admin": {"permissions": ["*"], "inherits": ["support"]},
    "guest": [],
}


@dataclass
class EventRecorder:
    """An event log that keeps what it is told."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info

    def named(self, event):
        return [fields for name, fields in self.events if name == event]


class HeaderAuthenticator:
    """Believes `X-Actor` and `X-Roles`; `X-Actor: forged` are credentials that do not count."""

    name = "header"
    challenge = "Header"
    security_schemes: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __init__(self, roles, claims):
        self.roles = roles
        self.claims = claims

    def authenticate(self):
        actor_id = request.headers.get("X-Actor")
        if actor_id is None:
            return None
        if actor_id == "forged":
            raise InvalidTokenError(scheme=self.challenge)
        named = tuple(filter(None, request.headers.get("X-Roles", "").split(",")))
        scopes = tuple(request.headers["X-Scopes"].split()) if "X-Scopes" in request.headers else None
        return Actor(
            id=actor_id,
            roles=self.roles.expanded(named),
            permissions=self.roles.permissions_of(named, scopes),
            scopes=scopes,
            claims=self.claims,
            method=self.name,
        )


class Shop:
    """The app under test."""

    def __init__(
        self, *, roles=ROLES, policies=(), claims=None, now=1_000_000.0, deny=False, public=("static",)
    ):
        self.log = EventRecorder()
        self.app = Flask("shop")
        self.app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False, BACKEND_AUTH_ENABLED=False)
        self.policies = Policies(policies, self.log)
        self.roles = Roles(roles, cache_seconds=30, log=self.log)
        self.identification = Identification([HeaderAuthenticator(self.roles, claims or {})])
        self.enforcement = Enforcement(self.identification, self.policies, clock=lambda: now)
        BackendPatterns(enforcers=self.enforcement.by_kind()).init_app(self.app)
        if deny:
            install(self.app, log=self.log, public_endpoints=public)

    def ask(self, path="/x", *, actor=None, roles="", method="get", **headers):
        """The response to a request of `actor` with `roles`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if actor is not None:
            sent |= {"X-Actor": actor, "X-Roles": roles}
        return self.app.test_client().open(path, method=method.upper(), headers=sent)

    def status(self, path="/x", **asked):
        """The status of that response."""
        with self.ask(path, **asked) as response:
            return response.status_code


@pytest.fixture
def make_shop():
    return Shop


@pytest.fixture
def shop():
    return Shop()
