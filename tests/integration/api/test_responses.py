"""What `@blp.response` makes of what a view returns."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import marshmallow as ma
import pytest
from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from flask.views import MethodView
from flask_smorest import Api

from flask_backend_patterns import AppError, BackendPatterns, Blueprint, NotFoundError, SetupError
from flask_backend_patterns._finished import finished
from flask_backend_patterns.api import Format
from flask_backend_patterns.declarations import Declaration, Phase
from flask_backend_patterns.guard import declare


class Thing(ma.Schema):
    id = ma.fields.Integer()
    name = ma.fields.String()


def foreign(view):
    """A decorator that is not ours."""

    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def app_with(register, *, wanted=None, **config) -> Flask:
    """An app whose blueprint `things` has the routes that `register` adds."""
    app = Flask("responses")
    app.config.update(BACKEND_API_FORMAT=wanted, BACKEND_OBSERVABILITY_ACCESS_LOG=False, **config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("things", "things", url_prefix="/things")
    register(blueprint)
    app.register_blueprint(blueprint)
    return app


def on_function(blueprint):
    @blueprint.get("/")
    @blueprint.response(200, Thing)
    def one():
        return {"id": 1, "name": "Ü", "secret": "x"}


def on_async_function(blueprint):
    @blueprint.get("/")
    @blueprint.response(200, Thing)
    async def one():
        return {"id": 1, "name": "Ü", "secret": "x"}


def on_method(blueprint):
    @blueprint.route("/")
    class Things(MethodView):
        @blueprint.response(200, Thing)
        def get(self):
            return {"id": 1, "name": "Ü", "secret": "x"}


def on_nested(blueprint):
    inner = Blueprint("inner", "inner")
    on_function(inner)
    blueprint.register_blueprint(inner)


def under_foreign(blueprint):
    @blueprint.get("/")
    @foreign
    @blueprint.response(200, Thing)
    def one():
        return {"id": 1, "name": "Ü", "secret": "x"}


KINDS_OF_VIEW = [on_function, on_async_function, on_method, on_nested, under_foreign]


@pytest.mark.parametrize("register", KINDS_OF_VIEW)
def test_every_kind_of_view_is_dumped_into_the_envelope(register):
    """Only the schema's fields are sent, below `data`, as UTF-8 JSON."""
    answer = app_with(register).test_client().get("/things/")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.data == '{"data":{"id":1,"name":"Ü"}}'.encode()


@pytest.mark.parametrize("where", ["view", "blueprint", "outer", "app"])
def test_the_envelope_can_be_left_off(where):
    """By view, blueprint, the blueprint around it, and app."""
    bare = Format(envelope=False)

    def register(outer):
        inner = Blueprint("inner", "inner", **({"format": bare} if where == "blueprint" else {}))

        @inner.get("/", **({"format": bare} if where == "view" else {}))
        @inner.response(200, Thing(many=True))
        def things():
            return [{"id": 1, "name": "a"}]

        if where == "outer":
            outer.format = bare
        outer.register_blueprint(inner)

    answer = app_with(register, wanted=bare if where == "app" else None).test_client().get("/things/")
    assert answer.json == [{"id": 1, "name": "a"}]


def test_the_nearest_format_wins_field_by_field():
    """A view that names its key inherits the rest from its blueprint, and that from the app."""

    def register(blueprint):
        blueprint.format = Format(list_key="things")

        @blueprint.get("/", format=Format(data_key="thing"))
        @blueprint.response(200, Thing)
        def one():
            return {"id": 1}

        @blueprint.get("/all")
        @blueprint.response(200, Thing(many=True))
        def everything():
            return [{"id": 1}]

    client = app_with(register, wanted=Format(data_key="payload")).test_client()
    assert client.get("/things/").json == {"thing": {"id": 1}}
    assert client.get("/things/all").json == {"things": [{"id": 1}]}


def test_status_and_headers_of_a_tuple_are_kept():
    """As Flask's and flask-smorest's tuples: (body, status), (body, headers), (body, status, headers)."""

    def register(blueprint):
        for path, value in {
            "/a": ({"id": 1}, 202),
            "/b": ({"id": 1}, {"X-A": "1"}),
            "/c": ({"id": 1}, 203, {"X-A": "2"}),
        }.items():
            blueprint.response(200, Thing)  # a decorator that is not used changes nothing
            blueprint.add_url_rule(path, path[1:], blueprint.response(200, Thing)(lambda value=value: value))

    client = app_with(register).test_client()
    answers = [client.get(f"/things/{name}") for name in "abc"]
    assert [(answer.status_code, answer.headers.get("X-A")) for answer in answers] == [
        (202, None),
        (200, "1"),
        (203, "2"),
    ]
    assert all(answer.json == {"data": {"id": 1}} for answer in answers)


