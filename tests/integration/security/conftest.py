"""An app with every kind of response, to look at what security adds to each."""

import io

import pytest
from flask import Flask, Response, abort, jsonify, redirect, send_file, url_for

from flask_backend_patterns import BackendPatterns, Blueprint, NotFoundError, UnauthorizedError
from flask_backend_patterns import ValidationError as InvalidInputError

LARGE = {"items": ["one and the same"] * 200}


@pytest.fixture(name="make_app")
def app_maker():
    """`make_app(before=, after=, **settings)`: functions that set the app up before and after us."""
    return make_app


def make_app(*, before=None, after=None, **settings):
    app = Flask(__name__)
    app.config.update(settings, SECRET_KEY="x", PROPAGATE_EXCEPTIONS=False)
    if before:
        before(app)
    BackendPatterns(app)
    if after:
        after(app)
    api = Blueprint("api", __name__, url_prefix="/api")
    add_api_routes(api)
    add_pages(app)
    app.register_blueprint(api)
    return app


def add_api_routes(api):
    @api.get("/item")
    def item():
        return jsonify(id=1)

    @api.get("/text")
    def text():
        return Response("text", mimetype="text/plain")

    @api.get("/vendor")
    def vendor():
        return Response("{}", mimetype="application/vnd.api+json")

    @api.get("/fails/<int:status>")
    def fails(status):
        errors = {401: UnauthorizedError(), 404: NotFoundError(), 422: InvalidInputError()}
        raise errors.get(status) or ZeroDivisionError

    @api.get("/large")
    def large():
        return jsonify(LARGE)


def add_pages(app):
    @app.get("/page")
    def page():
        return "<h1>page</h1>"

    @app.get("/json-page")
    def json_page():
        return jsonify(id=1)

    @app.get("/refused")
    def refused():
        abort(403)

    @app.get("/moved")
    def moved():
        return redirect(url_for("page"))

    @app.get("/stream")
    def stream():
        return Response((b"line %d\n" % number * 200 for number in range(3)), mimetype="text/plain")

    @app.get("/file")
    def file():
        return send_file(io.BytesIO(b"text " * 500), mimetype="text/plain")

    @app.get("/fails")
    def fails():
        raise ZeroDivisionError
