"""What `@blp.arguments` accepts, and how it refuses the rest."""

from __future__ import annotations

import json

import marshmallow as ma
import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask
from flask.views import MethodView

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.api import Format


class Line(ma.Schema):
    sku = ma.fields.String(required=True)


class Order(ma.Schema):
    name = ma.fields.String(validate=ma.validate.Length(min=2, max=5))
    lines = ma.fields.List(ma.fields.Nested(Line))
    main = ma.fields.Nested(Line)
    note = ma.fields.String(allow_none=True)


class First(ma.Schema):
    a = ma.fields.Integer()


class Second(ma.Schema):
    b = ma.fields.Integer(data_key="bee")
    many = ma.fields.List(ma.fields.Integer())


def make_app(*, wanted=None, **config) -> Flask:
    app = Flask("arguments")
    app.config.update(BACKEND_API_FORMAT=wanted, BACKEND_OBSERVABILITY_ACCESS_LOG=False, **config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("orders", "orders", url_prefix="/orders")

    @blueprint.post("/")
    @blueprint.arguments(Order)
    @blueprint.response(200)
    def create(body):
        return body

    @blueprint.post("/large")
    @blueprint.arguments(Order, max_bytes=10_000)
    @blueprint.response(200)
    def large(body):
        return len(body["name"]) if "name" in body else 0

    @blueprint.get("/")
    @blueprint.arguments(First, location="query")
    @blueprint.arguments(Second, location="query")
    @blueprint.response(200)
    def find(first, second):
        return {**first, **second}

    @blueprint.route("/class")
    class Orders(MethodView):
        @blueprint.arguments(First, location="query")
        @blueprint.response(200)
        def get(self, first):
            return first

        @blueprint.arguments(Second, location="query")
        @blueprint.response(200)
        def post(self, second):
            return second

    @blueprint.get("/free")
    @blueprint.response(200)
    def free():
        return "any query"

    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def client():
    return make_app().test_client()


def details(answer):
    return {detail.get("field"): detail["message"] for detail in answer.json["error"]["details"]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"nam": "x"}, {"nam": "Unknown field."}),
        ({"lines": [{"sku": "a"}, {"sku": "b", "x": 1}]}, {"lines.1.x": "Unknown field."}),
        ({"main": {"sku": "a", "x": 1}}, {"main.x": "Unknown field."}),
        (
            {"name": "x", "lines": [{}]},
            {
                "name": "Length must be between 2 and 5.",
                "lines.0.sku": "Missing data for required field.",
            },
        ),
        ([], {None: "Invalid input type."}),
        (7, {None: "Invalid input type."}),
        ({"name": None}, {"name": "Field may not be null."}),
    ],
)
def test_wrong_and_unknown_fields_are_named(client, body, fields):
    """422 with one detail for each, at any depth."""
    answer = client.post("/orders/", json=body)
    assert (answer.status_code, details(answer)) == (422, fields)


def test_absent_null_and_empty_are_told_apart(client):
    """What was not sent is not in the data, null is None, and an empty string stays one."""
    sent = [{}, {"note": None}, {"note": ""}]
    assert [client.post("/orders/", json=body).json["data"] for body in sent] == sent


@pytest.mark.parametrize("query", ["a=1&bee=2", "bee=2", "many=1&many=2&a=3", ""])
def test_all_parts_of_a_query_string_are_known_together(client, query):
    """Two schemas on one view share the query; a list may be repeated."""
    assert client.get(f"/orders/?{query}").status_code == 200


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("c=1", {"c": "Unknown parameter. Allowed: a, bee, many."}),
        ("b=1", {"b": "Unknown parameter. Allowed: a, bee, many."}),
        ("a=1&a=2", {"a": "Give it once."}),
        ("a=x", {"a": "Not a valid integer."}),
        ("a=%00", {"a": "Contains a character that cannot be stored (NUL, or half of a surrogate pair)."}),
    ],
)
def test_queries_are_refused_by_name(client, query, fields):
    """Unknown, repeated and unfit parameters are a 422 that says where; unknown ones list what is allowed."""
    answer = client.get(f"/orders/?{query}")
    assert (answer.status_code, details(answer)) == (422, fields)
    assert {detail["in"] for detail in answer.json["error"]["details"]} == {"query"}


def test_methods_of_a_class_have_their_own_parameters(client):
    """What GET takes is unknown to POST."""
    assert client.get("/orders/class?a=1").json == {"data": {"a": 1}}
    assert client.head("/orders/class?a=1").status_code == 200
    assert client.post("/orders/class?a=1").status_code == 422
    assert client.post("/orders/class?bee=1").json == {"data": {"b": 1}}


