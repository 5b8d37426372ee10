"""APIs with a format of their own: errors by one function, messages by kind, names of everything."""

from __future__ import annotations

import marshmallow as ma
import pytest
from flask import Flask, abort
from flask_smorest import Api

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    ConfigError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SetupError,
    ValidationError,
)
from flask_backend_patterns.api import Format

MESSAGES = {
    "required": "can't be missing",
    "null": "can't be null",
    "blank": "can't be blank",
    "unknown": "is unknown",
    "too_short": "is too short (minimum is {min} characters)",
    "too_long": "is too long (maximum is {max} characters)",
    "too_small": "must be at least {min}",
    "not_allowed": "must be one of {choices}, not {input}{nothing}",
    "format": "{field} is malformed",
}


def errors_by_field(error, context):
    """The shape of the RealWorld specification: `{"errors": {"email": ["is invalid"]}}`."""
    found: dict[str, list[str]] = {}
    for detail in error.details:
        found.setdefault(detail.get("field", context.resource or "request"), []).append(detail["message"])
    return {"errors": found or {context.resource or "request": [context.kind]}}


class User(ma.Schema):
    email = ma.fields.String(
        required=True, validate=[ma.validate.Length(min=3, max=9), ma.validate.Regexp(r"[a-z@]*\Z")]
    )
    age = ma.fields.Integer(validate=ma.validate.Range(min=18))
    role = ma.fields.String(validate=ma.validate.OneOf(["a", "b"]))
    bio = ma.fields.String(allow_none=True)


ARTICLE = Format(
    data_key="article",
    list_key="articles",
    body_key="article",
    resource="article",
    error=errors_by_field,
    messages=MESSAGES,
)


