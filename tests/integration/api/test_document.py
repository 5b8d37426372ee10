"""What the OpenAPI document says of each view, from its decorators alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import flask_smorest
import pytest
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api
from marshmallow import Schema, fields

from flask_backend_patterns import BackendPatterns, Blueprint, Format, deprecated, idempotent
from flask_backend_patterns.declarations import Declaration, Documentation, Phase
from flask_backend_patterns.guard import declare


class Thing(Schema):
    name = fields.String(required=True)


class Query(Schema):
    q = fields.String()


@dataclass(frozen=True, kw_only=True)
class Paid(Declaration):
    phase: ClassVar[Phase] = Phase.AUTHORIZATION
    statuses: ClassVar[tuple[int, ...]] = (402,)

    def documentation(self, method: str) -> Documentation:
        return Documentation(
            parameters=({"name": "X-Coin", "in": "header", "schema": {"type": "string"}},),
            success_headers={"X-Change": {"schema": {"type": "string"}}},
            operation={"security": [{"coin": []}]},
        )


def document(register, *, blueprint_options=None, **config):
    """The document of an app with the blueprint `things`."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0", **config)
    BackendPatterns(enforcers={Paid: lambda _: None}).init_app(app)
    api = Api(app)
    blueprint = Blueprint("things", "things", url_prefix="/things", **(blueprint_options or {}))
    register(blueprint)
    api.register_blueprint(blueprint)
    return api.spec.to_dict()


def create(blueprint):
    @blueprint.post("/<int:thing_id>")
    @declare(Paid())
    @idempotent()
    @blueprint.arguments(Thing, example={"name": "a"})
    @blueprint.arguments(Query, location="querystring")
    @blueprint.response(201, Thing, location=lambda _: "/x", example={"name": "b"}, headers={"X-Made": {}})
    @blueprint.alt_response(409, description="It is there already.")
    @blueprint.alt_response(418, schema=Thing, description="A pot.")
    def create(body, query, thing_id):
        """Make a thing.

        Longer words.
        """


ENVELOPED = {
    "application/json": {"schema": {"$ref": "#/components/schemas/BackendError"}},
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/BackendProblem"}},
}


def test_every_error_that_decorators_can_answer_is_listed_with_its_schema():
    """Of input, negotiation, path, declarations, and those the user lists; in both formats."""
    operation = document(create)["paths"]["/things/{thing_id}"]["post"]
    errors = {status: said for status, said in operation["responses"].items() if status >= "4"}
    assert set(errors) == {"400", "402", "404", "406", "409", "413", "415", "418", "422", "default"}
    assert all(said["content"] == ENVELOPED for status, said in errors.items() if status != "418")
    assert errors["409"]["description"] == "It is there already."
    assert errors["418"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}


def test_everything_else_that_declarations_say_is_there():
    """Parameters, headers, security, names, examples in the envelope."""
    operation = document(create)["paths"]["/things/{thing_id}"]["post"]
    assert (operation["summary"], operation["description"]) == ("Make a thing.", "Longer words.")
    assert operation["operationId"] == "things_create"
    assert operation["security"] == [{"coin": []}]
    places = {parameter["name"]: parameter["in"] for parameter in operation["parameters"]}
    assert places == {"q": "query", "X-Coin": "header", "Idempotency-Key": "header"}
    made = operation["responses"]["201"]
    assert set(made["headers"]) == {"Location", "X-Made", "X-Change", "Idempotency-Replayed"}
    assert "headers" not in operation["responses"]["418"]
    assert made["content"]["application/json"]["example"] == {"data": {"name": "b"}}
    assert operation["requestBody"]["content"]["application/json"]["example"] == {"name": "a"}


def test_methods_of_a_class_are_told_apart():
    """Each has its own name and its own errors; a deprecated one is marked."""

    def register(blueprint):
        @blueprint.route("/")
        class Things(MethodView):
            @deprecated(since=0)
            @blueprint.response(200, Thing(many=True))
            def get(self):
                """All."""

            @declare(Paid())
            @blueprint.response(204)
            def delete(self):
                """None."""

    operations = document(register)["paths"]["/things/"]
    assert operations["get"]["operationId"] == "things_Things_get"
    assert operations["delete"]["operationId"] == "things_Things_delete"
    assert operations["get"]["deprecated"] is True
    assert "402" in operations["delete"]["responses"]
    assert "402" not in operations["get"]["responses"]
    assert "content" not in operations["delete"]["responses"]["204"]


@pytest.mark.parametrize(
    ("config", "media_types"),
    [
        ({}, {"application/json", "application/problem+json"}),
        ({"BACKEND_ERRORS_FORMAT": "problem"}, {"application/problem+json"}),
        ({"BACKEND_ERRORS_RENDERER": lambda error, context: {}}, None),
    ],
)
def test_errors_are_documented_in_the_format_they_have(config, media_types):
    """The app's format; a renderer of its own has a schema that only it knows."""
    answered = document(create, **config)["paths"]["/things/{thing_id}"]["post"]["responses"]["422"]
    assert answered.get("content", {}).keys() == (media_types or set())


def test_another_status_of_validation_is_documented_as_such():
    """BACKEND_ERRORS_VALIDATION_STATUS = 400 leaves no 422."""
    responses = document(create, BACKEND_ERRORS_VALIDATION_STATUS=400)["paths"]["/things/{thing_id}"]["post"][
        "responses"
    ]
    assert "400" in responses
    assert "422" not in responses


