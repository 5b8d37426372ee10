"""Apps with a view cache whose clock the test moves, and callers with tokens."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.cache.aside import CacheAside
from flask_backend_patterns.cache.backends.local_feed import LocalFeed
from flask_backend_patterns.cache.backends.memory_store import MemoryStore
from flask_backend_patterns.cache.near_values import NearValues
from flask_backend_patterns.cache.settings import CacheSettings
from flask_backend_patterns.cache.view_cache import CachedView
from flask_backend_patterns.cache.view_cache.enforcement import Enforcement

SECRET = "a secret of the tests that is long enough"


class Clock:
    """Seconds since the epoch, moved by the test."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now


@dataclass
class EventRecorder:
    """An event log that keeps what it is told."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info

    def named(self, event):
        return [fields for name, fields in self.events if name == event]


class Site:
    """An app with a view cache, and how often its views ran."""

    def __init__(self, *, near_entries=1000, settings=None, **config):
        self.clock, self.log = Clock(), EventRecorder()
        self.runs: list[Any] = []
        self.app = Flask("site")
        self.app.secret_key = SECRET
        self.app.config.update(
            {"BACKEND_OBSERVABILITY_ACCESS_LOG": False, "JWT_SECRET_KEY": SECRET, "TESTING": True} | config
        )
        feed = LocalFeed()
        self.store = MemoryStore(clock=self.clock, monotonic=self.clock)
        self.engine = CacheAside(
            settings or CacheSettings(),
            find_store=lambda: self.store,
            near=NearValues(
                max_entries=near_entries, max_bytes=1 << 25, ttl_seconds=30, feed=feed, clock=self.clock
            ),
            publish=feed.publish,
            log=self.log,
            wall_clock=self.clock,
        )
        enforcement = Enforcement(self.engine, monotonic=self.clock)
        BackendPatterns(enforcers={CachedView: enforcement.enforce}).init_app(self.app)

    def view(self, *decorators, path="/x", endpoint=None, answer=None, methods=("GET",)):
        """Add a route whose view notes that it ran; decorators from the outermost to the innermost."""

        def function(**arguments):
            self.runs.append(arguments)
            return {"run": len(self.runs)} if answer is None else answer(**arguments)

        function.__name__ = function.__qualname__ = endpoint or "view"
        for decorator in reversed(decorators):
            function = decorator(function)
        self.app.add_url_rule(path, endpoint or "view", function, methods=list(methods))
        return function

    def get(self, path="/x", *, actor=None, roles=(), method="GET", client=None, **headers):
        """The response to a request of `actor` with `roles`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if actor is not None:
            sent["Authorization"] = f"Bearer {token(actor, roles)}"
        return (client or self.app.test_client(use_cookies=False)).open(path, method=method, headers=sent)


def token(actor, roles=()):
    """An access token as ours are."""
    now = int(time.time())
    claims = {
        "sub": actor,
        "roles": list(roles),
        "jti": f"{actor}-{now}",
        "iat": now,
        "exp": now + 600,
        "type": "access",
    }
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.fixture
def make_site():
    return Site


@pytest.fixture
def site():
    return Site()


@pytest.fixture(autouse=True)
def alone():
    """In the place of the one around: nothing here counts listeners, and collecting garbage takes longer than a test."""