def test_a_view_that_reads_no_query_takes_any(client):
    """Tracking parameters that nobody asked for harm nothing."""
    assert client.get("/orders/free?utm_source=x").status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("{}", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("{}", "application/json", 200, None),
        ("{}", "application/json; charset=utf-8", 200, None),
        ("{}", "application/merge-patch+json", 200, None),
        ("", "application/json", 200, None),
        ("{", "application/json", 400, "MALFORMED_JSON"),
        ('{"name": NaN}', "application/json", 400, "MALFORMED_JSON"),
        ('{"name": Infinity}', "application/json", 400, "MALFORMED_JSON"),
        ("[" * 100_000, "application/json", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", "application/json", 400, "MALFORMED_JSON"),
        ('{"name": ' + "9" * 5_000 + "}", "application/json", 400, "MALFORMED_JSON"),
    ],
)
def test_bodies_that_are_no_json(client, body, content_type, status, code):
    """A wrong type is a 415, what is no JSON a 400; both before any field is looked at."""
    answer = client.post("/orders/", data=body, content_type=content_type)
    assert answer.status_code == status
    if code:
        assert answer.json["error"]["code"] == code


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (r'{"name": "\u0000ab"}', "name"),
        (r'{"name": "\ud800ab"}', "name"),
        (r'{"lines": [{"sku": "x\udfff"}]}', "lines.0.sku"),
        (r'{"main": {"sku\u0000": "x"}}', "main"),
    ],
)
def test_text_that_no_database_stores_is_refused(client, raw, field):
    """NUL and half surrogate pairs, in values and keys, by the place they stand at."""
    answer = client.post("/orders/", data=raw, content_type="application/json")
    assert (answer.status_code, list(details(answer))) == (422, [field])


def test_whole_surrogate_pairs_and_other_escapes_pass(client):
    """What is text stays text."""
    answer = client.post("/orders/", data=r'{"name": "\ud83d\ude00\u00e9"}', content_type="application/json")
    assert answer.json == {"data": {"name": "😀é"}}


def test_a_path_with_nul_names_nothing(client):
    """404 before a database is asked."""
    assert client.get("/orders/%00").status_code == 404
    app = make_app()
    blueprint = Blueprint("paths", "paths")
    blueprint.add_url_rule("/paths/<name>", "path", lambda name: name)
    app.register_blueprint(blueprint)
    assert app.test_client().get("/paths/a%00b").status_code == 404
    assert app.test_client().get("/paths/ab").data == b"ab"


def test_a_long_json_body_is_refused():
    """Beyond the app's limit 413; a view may have one of its own, in both directions."""
    client = make_app(BACKEND_API_MAX_JSON_BYTES=1_000).test_client()
    body = json.dumps({"name": "x" * 2_000})
    assert client.post("/orders/", data=body, content_type="application/json").status_code == 413
    assert client.post("/orders/large", data=body, content_type="application/json").status_code == 422
    body = json.dumps({"name": "x" * 20_000})
    assert client.post("/orders/large", data=body, content_type="application/json").status_code == 413


def test_the_apps_own_body_limit_stays_in_force():
    """MAX_CONTENT_LENGTH below ours decides."""
    client = make_app(MAX_CONTENT_LENGTH=50).test_client()
    body = json.dumps({"name": "x" * 100})
    assert client.post("/orders/", data=body, content_type="application/json").status_code == 413


def test_unknown_fields_are_tolerated_where_the_format_says_so():
    """In the query and in the body at every depth; known ones are still checked."""
    client = make_app(wanted=Format(ignore_unknown=True)).test_client()
    assert client.get("/orders/?c=1&a=2").json == {"data": {"a": 2}}
    body = {"x": 1, "name": "abc", "lines": [{"sku": "a", "y": 2}], "main": {"sku": "b", "z": 3}}
    assert client.post("/orders/", json=body).json == {
        "data": {"name": "abc", "lines": [{"sku": "a"}], "main": {"sku": "b"}}
    }
    assert details(client.post("/orders/", json={"x": 1, "lines": [{"y": 2}]})) == {
        "lines.0.sku": "Missing data for required field."
    }


@pytest.mark.parametrize("body", [{}, {"name": "abc"}, [], 3, None])
def test_a_wrapped_body_has_to_be_wrapped(body):
    """A body without its key is told that the key is missing; null is no object either."""
    client = make_app(wanted=Format(body_key="order")).test_client()
    assert client.post("/orders/", json={"order": {"name": "abc"}}).json == {"data": {"name": "abc"}}
    answer = client.post("/orders/", json=body)
    assert (answer.status_code, details(answer)) == (422, {"order": "Missing data for required field."})
    assert client.post("/orders/", json={"order": None}).status_code == 422


def test_the_decorators_work_on_plain_flask_blueprints():
    """A view of any blueprint may use them; errors are ours there too."""
    app = Flask("plain")
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns().init_app(app)
    ours, plain = Blueprint("ours", "ours"), FlaskBlueprint("plain", "plain")

    @plain.post("/plain")
    @ours.arguments(Order)
    @ours.response(201)
    def create(body):
        return body

    app.register_blueprint(plain)
    client = app.test_client()
    assert client.post("/plain", json={"name": "abc"}).json == {"data": {"name": "abc"}}
    assert details(client.post("/plain", json={"x": 1})) == {"x": "Unknown field."}