def test_location_is_made_from_the_views_value():
    """201 has the URL of what was made; a `Location` that the view gives itself is not doubled away."""

    def register(blueprint):
        @blueprint.post("/")
        @blueprint.response(201, Thing, location=lambda thing: f"/things/{thing['id']}")
        def create():
            return {"id": 7, "name": "new"}

    answer = app_with(register).test_client().post("/things/")
    assert (answer.status_code, answer.headers.getlist("Location")) == (201, ["/things/7"])


def test_no_content_has_no_body_and_no_type():
    """204 is empty, whatever the view returns, and refuses no `Accept`."""

    def register(blueprint):
        @blueprint.delete("/")
        @blueprint.response(204)
        def remove():
            return None

    answer = app_with(register).test_client().delete("/things/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.data, answer.content_type) == (204, b"", None)


def test_a_response_of_the_views_own_is_sent_as_it_is():
    """A view may answer a file, a redirect, or any other response."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200, Thing)
        def one():
            return Response("a,b", mimetype="text/csv"), 206, {"X-A": "1"}

    answer = app_with(register).test_client().get("/things/")
    assert (answer.status_code, answer.data, answer.mimetype, answer.headers["X-A"]) == (
        206,
        b"a,b",
        "text/csv",
        "1",
    )


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        ("application/json", 200),
        ("application/*;q=0.1", 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/problem+json, application/json;q=0.1", 200),
        ("text/html", 406),
        ("application/xml", 406),
        ("application/json;q=0", 406),
        ("*/*;q=0", 406),
        ("application/json; charset=utf-8", 200),
        ("application/json;version=2", 200),
        ("APPLICATION/JSON", 200),
        ("application/json;q=0, */*", 406),
        ("application/*;q=0, application/json", 200),
        ("application/json;q=x", 200),
        ("nonsense", 406),
        ("application/json;version=2;q=0, application/json;q=0.5", 200),
    ],
)
def test_a_client_that_takes_no_json_is_told_before_anything_is_done(accept, status):
    """406 as JSON, and the view is not called."""
    calls = []

    def register(blueprint):
        @blueprint.post("/")
        @blueprint.response(200, Thing)
        def create():
            calls.append(1)
            return {"id": 1}

    headers = {} if accept is None else {"Accept": accept}
    answer = app_with(register).test_client().post("/things/", headers=headers)
    assert answer.status_code == status
    assert len(calls) == (status == 200)
    if status == 406:
        assert answer.json["error"]["code"] == "NOT_ACCEPTABLE"


def test_another_media_type_is_negotiated_as_declared():
    """A route that answers CSV refuses who takes JSON only, and takes who takes CSV."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200, content_type="text/csv; charset=utf-8")
        def table():
            return Response("a,b", mimetype="text/csv")

    client = app_with(register).test_client()
    assert client.get("/things/", headers={"Accept": "application/json"}).status_code == 406
    assert client.get("/things/", headers={"Accept": "text/csv"}).data == b"a,b"


@dataclass
class Point:
    x: int


UNUSUAL = {
    "huge": 2**70,
    "half": "\ud800",
    "key": {1: "a", None: "b"},
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "price": Decimal("1.50"),
    "point": Point(3),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_orjson_writes_otherwise_is_what_flask_writes(name):
    """Huge numbers, half surrogates, odd keys, dates, decimals and dataclasses come out as Flask's provider has them."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200)
        def value():
            return {"value": UNUSUAL[name]}

    app = app_with(register)
    assert app.test_client().get("/things/").json == json.loads(
        app.json.dumps({"data": {"value": UNUSUAL[name]}}, sort_keys=False)
    )


def test_an_app_with_a_json_provider_of_its_own_keeps_it():
    """Its `dumps` writes the whole body."""

    class Shouting(DefaultJSONProvider):
        def dumps(self, obj, **options):
            return super().dumps(obj, **options).upper()

    def register(blueprint):
        on_function(blueprint)

    app = app_with(register)
    app.json = Shouting(app)
    assert app.test_client().get("/things/").get_data(as_text=True).startswith('{"DATA"')


def test_nothing_that_json_has_is_a_clear_fault():
    """An object nobody can write is an error of the program, not half an answer."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200)
        def value():
            return {"value": object()}

    app = app_with(register)
    app.testing = True
    with pytest.raises(TypeError, match="not JSON serializable"):
        app.test_client().get("/things/")


def test_head_is_the_get_without_its_body():
    """Same headers, nothing below them."""
    client = app_with(on_function).test_client()
    assert client.head("/things/").content_length == client.get("/things/").content_length
    assert client.head("/things/").data == b""


@dataclass(frozen=True, kw_only=True)
class Looking(Declaration):
    """Looks at the finished response."""

    phase: ClassVar[Phase] = Phase.CACHE


def looking(_):
    response = finished((yield), "looking")
    response.headers["X-Seen"] = response.get_data(as_text=True)
    return response


def looking_app(*decorators):
    app = Flask("looking")
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns(enforcers={Looking: looking}).init_app(app)
    blueprint = Blueprint("things", "things")
    view = lambda: {"id": 1}
    for decorate in reversed(decorators):
        view = decorate(blueprint, view)
    blueprint.add_url_rule("/", "one", view)
    app.register_blueprint(blueprint)
    return app


def declared(_, view):
    return declare(Looking())(view)


def responding(blueprint, view):
    return blueprint.response(200, Thing)(view)


@pytest.mark.parametrize("order", [(declared, responding), (responding, declared)])
def test_a_declaration_sees_the_response_on_either_side_of_the_decorator(order):
    """Guards go outside of `@blp.response`, whatever the order they are written in."""
    assert looking_app(*order).test_client().get("/").headers["X-Seen"] == '{"data":{"id":1}}'


def test_a_declaration_cut_off_from_the_response_says_so():
    """With a foreign decorator in between, what needs the response refuses instead of sending something else."""
    app = looking_app(responding, lambda _, view: foreign(view), declared)
    app.testing = True
    with pytest.raises(SetupError, match="put @looking above both"):
        app.test_client().get("/")


def test_without_init_app_the_envelope_is_the_default_one():
    """A blueprint on an app without the extension still answers."""
    app = Flask("bare")
    blueprint = Blueprint("things", "things", url_prefix="/things")
    on_function(blueprint)
    app.register_blueprint(blueprint)
    assert app.test_client().get("/things/").json == {"data": {"id": 1, "name": "Ü"}}


def test_what_else_a_view_documents_is_negotiated_too():
    """A view with a CSV beside its JSON takes who takes CSV, wherever the decorators stand."""

    def register(blueprint):
        above = blueprint.alt_response(200, content_type="text/csv; charset=utf-8", success=True)
        success, below = blueprint.response(200, Thing), blueprint.alt_response(200, content_type="text/csv")
        refused = blueprint.alt_response(409, content_type="text/plain")
        blueprint.add_url_rule("/above", "above", above(success(lambda: Response("a", mimetype="text/csv"))))
        blueprint.add_url_rule("/below", "below", success(below(lambda: Response("a", mimetype="text/csv"))))
        blueprint.add_url_rule("/error", "error", success(refused(dict)))

    client = app_with(register).test_client()
    for path, accept, status in (
        ("above", "text/csv", 200),
        ("below", "text/csv", 200),
        ("below", "text/plain", 406),
        ("error", "text/plain", 406),
    ):
        assert client.get(f"/things/{path}", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize("value", ["a,b", b"a,b"])
def test_what_is_not_json_is_sent_as_it_is(value):
    """Text and bytes in the media type that is declared, without an envelope."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(203, content_type="text/csv; charset=utf-8")
        def table():
            return value

    answer = app_with(register).test_client().get("/things/")
    assert (answer.status_code, answer.data, answer.content_type) == (203, b"a,b", "text/csv; charset=utf-8")


def test_json_under_another_name_is_called_so():
    """`application/hal+json` is written as JSON, and sent under its name."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200, Thing, content_type="application/hal+json")
        def one():
            return {"id": 1}

    answer = app_with(register).test_client().get("/things/", headers={"Accept": "application/hal+json"})
    assert (answer.content_type, answer.json) == ("application/hal+json", {"data": {"id": 1}})


def test_headers_of_a_tuple_replace_ours():
    """One `Location` and one `Content-Type`, those of the view; cookies of a list are all kept."""

    def register(blueprint):
        @blueprint.post("/")
        @blueprint.response(201, Thing, location=lambda _: "/a")
        def create():
            cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
            return (
                {"id": 1},
                "202 Taken",
                [("Location", "/b"), ("Content-Type", "application/hal+json"), *cookies],
            )

    answer = app_with(register).test_client().post("/things/")
    assert answer.status == "202 Taken"
    assert answer.headers.getlist("Location") == ["/b"]
    assert answer.headers.getlist("Content-Type") == ["application/hal+json"]
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_a_provider_with_a_default_of_its_own_is_asked():
    """Also for what orjson would write by itself."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.response(200)
        def value():
            return {"value": UUID(int=1)}

    app = app_with(register)
    app.json.default = lambda value: value.hex
    assert app.test_client().get("/things/").json == {"data": {"value": UUID(int=1).hex}}


def test_a_view_may_call_another_view():
    """Its response, and what is declared on it, comes out as it is."""
    app = Flask("calling")
    BackendPatterns(enforcers={Looking: looking}).init_app(app)
    blueprint = Blueprint("things", "things")
    inner = declare(Looking())(blueprint.response(200, Thing)(lambda: {"id": 1}))

    @blueprint.get("/")
    @blueprint.response(200, Thing)
    def outer():
        return inner()

    app.register_blueprint(blueprint)
    app.testing = True
    answer = app.test_client().get("/")
    assert (answer.json, "X-Seen" in answer.headers) == ({"data": {"id": 1}}, True)


def test_flask_smorests_hook_on_bodies_works():
    """A subclass that wraps its data itself goes on doing so."""

    class Wrapping(Blueprint):
        @staticmethod
        def _prepare_response_content(data):
            return {"wrapped": data}

    app = Flask("wrapping")
    BackendPatterns().init_app(app)
    blueprint = Wrapping("things", "things", url_prefix="/things", format=Format(envelope=False))
    on_function(blueprint)
    app.register_blueprint(blueprint)
    assert app.test_client().get("/things/").json == {"wrapped": {"id": 1, "name": "Ü"}}


@pytest.mark.parametrize("many", [False, True])
def test_flask_smorests_etags_match_what_they_check(many):
    """The tag of a GET is the one that `check_etag` computes for a PUT, whatever envelope is around the body."""
    app = Flask("etags")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("things", "things", url_prefix="/things")
    stored = [{"id": 1, "name": "a"}] if many else {"id": 1, "name": "a"}

    @blueprint.route("/")
    @blueprint.etag
    class Things(MethodView):
        @blueprint.response(200, Thing(many=many))
        def get(self):
            return stored

        @blueprint.arguments(Thing(many=many))
        @blueprint.response(200, Thing(many=many))
        def put(self, body):
            blueprint.check_etag(stored, Thing(many=many))
            return body

    api = Api(app)
    api.register_blueprint(blueprint)
    client = app.test_client()
    tag = client.get("/things/").headers["ETag"]
    assert client.get("/things/", headers={"If-None-Match": tag}).status_code == 304
    assert client.put("/things/", json=stored).status_code == 428
    assert client.put("/things/", json=stored, headers={"If-Match": '"x"'}).status_code == 412
    assert client.put("/things/", json=stored, headers={"If-Match": tag}).status_code == 200
    responses = api.spec.to_dict()["paths"]["/things/"]["put"]["responses"]
    assert all("application/json" in responses[status]["content"] for status in ("412", "422", "428"))


@pytest.mark.parametrize("config", [None, {"BACKEND_ERRORS_ENABLED": False}])
@pytest.mark.parametrize("where", ["app", "outer"])
def test_without_our_error_handling_the_apps_own_handlers_get_the_errors(config, where):
    """Where the feature is off or `init_app` has not run, a handler for `AppError` is asked."""
    app = Flask("handlers")
    if config is not None:
        app.config.update(config)
        BackendPatterns().init_app(app)
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")

    @inner.get("/")
    def fail():
        raise NotFoundError

    @(app if where == "app" else outer).errorhandler(AppError)
    def answer(error):
        return error.code, error.status

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    answered = app.test_client().get("/")
    assert (answered.status_code, answered.data) == (404, b"NOT_FOUND")


def test_without_init_app_an_error_says_what_is_missing():
    """And where only the error handling is off, it is an error like any other."""
    app = Flask("bare")
    app.testing = True
    blueprint = Blueprint("things", "things")

    @blueprint.get("/")
    def fail():
        raise NotFoundError

    app.register_blueprint(blueprint)
    with pytest.raises(SetupError, match="call BackendPatterns"):
        app.test_client().get("/")
    other = Flask("off")
    other.config.update(BACKEND_ERRORS_ENABLED=False, TESTING=True)
    BackendPatterns().init_app(other)
    other.register_blueprint(blueprint)
    with pytest.raises(NotFoundError):
        other.test_client().get("/")
