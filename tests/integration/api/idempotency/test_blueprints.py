"""`@idempotent` as users write it: our Blueprint, validated input, nested blueprints, decorators of others."""

import functools

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields
from sqlalchemy import func, select

from flask_backend_patterns import BackendPatterns, Blueprint, ForbiddenError, NotFoundError, idempotent
from flask_backend_patterns.declarations import Phase
from flask_backend_patterns.guard import declare

REPLAYED = "Idempotency-Replayed"
HEADERS = {"Idempotency-Key": "k"}


class ThingSchema(Schema):
    id = fields.Integer(dump_only=True)
    name = fields.String(required=True)


def foreign(view):
    """A decorator that is not ours."""

    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


@pytest.fixture
def app(database_url, order_app):
    """Set up by `app.config` alone."""
    app = Flask("things")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url,
        BACKEND_OBSERVABILITY_ACCESS_LOG=False,
        BACKEND_API_PREFIXES=["/"],
        TESTING=True,
    )
    app.db = SQLAlchemy(app, metadata=order_app.Base.metadata)
    BackendPatterns().init_app(app)
    outer = FlaskBlueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")

    def store(name):
        thing = order_app.Order(name=name)
        app.db.session.add(thing)
        app.db.session.commit()
        return thing

    def below(body):
        return store(body["name"])

    def raises(body):
        store(body["name"])
        raise NotFoundError("no such shelf")

    arguments, response = inner.arguments(ThingSchema), inner.response(201, ThingSchema)
    views = {
        "above": idempotent()(arguments(response(below))),
        "between": arguments(idempotent()(response(below))),
        "below": arguments(response(idempotent()(below))),
        "foreign": foreign(idempotent()(arguments(response(below)))),
        "twice": idempotent()(foreign(idempotent()(arguments(response(below))))),
        "raises": arguments(response(idempotent()(raises))),
    }
    for name, view in views.items():
        inner.post(f"/{name}", endpoint=name)(view)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    with app.app_context():
        app.db.create_all()
        yield app
        app.db.session.remove()
        app.db.engine.dispose()


@pytest.fixture
def count(app, order_app):
    return lambda: app.db.session.scalar(select(func.count()).select_from(order_app.Order))


@pytest.mark.parametrize("name", ["above", "between", "below", "foreign", "twice"])
def test_it_works_wherever_it_stands_among_decorators(name, app, count):
    """The dumped response is stored; input that is refused is not, so the same key serves the corrected request."""
    client = app.test_client()
    refused = [client.post(f"/outer/inner/{name}", json={"nom": "x"}, headers=HEADERS) for _ in range(2)]
    assert [(answer.status_code, answer.headers.get(REPLAYED)) for answer in refused] == [(422, None)] * 2
    malformed = client.post(
        f"/outer/inner/{name}", data="{", content_type="application/json", headers=HEADERS
    )
    assert (malformed.status_code, malformed.json["error"]["code"]) == (400, "MALFORMED_JSON")
    first, again = (
        client.post(f"/outer/inner/{name}", json={"name": "x"}, headers=HEADERS) for _ in range(2)
    )
    assert (first.status_code, first.json) == (201, {"data": {"id": 1, "name": "x"}})
    assert (again.data, again.headers[REPLAYED]) == (first.data, "true")
    assert count() == 1


def test_an_error_of_the_service_is_replayed_with_its_request_id_of_the_time(app, count):
    """The body is the same to the byte; the header belongs to the request."""
    client = app.test_client()
    first, again = (client.post("/outer/inner/raises", json={"name": "x"}, headers=HEADERS) for _ in range(2))
    assert (first.status_code, first.json["error"]["message"]) == (404, "no such shelf")
    assert again.data == first.data
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert count() == 0


def test_a_problem_document_is_stored_too(app):
    """Whatever format the client asked for first."""
    client = app.test_client()
    wanted = HEADERS | {"Accept": "application/problem+json, application/json;q=0.9"}
    first, again = (client.post("/outer/inner/raises", json={"name": "x"}, headers=wanted) for _ in range(2))
    assert (first.mimetype, again.mimetype) == ("application/problem+json",) * 2
    assert (first.json["status"], again.data) == (404, first.data)


def test_who_may_not_gets_no_stored_answer(app, order_app):
    """Authorization runs before the key is looked at, whatever the order of the decorators."""
    from dataclasses import dataclass
    from typing import ClassVar

    from flask_backend_patterns.declarations import Declaration

    @dataclass(frozen=True, kw_only=True)
    class Allowed(Declaration):
        phase: ClassVar[Phase] = Phase.AUTHORIZATION

    allowed = [True]

    def check(_declaration):
        if not allowed[0]:
            raise ForbiddenError

    other = Flask("guarded")
    other.config.update(SQLALCHEMY_DATABASE_URI=str(app.config["SQLALCHEMY_DATABASE_URI"]), TESTING=True)
    db = SQLAlchemy(other, metadata=order_app.Base.metadata)
    BackendPatterns(enforcers={Allowed: check}).init_app(other)

    @other.post("/")
    @idempotent()
    @declare(Allowed())
    def view():
        return "secret", 201

    client = other.test_client()
    assert client.post("/", headers=HEADERS).status_code == 201
    allowed[0] = False
    assert client.post("/", headers=HEADERS).status_code == 403
    with other.app_context():
        db.engine.dispose()


def test_a_process_that_is_being_stopped_leaves_nothing(app, count, order_app):
    """SystemExit out of a view: no write, no result, the connection is back."""

    @app.post("/exits")
    @idempotent()
    def exits():
        app.db.session.add(order_app.Order(name="x"))
        app.db.session.commit()
        raise SystemExit

    with pytest.raises(SystemExit):
        app.test_client().post("/exits", headers=HEADERS)
    app.db.session.rollback()
    assert app.db.engine.pool.checkedout() == 0
    assert count() == 0
