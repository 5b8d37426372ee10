"""Apps whose callers have tokens, and requests that say where they come from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns

SECRET = "a secret of the tests, long enough for HS256"
ROLES = {"customer": ["orders:read"], "partner": ["orders:read"], "internal": ["orders:read"]}


def token(actor, *roles):
    """An access token of `actor`."""
    now = int(time.time())
    claims = {"sub": actor, "roles": list(roles), "jti": f"of {actor}", "iat": now, "exp": now + 900}
    return jwt.encode({**claims, "type": "access"}, SECRET, algorithm="HS256")


@dataclass
class EventRecorder:
    """An event log that keeps what it is told."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info

    def named(self, event):
        return [fields for name, fields in self.events if name == event]


@pytest.fixture(autouse=True)
def own_view(request, monkeypatch):
    """A view of its own for each test: what was declared over it by others, on apps that are gone, is not its matter."""
    if hasattr(request.module, "view"):
        monkeypatch.setattr(request.module, "view", lambda: "seen")


class Shop:
    """An app under test."""

    def __init__(self, **config):
        self.app = Flask("shop")
        self.app.config.update(
            BACKEND_OBSERVABILITY_ACCESS_LOG=False,
            BACKEND_AUTH_ROLES=ROLES,
            BACKEND_REDIS_TIMEOUT_SECONDS=20,  # a busy machine is no outage
            JWT_SECRET_KEY=SECRET,
            **config,
        )
        BackendPatterns().init_app(self.app)
        self.state = self.app.extensions["backend_patterns"]
        self.client = self.app.test_client()

    def route(self, view, rule="/x", **options):
        self.app.add_url_rule(rule, rule.strip("/") or "root", view, **options)

    def warm_up(self, path, **asked):
        """Until what is known of revoked tokens is kept in the process: a request asks Redis for no more than its limits."""
        deadline = time.monotonic() + 60
        while not self.state.cache.feed.is_trusted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.statuses(2, path, **asked)

    def ask(
        self, path="/x", *, actor=None, roles=("customer",), method="get", address="10.0.0.1", headers=None
    ):
        """The response to a request of `actor`, a `Bearer` token of its own making when it is `forged`."""
        sent = dict(headers or {})
        if actor is not None:
            sent["Authorization"] = "Bearer " + ("forged" if actor == "forged" else token(actor, *roles))
        return self.client.open(
            path, method=method.upper(), headers=sent, environ_overrides={"REMOTE_ADDR": address}
        )

    def status(self, path="/x", **asked):
        with self.ask(path, **asked) as response:
            return response.status_code

    def statuses(self, count, path="/x", **asked):
        return [self.status(path, **asked) for _ in range(count)]


@pytest.fixture
def make_shop():
    return Shop


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture(params=["memory", "redis"])
def counted_shop(request):
    """Counts in the process, or in Redis: a route must not know the difference."""
    config = {}
    if request.param == "redis":
        config["BACKEND_REDIS_URL"] = request.getfixturevalue("redis_url")
    return Shop(**config)


@pytest.fixture
def recorder(monkeypatch):
    """What apps made from here on log."""
    log = EventRecorder()
    monkeypatch.setattr("flask_backend_patterns.extension.observability.build", recording(log))
    return log


def recording(log):
    from flask_backend_patterns.observability import wiring

    build = wiring.build

    def build_recording(settings):
        state = build(settings)
        object.__setattr__(state, "log", log)
        return state

    return build_recording
