"""ETags, 304, 412 and 428."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response
from flask.views import MethodView
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields
from sqlalchemy import Integer, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns import BackendPatterns, Blueprint, SetupError
from flask_backend_patterns.api import conditional
from flask_backend_patterns.api.conditional import etag_of


class Doc(Schema):
    id = fields.Integer()
    text = fields.String()


class Store:
    """Documents by id, and how often they were read."""

    def __init__(self):
        self.docs = {1: SimpleNamespace(id=1, text="a", version=1)}
        self.read = 0

    def version(self, doc_id):
        doc = self.docs.get(doc_id)
        return doc and doc.version

    def get(self, doc_id):
        self.read += 1
        return self.docs[doc_id]

    def change(self, doc_id):
        doc = self.docs[doc_id]
        doc.version += 1
        return doc


def make_app(register, **config) -> Flask:
    app = Flask("conditional")
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False, **config)
    BackendPatterns().init_app(app)
    register(app)
    return app


def foreign(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def on_functions(app, store, decorate):
    blueprint = Blueprint("docs", "docs")

    @blueprint.get("/<int:doc_id>")
    @decorate
    @blueprint.response(200, Doc)
    def read(doc_id):
        return store.get(doc_id)

    @blueprint.put("/<int:doc_id>")
    @blueprint.response(200, Doc)
    @decorate
    def change(doc_id):
        return store.change(doc_id)

    app.register_blueprint(blueprint)


def on_async_functions(app, store, decorate):
    blueprint = Blueprint("docs", "docs")

    @blueprint.get("/<int:doc_id>")
    @decorate
    @blueprint.response(200, Doc)
    async def read(doc_id):
        return store.get(doc_id)

    @blueprint.put("/<int:doc_id>")
    @decorate
    @blueprint.response(200, Doc)
    async def change(doc_id):
        return store.change(doc_id)

    app.register_blueprint(blueprint)


def on_class(app, store, decorate):
    blueprint = Blueprint("docs", "docs")

    @blueprint.route("/<int:doc_id>")
    @decorate
    class Docs(MethodView):
        @blueprint.response(200, Doc)
        def get(self, doc_id):
            return store.get(doc_id)

        @blueprint.response(200, Doc)
        def put(self, doc_id):
            return store.change(doc_id)

    app.register_blueprint(blueprint)


def on_nested(app, store, decorate):
    outer = Blueprint("outer", "outer")
    inner = SimpleNamespace(register_blueprint=outer.register_blueprint)
    on_functions(inner, store, decorate)
    app.register_blueprint(outer)


def under_foreign(app, store, decorate):
    blueprint = Blueprint("docs", "docs")

    @blueprint.get("/<int:doc_id>")
    @foreign
    @decorate
    @blueprint.response(200, Doc)
    def read(doc_id):
        return store.get(doc_id)

    @blueprint.put("/<int:doc_id>")
    @foreign
    @decorate
    @blueprint.response(200, Doc)
    def change(doc_id):
        return store.change(doc_id)

    app.register_blueprint(blueprint)


KINDS_OF_VIEW = [on_functions, on_async_functions, on_class, on_nested, under_foreign]


@pytest.mark.parametrize("register", KINDS_OF_VIEW)
def test_on_every_kind_of_view(register):
    """Reading gives the version and 304 without the view; changing needs the version that was read."""
    store = Store()
    client = make_app(
        lambda app: register(app, store, conditional("version", current=store.version))
    ).test_client()
    assert client.get("/1").headers["ETag"] == '"1"'
    assert store.read == 1
    answer = client.get("/1", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.data, answer.headers["ETag"], store.read) == (304, b"", '"1"', 1)
    assert client.head("/1", headers={"If-None-Match": '"1"'}).status_code == 304
    assert client.put("/1").json["error"]["code"] == "PRECONDITION_REQUIRED"
    assert client.put("/1", headers={"If-Match": '"0"'}).json["error"]["code"] == "PRECONDITION_FAILED"
    assert store.docs[1].version == 1
    changed = client.put("/1", headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"], store.docs[1].version) == (200, '"2"', 2)
    assert client.get("/1", headers={"If-None-Match": '"1"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"1"', 304),
        ('W/"1"', 304),
        ('"0", "1"', 304),
        ("*", 304),
        ('"1:gzip"', 304),
        ('"1:br"', 304),
        ('"0"', 200),
        ('"1:other"', 200),
        ("1", 304),
        ("", 200),
        ('"', 200),
    ],
)
def test_none_match_is_compared_weakly(header, status):
    """RFC 9110, 13.1.2; a coding's own tag counts as that of the resource."""
    store = Store()
    app = make_app(lambda app: on_functions(app, store, conditional("version", current=store.version)))
    assert app.test_client().get("/1", headers={"If-None-Match": header}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"1"'}, 200),
        ({"If-Match": '"1:gzip"'}, 200),
        ({"If-Match": '"0", "1"'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": 'W/"1"'}, 412),
        ({"If-Match": '"2"'}, 412),
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": '"1"'}, 412),
        ({"If-None-Match": '"2"'}, 200),
        ({}, 428),
    ],
)
def test_match_is_compared_strongly(headers, status):
    """RFC 9110, 13.1.1: a weak tag never matches; `If-None-Match: *` creates only what is not there."""
    store = Store()
    app = make_app(lambda app: on_functions(app, store, conditional("version", current=store.version)))
    assert app.test_client().put("/1", headers=headers).status_code == status
    assert store.docs[1].version == (2 if status == 200 else 1)


def test_match_can_be_left_to_the_client():
    """`required=False` checks it only where it is sent."""
    store = Store()
    declared = conditional("version", current=store.version, required=False)
    client = make_app(lambda app: on_functions(app, store, declared)).test_client()
    assert client.put("/1").status_code == 200
    assert client.put("/1", headers={"If-Match": '"1"'}).status_code == 412


def test_without_a_version_the_body_is_hashed():
    """Equal bodies have equal tags, other bodies others; and 304 saves the transfer."""
    store = Store()
    client = make_app(lambda app: on_functions(app, store, conditional())).test_client()
    first = client.get("/1").headers["ETag"]
    assert client.get("/1", headers={"If-None-Match": first}).status_code == 304
    store.docs[1].text = "b"
    changed = client.get("/1", headers={"If-None-Match": first})
    assert (changed.status_code, changed.headers["ETag"] != first) == (200, True)


def test_changing_without_current_is_refused_before_anything_changes():
    """Nothing could be compared, so the mistake is told instead of a change let through."""
    store = Store()
    app = make_app(lambda app: on_functions(app, store, conditional("version")))
    app.testing = True
    with pytest.raises(SetupError, match="needs current="):
        app.test_client().put("/1", headers={"If-Match": '"1"'})
    assert store.docs[1].version == 1


def test_current_may_be_async_and_take_only_some_arguments():
    """It gets the path arguments it names; one that the path lacks is told."""

    async def current():
        return 5

    def wrong(other_id):
        return other_id

    def register(app):
        app.add_url_rule("/a/<int:doc_id>", "a", conditional(current=current)(lambda doc_id: "a"))
        app.add_url_rule("/b/<int:doc_id>", "b", conditional(current=wrong)(lambda doc_id: "b"))

    app = make_app(register)
    app.testing = True
    client = app.test_client()
    assert client.get("/a/1", headers={"If-None-Match": '"5"'}).status_code == 304
    with pytest.raises(SetupError, match="'other_id', which is no part of the path"):
        client.get("/b/1", headers={"If-None-Match": '"5"'})


def test_on_plain_flask_views():
    """A view that returns text, on a blueprint of Flask's."""

    def register(app):
        blueprint = FlaskBlueprint("plain", "plain")
        blueprint.add_url_rule("/", "text", conditional()(lambda: "text"))
        app.register_blueprint(blueprint)

    client = make_app(register).test_client()
    tag = client.get("/").headers["ETag"]
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304


def test_the_views_own_tag_and_other_statuses_are_left_alone():
    """Neither an error nor a tag that the view set is touched; a stream is not read for a hash."""

    def register(app):
        tagged = Response("x")
        tagged.set_etag("mine")
        views = {
            "tagged": lambda: tagged,
            "gone": lambda: ("gone", 410),
            "stream": lambda: Response(iter(["a", "b"])),
        }
        for name, view in views.items():
            app.add_url_rule(f"/{name}", name, conditional()(view))

    client = make_app(register).test_client()
    assert client.get("/tagged").headers["ETag"] == '"mine"'
    assert client.get("/tagged", headers={"If-None-Match": '"mine"'}).status_code == 304
    assert "ETag" not in client.get("/gone").headers
    assert "ETag" not in client.get("/stream").headers
    assert client.get("/stream").data == b"ab"


def test_what_a_304_repeats():
    """The headers that a cache keeps, and none that describe a body."""

    def register(app):
        def view():
            return "text", 200, {"Cache-Control": "max-age=3", "Vary": "X", "X-Other": "1"}

        app.add_url_rule("/", "view", conditional()(view))

    client = make_app(register, BACKEND_SECURITY_ENABLED=False).test_client()
    tag = client.get("/").headers["ETag"]
    answer = client.get("/", headers={"If-None-Match": tag})
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("max-age=3", "X")
    assert not {"X-Other", "Content-Type", "Content-Length"} & set(answer.headers.keys())


def test_compression_and_tags_agree():
    """A compressed answer has a tag of its own, which is good for 304 and for If-Match."""
    store = Store()
    store.docs[1].text = "a" * 5_000
    app = make_app(
        lambda app: on_functions(app, store, conditional("version", current=store.version)),
        BACKEND_SECURITY_COMPRESSION=True,
    )
    client = app.test_client()
    answer = client.get("/1", headers={"Accept-Encoding": "gzip"})
    tag = answer.headers["ETag"]
    assert answer.headers["Content-Encoding"] == "gzip"
    reading = {"If-None-Match": tag, "Accept-Encoding": "gzip"}
    assert client.get("/1", headers=reading).status_code == 304
    assert client.put("/1", headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "version",
    [
        0,
        17,
        "abc-1",
        "with space",
        'quote"d',
        "ü",
        "",
        "x" * 1_000,
        "3:gzip",
        datetime(2026, 1, 2, tzinfo=UTC),
        "\ud800",
    ],
)
def test_every_version_makes_a_valid_tag(version):
    """RFC 9110, 8.8.3, and different versions make different tags."""
    tag = etag_of(version)
    assert re.fullmatch(r"[!#-~]{1,64}", tag)
    assert etag_of(version) == tag != etag_of(f"{version!r}?")


def test_a_new_salt_makes_all_tags_new():
    """For a deploy that changes what responses look like; with a version and with a hash."""
    store, tags = Store(), set()
    for salt in ("", "a", "b"):
        for declared in (conditional("version", current=store.version), conditional()):
            app = make_app(
                functools.partial(on_functions, store=store, decorate=declared), BACKEND_API_ETAG_SALT=salt
            )
            answer = app.test_client().get("/1")
            tags.add(answer.headers["ETag"])
            again = app.test_client().get("/1", headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status_code == 304
    assert len(tags) == 6


def test_a_row_changed_in_between_is_a_412(database_url):
    """The check passed, then somebody else wrote: SQLAlchemy's version column notices, and the client is told so.

    The same without `If-Match` is the usual 409.
    """

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "rows"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        version = mapped_column(Integer, nullable=False)
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's name

    db = SQLAlchemy(model_class=Base)
    selects = []

    def current(row_id):
        return db.session.scalar(db.select(Row.version).where(Row.id == row_id))

    def register(app):
        db.init_app(app)
        blueprint = Blueprint("rows", "rows")

        @blueprint.get("/<int:row_id>")
        @conditional("version", current=lambda row_id: cached[row_id])
        @blueprint.response(200, Doc)
        def read(row_id):
            return db.session.get(Row, row_id)

        @blueprint.put("/<int:row_id>")
        @conditional("version", current=current, required=False)
        @blueprint.response(200, Doc)
        def change(row_id):
            row = db.session.get(Row, row_id)
            if app.config["OVERTAKEN"]:
                with db.engine.begin() as other:
                    other.execute(db.update(Row).values(version=7))
            row.text = "changed"
            db.session.commit()
            return row

        app.register_blueprint(blueprint)

    cached = {}
    app = make_app(register, SQLALCHEMY_DATABASE_URI=database_url, OVERTAKEN=False)
    with app.app_context():
        db.create_all()
        db.session.add(Row(id=1, text="a"))
        db.session.commit()
        event.listen(db.engine, "before_cursor_execute", lambda *args: selects.append(args[2]))
    client = app.test_client()
    tag = client.get("/1").headers["ETag"]
    selects.clear()
    cached[1] = 1
    assert client.get("/1", headers={"If-None-Match": tag}).status_code == 304
    assert selects == []  # the version was cached: no SELECT at all
    app.config["OVERTAKEN"] = True
    assert client.put("/1", headers={"If-Match": '"1"'}).status_code == 412
    with app.app_context():
        db.session.execute(db.update(Row).values(version=1))
        db.session.commit()
    assert client.put("/1").status_code == 409
    with app.app_context():
        assert db.session.get(Row, 1).text == "a"
        db.session.remove()
        db.engine.dispose()


def test_the_document_tells_what_may_be_sent_and_answered():
    """If-None-Match and 304 where it reads; If-Match, 412 and 428 where it changes; the tag on both."""
    store = Store()
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    api = Api(app)
    on_functions(api, store, conditional("version", current=store.version))
    operations = api.spec.to_dict()["paths"]["/{doc_id}"]
    names = {
        method: [p["name"] for p in operations[method].get("parameters", [])] for method in ("get", "put")
    }
    assert names == {"get": ["If-None-Match"], "put": ["If-Match"]}
    assert operations["put"]["parameters"][0]["required"] is True
    assert {"200", "304", "406"} <= set(operations["get"]["responses"])
    assert {"412", "428"} <= set(operations["put"]["responses"])
    assert not {"412", "428"} & set(operations["get"]["responses"])
    assert all("ETag" in operations[method]["responses"]["200"]["headers"] for method in ("get", "put"))