def test_what_the_user_says_wins():
    """`@blp.doc` is merged over all that is made up."""

    def register(blueprint):
        @blueprint.get("/")
        @blueprint.doc(operationId="mine", responses={"406": {"description": "Picky."}})
        @blueprint.response(200, Thing)
        def one():
            """One."""

    operation = document(register)["paths"]["/things/"]["get"]
    assert operation["operationId"] == "mine"
    assert operation["responses"]["406"]["description"] == "Picky."


def test_a_view_without_decorators_has_the_default_error_only():
    """Nothing is made up about what nobody said."""

    def register(blueprint):
        blueprint.add_url_rule("/", "plain", lambda: "x")

    assert set(document(register)["paths"]["/things/"]["get"]["responses"]) == {"default"}


def test_one_blueprint_under_two_names_has_two_documents():
    """Each registration has its own operation ids, and the app's format of its own app."""
    blueprint = Blueprint("things", "things")
    create(blueprint)
    ids, keys = set(), set()
    for name, wanted in (("first", None), ("second", Format(data_key="thing"))):
        app = Flask(name)
        app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0", BACKEND_API_FORMAT=wanted)
        BackendPatterns(enforcers={Paid: lambda _: None}).init_app(app)
        api = Api(app)
        api.register_blueprint(blueprint, name=name)
        operation = api.spec.to_dict()["paths"]["/{thing_id}"]["post"]
        ids.add(operation["operationId"])
        keys.add(*operation["responses"]["201"]["content"]["application/json"]["schema"]["properties"])
    assert (ids, keys) == ({"first_create", "second_create"}, {"data", "thing"})


def operations(app_document):
    """(path, method) -> operation."""
    return {
        (path, method): operation
        for path, methods in app_document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    }


def test_every_operation_has_a_name_of_its_own():
    """Also the methods of one function, and a blueprint that is nested twice."""

    def register(blueprint):
        inner = Blueprint("inner", "inner")

        @inner.route("/", methods=["GET", "POST"])
        @inner.response(200, Thing)
        def both():
            """Both."""

        blueprint.register_blueprint(inner, name="one", url_prefix="/one")
        blueprint.register_blueprint(inner, name="two", url_prefix="/two")

    found = operations(document(register))
    assert {operation["operationId"] for operation in found.values()} == {
        "things_one_both_get",
        "things_one_both_post",
        "things_two_both_get",
        "things_two_both_post",
    }
    assert all(
        operation["responses"]["200"]["content"]["application/json"]["schema"]["required"] == ["data"]
        for operation in found.values()
    )


def test_a_blueprint_of_flask_smorest_may_be_nested_in_ours():
    """It keeps its own format, in its answers and in the document."""

    def register(blueprint):
        inner = flask_smorest.Blueprint("inner", "inner")

        @inner.get("/inner")
        @inner.response(200, Thing)
        def one():
            """One."""

        blueprint.register_blueprint(inner)

    operation = document(register)["paths"]["/things/inner"]["get"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }
    assert operation["responses"]["default"]["content"] == ENVELOPED


def test_responses_named_in_the_components_stay_references():
    """Those of the user; flask-smorest's names for errors become ours, since ours are answered."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    api = Api(app)
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    api.spec.components.response("Gone", {"description": "It was here."})
    blueprint = Blueprint("things", "things")

    @blueprint.get("/")
    @blueprint.response(200, Thing)
    @blueprint.alt_response(200, "Gone")
    @blueprint.alt_response(404, "Gone")
    @blueprint.alt_response(403, "FORBIDDEN")
    @blueprint.alt_response("default", description="Mine.")
    def one():
        """One."""

    api.register_blueprint(blueprint)
    responses = api.spec.to_dict()["paths"]["/"]["get"]["responses"]
    reference = {"$ref": "#/components/responses/Gone"}
    assert (responses["200"], responses["404"]) == (reference, reference)
    assert responses["403"]["content"] == ENVELOPED
    assert responses["default"]["description"] == "Mine."


def test_examples_and_other_kinds_of_json_are_documented_as_they_are_sent():
    """Below the key of a list where it is one; `application/hal+json` in the envelope, CSV without."""

    def register(blueprint):
        @blueprint.get("/all")
        @blueprint.response(200, Thing(many=True), example=[{"name": "a"}])
        def everything():
            """All."""

        @blueprint.get("/hal")
        @blueprint.response(200, Thing, content_type="application/hal+json")
        def hal():
            """HAL."""

        @blueprint.get("/csv")
        @blueprint.response(200, {"type": "string"}, content_type="text/csv")
        def table():
            """CSV."""

    paths = document(register, blueprint_options={"format": Format(list_key="things")})["paths"]
    found = {
        path: paths[f"/things/{path}"]["get"]["responses"]["200"]["content"] for path in ("all", "hal", "csv")
    }
    assert found["all"]["application/json"]["example"] == {"things": [{"name": "a"}]}
    assert found["hal"]["application/hal+json"]["schema"]["required"] == ["data"]
    assert found["csv"] == {"text/csv": {"schema": {"type": "string"}}}


def test_decorating_a_view_again_changes_nothing_about_the_first():
    """One function may stand behind two routes with different input."""

    def register(blueprint):
        def view(*_, **__):
            """Shared."""

        plain = blueprint.response(200, Thing)(view)
        blueprint.add_url_rule("/plain", "plain", plain)
        blueprint.add_url_rule("/query", "query", blueprint.arguments(Query, location="query")(plain))
        blueprint.add_url_rule("/late", "late", plain)

    paths = document(register)["paths"]
    assert [parameter["name"] for parameter in paths["/things/query"]["get"]["parameters"]] == ["q"]
    assert "parameters" not in paths["/things/plain"]["get"]
    assert "parameters" not in paths["/things/late"]["get"]
