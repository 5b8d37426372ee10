"""What an error says beyond its code: validation details, both formats, the user's renderer and handlers, the log."""

from __future__ import annotations

import logging
from importlib import import_module

import marshmallow as ma
import orjson
import pytest
from flask import Flask, Response, abort
from flask.views import MethodView
from flask_smorest import Api
from flask_smorest import abort as smorest_abort
from webargs.flaskparser import use_args
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.wrappers import Response as BaseResponse

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    ConflictError,
    NotFoundError,
    ValidationError,
)
from flask_backend_patterns.observability.events import event_of


class Line(ma.Schema):
    quantity = ma.fields.Integer(required=True, validate=ma.validate.Range(min=1))


class Order(ma.Schema):
    email = ma.fields.Email()
    items = ma.fields.List(ma.fields.Nested(Line), required=True)
    prices = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer())

    @ma.validates_schema(skip_on_field_errors=True)
    def not_empty(self, data, **_):
        if not data["items"]:
            raise ma.ValidationError("An order needs a line.")


class Query(ma.Schema):
    page = ma.fields.Integer()


def make_app(**config) -> Flask:
    app = Flask("details")
    app.config.update(BACKEND_API_PREFIXES=["/old"], MAX_CONTENT_LENGTH=2_000, **config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("orders", "orders", url_prefix="/orders")

    @blueprint.route("/")
    class Orders(MethodView):
        @blueprint.arguments(Query, location="query")
        def get(self, query):
            return query

        @blueprint.arguments(Order)
        def post(self, order):
            return order

    @blueprint.route("/abort")
    def abort_like_smorest():
        smorest_abort(409, message="Taken.", errors={"name": ["Choose another."]}, headers={"X-Hint": "1"})

    @blueprint.route("/loads")
    def loads():
        Order().load({"items": [{"quantity": 0}]})

    @blueprint.route("/boom")
    def boom():
        password = "hunter2"
        raise RuntimeError(f"no {password}")

    @blueprint.route("/conflict")
    def conflict():
        raise ConflictError(
            "No.",
            details=[
                {"field": "a~b.c/d", "message": "m"},
                {"message": "whole"},
                {"field": "q", "in": "query", "message": "x"},
            ],
        )

    @app.post("/old/orders")
    @use_args(Order)
    def old(order):
        return order

    app.register_blueprint(blueprint)
    return app


@pytest.fixture(scope="module")
def client():
    return make_app().test_client()


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (
            {"items": [{"quantity": 1}, {}]},
            [{"field": "items.1.quantity", "message": "Missing data for required field."}],
        ),
        (
            {"items": [{"quantity": "x"}], "email": "e"},
            [
                {"field": "email", "message": "Not a valid email address."},
                {"field": "items.0.quantity", "message": "Not a valid integer."},
            ],
        ),
        ({"items": []}, [{"message": "An order needs a line."}]),
        ({"items": {}}, [{"field": "items", "message": "Not a valid list."}]),
        (
            {"items": [{"quantity": 1}], "prices": {"a": "b"}},
            [{"field": "prices.a.value", "message": "Not a valid integer."}],
        ),
        ({"items": [{"quantity": 1, "x": 1}]}, [{"field": "items.0.x", "message": "Unknown field."}]),
        ([], [{"message": "Invalid input type."}]),
    ],
)
@pytest.mark.parametrize("path", ["/orders/", "/old/orders"])
def test_validation_details_are_dotted_paths(client, path, body, details):
    """A client can point at each wrong value, at any depth, with our parser and with webargs' own."""
    response = client.post(path, json=body)
    assert response.status_code == 422
    error = response.json["error"]
    assert (error["code"], error["message"]) == ("VALIDATION_ERROR", "Invalid input data")
    assert sorted(error["details"], key=str) == sorted(details, key=str)


def test_details_name_the_place_when_it_is_not_the_body(client):
    """A wrong query parameter says `"in": "query"`."""
    response = client.get("/orders/?page=x")
    assert response.json["error"]["details"] == [
        {"field": "page", "in": "query", "message": "Not a valid integer."}
    ]


def test_a_schema_loaded_in_the_view_is_the_same_error(client):
    """`schema.load` in a service answers like `@arguments`."""
    response = client.get("/orders/loads")
    assert response.status_code == 422
    assert response.json["error"]["details"][0]["field"] == "items.0.quantity"


