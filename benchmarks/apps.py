"""The apps that are measured: one JSON route, bare and with our always-on parts."""

from __future__ import annotations

from flask import Flask, jsonify

from flask_backend_patterns import BackendPatterns


def bare() -> Flask:
    """Flask and nothing else."""
    app = Flask("bare")
    app.add_url_rule("/ping", "ping", lambda: jsonify(ok=True))
    return app


def always_on() -> Flask:
    """`init_app` with no settings: id in and out, JSON access log to stderr, security headers, error contract, health."""
    app = bare()
    BackendPatterns().init_app(app)
    return app


def browsers_too() -> Flask:
    """The same with CORS and compression, on a request that neither applies to."""
    app = bare()
    app.config.update(
        BACKEND_SECURITY_CORS_ORIGINS=["https://shop.example"], BACKEND_SECURITY_COMPRESSION=True
    )
    BackendPatterns().init_app(app)
    return app


BARE = "bare Flask"
APPS = {BARE: bare, "always-on parts": always_on, "with CORS, compression": browsers_too}
