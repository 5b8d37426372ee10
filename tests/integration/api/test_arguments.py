"""What `@blp.arguments` accepts, and how it refuses the rest."""

from __future__ import annotations

import io
import json

import marshmallow as ma
import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask, request
from flask.views import MethodView
from flask_smorest import Api
from webargs.fields import DelimitedList

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.api import Format
from flask_backend_patterns.api.parser import Parser


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
    assert client.head("/orders/class?bee=1").status_code == 422
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


def app_for(schema, *, wanted=None, method="POST", **options) -> Flask:
    """An app whose view at / answers what it was given."""
    config = options.pop("config", {})
    app = Flask("one")
    app.config.update(BACKEND_API_FORMAT=wanted, BACKEND_OBSERVABILITY_ACCESS_LOG=False, **config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("one", "one")

    @blueprint.route("/", methods=[method])
    @blueprint.arguments(schema, **options)
    @blueprint.response(200)
    def echo(data):
        return data

    app.register_blueprint(blueprint)
    return app


UNFIT = "Contains a character that cannot be stored (NUL, or half of a surrogate pair)."


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "\xed\xa0\x80ab"}', 400),
        ('{"name": "\\u0000ab"}'.encode("utf-16"), 422),
        ('{"name": "\ud800ab"}'.encode("utf-16-le", "surrogatepass"), 400),
        ('{"name": "abc"}'.encode("utf-8-sig"), 200),
        ('{"name": "abc"}'.encode("utf-16"), 200),
    ],
)
def test_no_encoding_smuggles_in_what_no_database_stores(client, body, status):
    """Half surrogates as raw bytes, and escapes in UTF-16; the encodings themselves are read, with their marks."""
    assert client.post("/orders/", data=body, content_type="application/json").status_code == status


@pytest.mark.parametrize(
    ("request_options", "status"),
    [
        ({"json": {"name": "abc"}}, 200),
        ({"data": {"name": "abc"}}, 200),
        ({"data": {"name": "abc"}, "content_type": "multipart/form-data"}, 200),
        ({"data": "name=abc", "content_type": "text/plain"}, 415),
        ({"data": {"name": "ab\0"}}, 422),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({}, 200),
    ],
)
def test_json_or_form_takes_both(request_options, status):
    """By the content type; anything else is a 415, and forms hold no NUL either."""
    answer = app_for(Order, location="json_or_form").test_client().post("/", **request_options)
    assert answer.status_code == status


def test_forms_are_not_wrapped():
    """Only JSON bodies have a key around them."""
    client = app_for(Order, location="json_or_form", wanted=Format(body_key="order")).test_client()
    assert client.post("/", data={"name": "abc"}).json == {"data": {"name": "abc"}}
    assert client.post("/", json={"order": {"name": "abc"}}).json == {"data": {"name": "abc"}}
    assert client.post("/", json={"name": "abc"}).status_code == 422


def test_the_limit_holds_for_a_body_that_was_read_before():
    """A hook of the app may have read it; it is no shorter for that."""
    app = make_app(BACKEND_API_MAX_JSON_BYTES=1_000)

    @app.before_request
    def read():
        request.get_data()

    body = json.dumps({"name": "x" * 2_000})
    answer = app.test_client().post("/orders/", data=body, content_type="application/json")
    assert answer.status_code == 413