@pytest.fixture
def client():
    app = Flask("own")
    app.config.update(BACKEND_API_PREFIXES=["/api"], BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns().init_app(app)
    own = Blueprint("own", "own", url_prefix="/api/articles", format=ARTICLE)
    usual = Blueprint("usual", "usual", url_prefix="/api/usual")
    for blueprint in (own, usual):

        @blueprint.post("/")
        @blueprint.arguments(User)
        @blueprint.response(201)
        def create(body):
            return body

        @blueprint.get("/<name>")
        @blueprint.response(200)
        def fail(name):
            raise {
                "missing": NotFoundError(),
                "comment": NotFoundError(resource="comment"),
                "conflict": ConflictError(
                    details=[{"field": "email", "message": "is taken", "kind": "unique"}]
                ),
                "forbidden": ForbiddenError(),
                "rule": ValidationError(details=[{"field": "title", "message": "is odd"}]),
                "abort": None,
                "bug": ZeroDivisionError(),
            }[name] or abort(418)

        app.register_blueprint(blueprint)
    return app.test_client()


@pytest.mark.parametrize(
    ("article", "errors"),
    [
        ({}, {"email": ["can't be missing"]}),
        ({"email": None}, {"email": ["can't be null"]}),
        ({"email": ""}, {"email": ["can't be blank"]}),
        ({"email": "a"}, {"email": ["is too short (minimum is 3 characters)"]}),
        ({"email": "a" * 10}, {"email": ["is too long (maximum is 9 characters)"]}),
        ({"email": "A@B"}, {"email": ["email is malformed"]}),
        ({"email": "a@b", "age": 3}, {"age": ["must be at least 18"]}),
        ({"email": "a@b", "age": "x"}, {"age": ["Not a valid integer."]}),
        ({"email": "a@b", "role": "c"}, {"role": ["must be one of ['a', 'b'], not c{nothing}"]}),
        ({"email": "a@b", "x": 1}, {"x": ["is unknown"]}),
    ],
)
def test_messages_are_the_apis_own(client, article, errors):
    """Each kind of violation in its words, with its bounds; kinds without words keep marshmallow's."""
    answer = client.post("/api/articles/", json={"article": article})
    assert (answer.status_code, answer.json) == (422, {"errors": errors})


def test_bodies_and_answers_are_wrapped_in_its_key(client):
    """In and out by the same name; null and absent stay what they are."""
    answer = client.post("/api/articles/", json={"article": {"email": "a@b", "bio": None}})
    assert (answer.status_code, answer.json) == (201, {"article": {"email": "a@b", "bio": None}})


@pytest.mark.parametrize(
    ("name", "status", "errors"),
    [
        ("missing", 404, {"article": ["not_found"]}),
        ("comment", 404, {"comment": ["not_found"]}),
        ("conflict", 409, {"email": ["is taken"]}),
        ("forbidden", 403, {"article": ["forbidden"]}),
        ("rule", 422, {"title": ["is odd"]}),
        ("abort", 418, {"article": ["internal"]}),
        ("bug", 500, {"article": ["internal"]}),
    ],
)
def test_one_function_answers_every_error(client, name, status, errors):
    """Ours, werkzeug's and bugs alike, with the resource and the kind."""
    answer = client.get(f"/api/articles/{name}")
    assert (answer.status_code, answer.json) == (status, {"errors": errors})


def test_other_blueprints_keep_the_usual_format(client):
    """Also where no route matched at all; and kinds are not shown in it."""
    assert client.get("/api/usual/missing").json["error"]["code"] == "NOT_FOUND"
    assert client.get("/api/nowhere").json["error"]["code"] == "NOT_FOUND"
    assert client.get("/api/usual/conflict").json["error"]["details"] == [
        {"field": "email", "message": "is taken"}
    ]
    answer = client.post("/api/usual/", json={})
    assert answer.json["error"]["details"] == [
        {"field": "email", "message": "Missing data for required field."}
    ]


def test_a_wrong_method_is_answered_in_the_apps_format(client):
    """No view was found, so no view's format holds."""
    assert client.delete("/api/articles/").json["error"]["code"] == "METHOD_NOT_ALLOWED"


def test_problem_documents_hide_the_kind_too(client):
    """`kind` is for formats of one's own."""
    answer = client.get(
        "/api/usual/conflict", headers={"Accept": "application/problem+json, application/json"}
    )
    assert answer.json["errors"] == [{"detail": "is taken", "pointer": "#/email"}]


@pytest.mark.parametrize("value", [{"envelope": False}, "tests.nowhere:FORMAT", 3])
def test_a_wrong_format_setting_is_told(value):
    """Neither a Format nor the name of one."""
    app = Flask("wrong")
    app.config["BACKEND_API_FORMAT"] = value
    with pytest.raises(ConfigError, match="BACKEND_API_FORMAT"):
        BackendPatterns().init_app(app)
    assert "backend_patterns" not in app.extensions


def test_the_document_is_in_the_apis_format():
    """Wrapped bodies, its own keys, and its error schema instead of ours."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    schema = {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "object"}}}
    blueprint = Blueprint("own", "own", format=Format(error_schema=schema).within(ARTICLE))

    @blueprint.post("/")
    @blueprint.arguments(User)
    @blueprint.response(201, User)
    def create(body):
        return body

    @blueprint.get("/")
    @blueprint.response(200, User(many=True))
    def find():
        return []

    api = Api(app)
    api.register_blueprint(blueprint)
    paths = api.spec.to_dict()["paths"]["/"]
    body = paths["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"] == {"article": {"$ref": "#/components/schemas/User"}}
    made = paths["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert made["properties"] == {"article": {"$ref": "#/components/schemas/User"}}
    found = paths["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert found["required"] == ["articles"]
    assert paths["post"]["responses"]["422"]["content"] == {"application/json": {"schema": schema}}
    assert "BackendError" not in api.spec.to_dict()["components"]["schemas"]


def test_messages_for_kinds_that_do_not_exist_are_told():
    """A slip of the pen would else never show."""
    with pytest.raises(SetupError, match="requird is none of blank"):
        Format(messages={"requird": "x"})


def test_braces_in_a_message_are_just_text():
    """Whatever the text, a client's mistake is a 422."""
    app = Flask("braces")
    BackendPatterns().init_app(app)
    texts = {"required": "{} { {0} {field.__class__} {field}"}
    blueprint = Blueprint("braces", "braces", format=Format(messages=texts))
    blueprint.add_url_rule("/", "create", blueprint.arguments(User)(lambda body: body), methods=["POST"])
    app.register_blueprint(blueprint)
    answer = app.test_client().post("/", json={})
    assert answer.status_code == 422
    assert answer.json["error"]["details"][0]["message"] == "{} { {0} {field.__class__} email"


def test_a_repeated_parameter_is_told_in_the_apis_words():
    """Its kind is `repeated`."""
    app = Flask("repeated")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("repeated", "repeated", format=Format(messages={"repeated": "once, please"}))
    blueprint.add_url_rule(
        "/", "find", blueprint.arguments(User(partial=True), location="query")(lambda _: "x")
    )
    app.register_blueprint(blueprint)
    [detail] = app.test_client().get("/?age=20&age=21").json["error"]["details"]
    assert detail == {"field": "age", "in": "query", "message": "once, please"}


def test_the_error_function_of_a_format_goes_before_the_apps_renderer():
    """What is nearer to the view wins."""
    app = Flask("nearer")
    app.config.update(BACKEND_ERRORS_RENDERER=lambda error, context: {"app": error.code})
    BackendPatterns().init_app(app)
    for name, options in (("own", {"format": ARTICLE}), ("usual", {})):
        blueprint = Blueprint(name, name, **options)
        blueprint.add_url_rule(
            f"/{name}", "create", blueprint.arguments(User)(lambda _: "x"), methods=["POST"]
        )
        app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.post("/own", json={"article": {}}).json == {"errors": {"email": ["can't be missing"]}}
    assert client.post("/usual", json={}).json == {"app": "VALIDATION_ERROR"}