@pytest.mark.parametrize("path", ["/orders/", "/orders/loads"])
def test_the_validation_status_is_a_setting(path):
    """`BACKEND_ERRORS_VALIDATION_STATUS = 400` holds for every source of validation errors."""
    client = make_app(BACKEND_ERRORS_VALIDATION_STATUS=400).test_client()
    response = client.post(path, json={}) if path == "/orders/" else client.get(path)
    assert (response.status_code, response.json["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_smorest_abort_keeps_message_errors_and_headers(client):
    """What a view already says through flask-smorest's `abort` arrives in our format."""
    response = client.get("/orders/abort")
    error = response.json["error"]
    assert (response.status_code, error["code"], error["message"]) == (409, "CONFLICT", "Taken.")
    assert error["details"] == [{"field": "name", "message": "Choose another."}]
    assert response.headers["X-Hint"] == "1"


@pytest.mark.parametrize(
    ("content_type", "data", "expected"),
    [
        ("text/plain", "a=1", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("application/x-www-form-urlencoded", "a=1", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (None, "a=1", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("application/json", '{"a"', (400, "MALFORMED_JSON")),
        ("application/json", b"\xff\xfe", (400, "MALFORMED_JSON")),
        ("application/json", "x" * 3_000, (413, "PAYLOAD_TOO_LARGE")),
        ("application/vnd.shop+json", '{"items": [{"quantity": 1}]}', (200, None)),
        (None, None, (422, "VALIDATION_ERROR")),
    ],
)
def test_bodies_that_cannot_be_read_are_refused_as_such(client, content_type, data, expected):
    """E4: a wrong type is a 415 and broken JSON a 400, not a list of missing fields; too large is a 413."""
    response = client.post("/orders/", data=data, content_type=content_type)
    code = response.json["error"]["code"] if response.status_code != 200 else None
    assert (response.status_code, code) == expected


def test_debug_says_no_more_about_broken_json():
    """The decoder's text stays inside, also in debug."""
    app = make_app()
    app.debug = True
    response = app.test_client().post("/orders/", data="{", content_type="application/json")
    assert response.json["error"]["message"] == "The request body is not valid JSON."


def test_an_abort_400_inside_an_except_block_is_not_taken_for_broken_json():
    """Only the stock sentence after a decoding error means that the body is not JSON."""
    app = make_app()

    @app.get("/old/abort")
    def abort_with_context():
        try:
            orjson.loads("{")
        except ValueError:
            abort(400, "The stored template is broken.")

    error = app.test_client().get("/old/abort").json["error"]
    assert (error["code"], error["message"]) == ("BAD_REQUEST", "The stored template is broken.")


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("application/problem+json", True),
        ("application/problem+json, application/json", True),
        ("application/json, application/problem+json;q=0.5", False),
        ("application/problem+json;q=0.9, */*;q=0.1", True),
        ("application/problem+json;q=0", False),
        ("text/html", False),
    ],
)
def test_problem_documents_go_to_clients_that_prefer_them(client, accept, is_problem):
    """RFC 9457 by negotiation, with its members and our extensions."""
    response = client.get("/orders/conflict", headers={"Accept": accept} if accept else {})
    assert response.mimetype == ("application/problem+json" if is_problem else "application/json")
    if is_problem:
        assert response.json == {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "No.",
            "instance": "/orders/conflict",
            "code": "CONFLICT",
            "request_id": response.headers["X-Request-ID"],
            "errors": [
                {"detail": "m", "pointer": "#/a~0b/c~1d"},
                {"detail": "whole"},
                {"detail": "x", "parameter": "q", "in": "query"},
            ],
        }


def test_problem_documents_can_be_the_only_format():
    """`BACKEND_ERRORS_FORMAT = "problem"` answers them to everybody."""
    client = make_app(BACKEND_ERRORS_FORMAT="problem").test_client()
    assert client.get("/orders/boom").mimetype == "application/problem+json"


RENDERER = """
def render(error, context):
    fields = {detail.get("field", "base"): [detail["message"]] for detail in error.details}
    return {"errors": fields, "id": context.request_id}
"""


@pytest.mark.parametrize("by_name", [True, False])
def test_a_function_replaces_the_renderer_for_every_source(by_name, tmp_path, monkeypatch):
    """A format of one's own, given as a function or by its name; status and headers are still ours."""
    (tmp_path / "my_renderer.py").write_text(RENDERER)
    monkeypatch.syspath_prepend(tmp_path)
    renderer = "my_renderer:render" if by_name else import_module("my_renderer").render
    client = make_app(BACKEND_ERRORS_RENDERER=renderer).test_client()
    response = client.post("/orders/", json={})
    assert response.status_code == 422
    assert response.json["errors"] == {"items": ["Missing data for required field."]}
    assert response.json["id"] == response.headers["X-Request-ID"]
    assert client.get("/old/nothing").json["errors"] == {}


def test_a_renderer_may_return_a_response():
    """A status of its own stands, 200 is the error's; headers of the error are added; werkzeug's own class counts."""
    for kind, status, answered in ((Response, 200, 405), (Response, 422, 422), (BaseResponse, 200, 405)):
        made = kind("<e/>", status, mimetype="text/xml")
        app = make_app(BACKEND_ERRORS_RENDERER=lambda error, _, made=made: made)
        response = app.test_client().delete("/orders/")
        assert (response.status_code, response.mimetype, response.data) == (answered, "text/xml", b"<e/>")
        assert "Allow" in response.headers


def test_a_broken_renderer_does_not_break_the_answer(caplog):
    """The client gets the default format, the log the fault."""

    def broken(_error, _context):
        raise KeyError("oops")

    response = make_app(BACKEND_ERRORS_RENDERER=broken).test_client().get("/orders/conflict")
    assert (response.status_code, response.json["error"]["code"]) == (409, "CONFLICT")
    assert any("error_renderer_failed" in str(record.msg) for record in caplog.records)


def test_handlers_of_the_app_for_its_own_exceptions_win():
    """A handler for one's own class, for a class of ours, or on the blueprint is a choice; it is honoured."""

    class DomainError(Exception):
        pass

    app = make_app()
    blueprint = Blueprint("b", "b", url_prefix="/b")

    @blueprint.errorhandler(404)
    def missing(_error):
        return "of the blueprint", 404

    blueprint.add_url_rule("/x", "x", lambda: abort(404))
    app.register_blueprint(blueprint)
    app.register_error_handler(DomainError, lambda _error: ("of the app", 418))
    app.register_error_handler(NotFoundError, lambda _error: ("for ours", 404))
    app.register_error_handler(404, lambda _error: ("page", 404))
    app.register_error_handler(Exception, lambda _error: ("any", 500))

    def fail(error):
        def view():
            raise error

        return view

    app.add_url_rule("/old/domain", "domain", fail(DomainError()))
    app.add_url_rule("/old/ours", "ours", fail(NotFoundError()))
    client = app.test_client()
    assert client.get("/b/x").data == b"of the blueprint"
    assert client.get("/old/domain").data == b"of the app"
    assert client.get("/old/ours").data == b"for ours"
    assert client.get("/old/nothing").json["error"]["code"] == "NOT_FOUND"
    assert client.get("/orders/boom").json["error"]["code"] == "INTERNAL_ERROR"
    assert client.get("/page").data == b"page"


@pytest.mark.parametrize("flag", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_debug_and_testing_propagate_as_flask_does(flag):
    """An unforeseen exception reaches the test or the debugger; foreseen ones are answered."""
    app = make_app(**{flag: True})
    with pytest.raises(RuntimeError, match="hunter2"):
        app.test_client().get("/orders/boom")
    assert app.test_client().get("/orders/conflict").status_code == 409


def test_trapped_http_exceptions_stay_trapped():
    """A1: `TRAP_HTTP_EXCEPTIONS` and trapped key errors work as in Flask, on API routes too."""
    app = make_app(TRAP_HTTP_EXCEPTIONS=True, TESTING=True)
    app.add_url_rule("/old/key", "key", lambda: abort(404))
    with pytest.raises(Exception, match="404"):
        app.test_client().get("/old/key")
    app = make_app(DEBUG=True)

    def read_key():
        raise BadRequestKeyError("k")

    app.add_url_rule("/old/key", "key", read_key)
    with pytest.raises(BadRequestKeyError):
        app.test_client().get("/old/key")


def error_events(caplog):
    return [record for record in caplog.records if (event_of(record) or {}).get("event") == "error"]


def test_a_500_can_be_found_in_the_log(client, caplog):
    """E7: the same id in body, header and log; the log line has the stack, and level error."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    response = client.get("/orders/boom", headers={"X-Request-ID": "find-me"})
    assert response.json["error"]["request_id"] == response.headers["X-Request-ID"] == "find-me"
    (record,) = error_events(caplog)
    assert record.levelno == logging.ERROR
    assert record.exc_info[0] is RuntimeError
    assert event_of(record)["request_id"] == "find-me"
    assert event_of(record)["exception"] == "builtins.RuntimeError"
    assert (event_of(record)["code"], event_of(record)["route"]) == ("INTERNAL_ERROR", "/orders/boom")


def test_a_4xx_is_logged_as_info_without_a_stack(client, caplog):
    """The client's mistakes do not wake anybody."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    client.get("/orders/conflict")
    (record,) = error_events(caplog)
    assert (record.levelno, record.exc_info) == (logging.INFO, None)


def test_a_validation_error_of_ones_own_has_details():
    """A service raises what the schema cannot know."""
    app = make_app()

    def view():
        raise ValidationError(details=[{"field": "lines.0.sku", "message": "Unknown."}])

    app.add_url_rule("/old/own", "own", view)
    assert app.test_client().get("/old/own").json["error"]["details"] == [
        {"field": "lines.0.sku", "message": "Unknown."}
    ]


def test_the_document_describes_our_error_format():
    """The OpenAPI document shows the envelope, not flask-smorest's error."""
    app = make_app(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api = Api(app)
    blueprint = Blueprint("doc", "doc", url_prefix="/doc")
    blueprint.route("/", methods=["POST"])(blueprint.arguments(Order)(lambda order: order))
    api.register_blueprint(blueprint)
    responses = api.spec.to_dict()["paths"]["/doc/"]["post"]["responses"]
    for status in ("422", "default"):
        schema = responses[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/BackendError"}