@pytest.mark.parametrize(("size", "status"), [(1_000, 200), (1_001, 413), (5_000, 413)])
def test_the_limit_holds_for_a_body_in_chunks(size, status):
    """Without a `Content-Length`, counted while it is read; a body of just that length passes."""
    body = json.dumps({"lines": []}).encode().ljust(size)
    answer = (
        make_app(BACKEND_API_MAX_JSON_BYTES=1_000)
        .test_client()
        .post(
            "/orders/",
            input_stream=io.BytesIO(body),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    )
    assert answer.status_code == status


class Chain(ma.Schema):
    child = ma.fields.Nested(lambda: Chain())  # noqa: PLW0108 - there is no Chain yet


@pytest.mark.parametrize("wanted", [None, Format(ignore_unknown=True)])
@pytest.mark.parametrize(("depth", "status"), [(30, 200), (300, 400), (900, 400)])
def test_a_schema_that_contains_itself_does_not_exhaust_the_stack(wanted, depth, status):
    """Deep data is the client's fault."""
    body = '{"child": ' * depth + "{}" + "}" * depth
    answer = app_for(Chain, wanted=wanted).test_client().post("/", data=body, content_type="application/json")
    assert answer.status_code == status


def test_a_schema_that_never_ends_is_the_programs_fault():
    """Shallow data that exhausts the stack is no client's mistake."""

    class Endless(ma.Schema):
        @ma.pre_load
        def again(self, data, **options):
            return self.again(data, **options)

    assert app_for(Endless).test_client().post("/", json={}).status_code == 500


class Renaming(ma.Schema):
    name = ma.fields.String(required=True)

    @ma.pre_load
    def lower(self, data, **_):
        return {key.lower(): value for key, value in data.items()}


class Keeping(ma.Schema):
    class Meta:
        unknown = ma.INCLUDE

    line = ma.fields.Nested(Line)


@pytest.mark.parametrize(
    ("schema", "sent", "loaded"),
    [
        (Renaming, {"NAME": "a", "x": 1}, {"name": "a"}),
        (Keeping, {"x": 1, "line": {"sku": "a", "y": 1}}, {"x": 1, "line": {"sku": "a"}}),
        (Line(many=True), [{"sku": "a", "x": 1}], [{"sku": "a"}]),
        (Order(many=True, only=("name",)), [{"name": "abc", "note": "a"}], [{"name": "abc"}]),
        (
            {"lines": ma.fields.Nested(Line, many=True)},
            {"lines": [{"sku": "a", "x": 1}]},
            {"lines": [{"sku": "a"}]},
        ),
        (
            {"lines": ma.fields.Nested(Line(many=True))},
            {"lines": [{"sku": "a", "x": 1}]},
            {"lines": [{"sku": "a"}]},
        ),
        (
            {"lines": ma.fields.Dict(values=ma.fields.Nested(Line))},
            {"lines": {"k": {"sku": "a", "x": 1}}},
            {"lines": {"k": {"sku": "a"}}},
        ),
        (
            {"pair": ma.fields.Tuple((ma.fields.Nested(Line), ma.fields.Integer()))},
            {"pair": [{"sku": "a", "x": 1}, 2]},
            {"pair": [{"sku": "a"}, 2]},
        ),
        (
            {"line": ma.fields.Nested(Line, unknown=ma.INCLUDE)},
            {"line": {"sku": "a", "x": 1}},
            {"line": {"sku": "a", "x": 1}},
        ),
    ],
)
def test_tolerance_reaches_every_kind_of_field_and_spares_what_is_read(schema, sent, loaded):
    """Lists, dicts, tuples and hooks; a schema that keeps unknown fields itself gets them."""
    answer = app_for(schema, wanted=Format(ignore_unknown=True)).test_client().post("/", json=sent)
    assert answer.json == {"data": loaded}


@pytest.mark.parametrize(
    "sent", [{"lines": 3}, {"lines": [3]}, {"lines": {"a": 1}}, {"main": []}, 3, [1], {"name": ["x"]}]
)
def test_tolerance_leaves_what_is_of_the_wrong_type_to_the_schema(sent):
    """A 422, never a fault of ours."""
    schema = ma.Schema.from_dict(
        {
            **Order._declared_fields,
            "map": ma.fields.Dict(values=ma.fields.Nested(Line)),
            "pair": ma.fields.Tuple((ma.fields.Nested(Line),)),
        }
    )
    client = app_for(schema, wanted=Format(ignore_unknown=True)).test_client()
    assert client.post("/", json=sent).status_code == 422
    assert client.post("/", json={"map": 3, "pair": {}}).status_code == 422
    assert client.post("/", json={"pair": [{"sku": "a"}, 1, 2]}).status_code == 422


def test_forms_may_hold_unknown_fields_where_the_format_says_so():
    """They are bodies too."""
    client = app_for(First, location="form", wanted=Format(ignore_unknown=True)).test_client()
    assert client.post("/", data={"a": 1, "x": 1}).json == {"data": {"a": 1}}


class Including(First):
    class Meta:
        unknown = ma.INCLUDE


@pytest.mark.parametrize(
    ("schema", "options", "loaded"),
    [
        (First, {"unknown": ma.INCLUDE}, {"a": 1, "x": "2"}),
        (First, {"unknown": ma.EXCLUDE}, {"a": 1}),
        (First(unknown=ma.EXCLUDE), {}, {"a": 1}),
        (Including, {"unknown": None}, {"a": 1, "x": "2"}),
        (lambda _: First(), {}, {"a": 1}),
    ],
)
def test_a_view_that_says_what_becomes_of_unknown_parameters_has_its_way(schema, options, loaded):
    """By `unknown=`, by the schema, or where the schema is made for each request."""
    client = app_for(schema, method="GET", location="query", **options).test_client()
    assert client.get("/?a=1&x=2").json == {"data": loaded}


def test_parameters_documented_by_hand_are_known():
    """The view reads them itself; others are still refused."""
    app = Flask("by_hand")
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("by_hand", "by_hand")

    @blueprint.get("/", parameters=[{"in": "query", "name": "b"}, {"in": "header", "name": "d"}])
    @blueprint.doc(parameters=[{"in": "query", "name": "c"}])
    @blueprint.arguments(First, location="query")
    @blueprint.response(200)
    def read(first):
        return {**first, "b": request.args["b"]}

    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/?a=1&b=2&c=3").json == {"data": {"a": 1, "b": "2"}}
    assert details(client.get("/?d=1")) == {"d": "Unknown parameter. Allowed: a, b, c."}


def test_options_of_webargs_work():
    """`as_kwargs`, `arg_name`, `error_status_code`, a dict of fields; and all of it is documented."""
    app = Flask("options")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("options", "options")

    @blueprint.post("/<int:number>")
    @blueprint.arguments({"ids": DelimitedList(ma.fields.Integer())}, location="query", as_kwargs=True)
    @blueprint.arguments(Order(only=("name",)), arg_name="order", error_status_code=418, max_bytes=100)
    @blueprint.response(200)
    def create(number, order, ids):
        return {"number": number, "order": order, "ids": ids}

    api = Api(app)
    api.register_blueprint(blueprint)
    client = app.test_client()
    answer = client.post("/1?ids=2,3", json={"name": "abc"})
    assert answer.json == {"data": {"number": 1, "order": {"name": "abc"}, "ids": [2, 3]}}
    assert client.post("/1?ids=2", json={"name": "a"}).status_code == 418
    assert client.post("/1?ids=2", json={"name": "a" * 200}).status_code == 413
    operation = api.spec.to_dict()["paths"]["/{number}"]["post"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["ids"]
    assert "418" in operation["responses"]


def test_a_parser_of_ones_own_keeps_its_options_beside_a_limit():
    """`max_bytes` changes nothing else."""

    class Lenient(Blueprint):
        ARGUMENTS_PARSER = Parser(unknown=ma.EXCLUDE)

    app = Flask("lenient")
    BackendPatterns().init_app(app)
    blueprint = Lenient("lenient", "lenient")
    blueprint.add_url_rule(
        "/", "echo", blueprint.arguments(First, max_bytes=100)(lambda data: data), methods=["POST"]
    )
    app.register_blueprint(blueprint)
    assert app.test_client().post("/", json={"a": 1, "x": 1}).json == {"a": 1}


def test_what_is_sent_in_chunks_is_a_body_too():
    """Of a type that is not read it is a 415, not missing fields."""
    answer = (
        make_app()
        .test_client()
        .post(
            "/orders/",
            input_stream=io.BytesIO(b"name=abc"),
            content_type="text/plain",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
    )
    assert answer.status_code == 415


def test_both_names_of_the_query_mean_the_same():
    """`querystring` is refused and repeated as `query` is."""
    client = app_for(First, method="GET", location="querystring").test_client()
    assert client.get("/?a=1").json == {"data": {"a": 1}}
    assert details(client.get("/?x=1")) == {"x": "Unknown parameter. Allowed: a."}
    assert details(client.get("/?a=1&a=2")) == {"a": "Give it once."}


def test_headers_that_a_view_wants_on_refusals_are_sent():
    """By `error_headers`, as webargs has it."""
    client = app_for(First, error_headers={"X-Hint": "see the manual"}).test_client()
    assert client.post("/", json={"a": "x"}).headers["X-Hint"] == "see the manual"


def test_nothing_is_kept_of_requests_that_match_no_view():
    """Their methods and paths are the client's to make up."""
    app = make_app(BACKEND_API_PREFIXES=["/"])
    client = app.test_client()
    for number in range(50):
        assert client.open(f"/nowhere/{number}", method=f"MADE{number}").status_code == 404
        assert client.open("/orders/", method=f"MADE{number}").status_code == 405
    assert len(app.extensions["backend_patterns"].api.views._records) == 0


def test_cookies_and_headers_are_read_and_refused_by_name():
    """Each in its place, tolerant of the others that every client sends; a NUL in a cookie is refused too."""
    app = app_for(Order(only=("name",)), method="GET", location="cookies")
    client = app.test_client(use_cookies=False)
    assert client.get("/", headers={"Cookie": "name=abc; other=1"}).json == {"data": {"name": "abc"}}
    answer = client.get("/", headers={"Cookie": "name=a"})
    assert [(detail["field"], detail["in"]) for detail in answer.json["error"]["details"]] == [
        ("name", "cookies")
    ]
    assert client.get("/", headers={"Cookie": 'name="ab\\000"'}).status_code == 422


def test_unfit_text_is_told_a_few_times_and_also_where_it_is_the_whole_body(client):
    """A body full of it gets no endless list; a bare string has no field."""
    body = json.dumps({"lines": [{"sku": "\0"} for _ in range(100)]})
    answer = client.post("/orders/", data=body, content_type="application/json")
    assert len(answer.json["error"]["details"]) == 20
    answer = client.post("/orders/", data=json.dumps("\0"), content_type="application/json")
    assert details(answer) == {None: UNFIT}


@pytest.mark.parametrize(("mistakes", "listed"), [(100, 100), (101, 101), (500, 101)])
def test_the_first_hundred_mistakes_are_listed_and_that_there_are_more(client, mistakes, listed):
    """With a last entry that says so, only where there are more."""
    answer = client.post("/orders/", json={f"x{number}": 1 for number in range(mistakes)})
    found = answer.json["error"]["details"]
    assert len(found) == listed
    assert ("Only the first" in found[-1]["message"]) == (mistakes > 100)
