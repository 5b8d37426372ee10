"""Whose path is whose."""

from __future__ import annotations

import subprocess
import sys

import pytest
from flask import Flask
from werkzeug.routing import BaseConverter

from flask_backend_patterns import BackendPatterns, SetupError
from flask_backend_patterns._api_routes import takes_path


class Tenant(BaseConverter):
    """Asks the app, as converters of tenants do."""

    def to_python(self, value):
        raise RuntimeError(f"no converter is run for {value}")


@pytest.mark.parametrize(
    ("rule", "methods", "is_taken"),
    [
        ("/health/live", ["GET"], True),
        ("/health/live/", ["GET"], True),
        ("/health/live", ["POST"], False),
        ("/health/<patient>", ["GET"], True),
        ("/<user>/<tab>", ["GET"], True),
        ("/<user>/<any(live, dead):tab>", ["GET"], True),
        ("/<user>/<any(dead, gone):tab>", ["GET"], False),
        ("/<tenant:t>/<page>", ["GET"], True),
        ("/health/<int:patient>", ["GET"], False),
        ("/health/<patient>/x", ["GET"], False),
        ("/health", ["GET"], False),
        ("/<path:rest>", ["GET"], False),
        ("/<user>/<path:rest>", ["GET"], False),
        ("/health.live", ["GET"], False),
    ],
)
def test_a_route_that_would_answer_the_path_takes_it(rule, methods, is_taken):
    """A2: `init_app` says so rather than take a page over; catch-alls give way; no converter of the app is run."""
    app = Flask("routes")
    app.url_map.converters["tenant"] = Tenant
    app.add_url_rule(rule, "mine", lambda **_: "mine", methods=methods)
    assert takes_path(next(app.url_map.iter_rules("mine")), "/health/live") is is_taken
    if is_taken:
        with pytest.raises(SetupError, match="BACKEND_HEALTH_PREFIX"):
            BackendPatterns().init_app(app)
    else:
        BackendPatterns().init_app(app)


SCRIPT = """
from flask import Flask
from flask_backend_patterns import BackendPatterns, Blueprint
app = Flask("mixed")
BackendPatterns().init_app(app)
shop = Blueprint("shop", "shop")
shop.route("/items", methods=["POST"])(lambda: "api")
app.register_blueprint(shop)
app.add_url_rule("/items", "page", lambda: "page")
print(app.test_client().delete("/items").mimetype)
"""


def test_the_format_of_a_405_does_not_depend_on_the_hash_seed():
    """A path with a page's GET and an API's POST answers other methods in the API's format, in every process."""
    for seed in range(6):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(seed)},
        )
        assert done.stdout.strip() == "application/json"
