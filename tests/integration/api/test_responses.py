"""What `@blp.response` makes of what a view returns."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

import marshmallow as ma
import pytest
from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from flask.views import MethodView

from flask_backend_patterns import BackendPatterns, Blueprint, SetupError
from flask_backend_patterns.api import Format
from flask_backend_patterns.api.responses import finished
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
