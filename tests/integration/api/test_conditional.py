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
from sqlalchemy.orm.exc import StaleDataError

from flask_backend_patterns import BackendPatterns, Blueprint, NotFoundError, SetupError, matched_version
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
        ('"1:zstd"', 304),
        ('"1:deflate"', 304),
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
        ({"If-None-Match": 'W/"1"'}, 412),
        ({"If-None-Match": '"2"'}, 200),
        ({"If-Match": '"'}, 412),
        ({"If-Match": ""}, 412),
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


@pytest.mark.parametrize("header", ['"', "", 'W/"1"', '"1" "2"'])
def test_what_is_no_tag_is_no_leave_to_overwrite(header):
    """Also where `If-Match` may be missing: who sent one did not mean to overwrite whatever is there."""
    store = Store()
    declared = conditional("version", current=store.version, required=False)
    client = make_app(lambda app: on_functions(app, store, declared)).test_client()
    assert client.put("/1", headers={"If-Match": header}).status_code == 412
    assert store.docs[1].version == 1


@pytest.mark.parametrize("header", ['"3"', "*"])
@pytest.mark.parametrize(("method", "status"), [("PUT", 412), ("PATCH", 404), ("DELETE", 404)])
def test_what_is_not_there_matches_nothing(method, status, header):
    """RFC 9110, 13: a change of what somebody has deleted makes nothing anew; `If-None-Match: *` may make it.

    Where the answer without the condition would be a 404, it is one.
    """
    called = []
    declared = conditional(current=lambda doc_id: None, required=False)

    def register(app):
        view = declared(lambda doc_id: (called.append(doc_id), ("", 204))[1])
        app.add_url_rule("/<int:doc_id>", "view", view, methods=["PUT", "PATCH", "DELETE"])

    client = make_app(register).test_client()
    assert client.open("/1", method=method, headers={"If-Match": header}).status_code == status
    assert called == []
    assert client.open("/1", method=method, headers={"If-None-Match": "*"}).status_code == 204


@pytest.mark.parametrize("version", ["version", None])
@pytest.mark.parametrize("form", [lambda doc: doc, lambda doc: (doc, 200), lambda doc: (doc, {"X-A": "b"})])
def test_the_tag_that_a_plain_view_gives_is_good_for_a_change(form, version):
    """By a version in the dict it returns; without one it is what `current` gives, not a hash that matches nothing."""
    versions = {1: 3}

    def change(doc_id):
        versions[doc_id] += 1
        return form({"version": versions[doc_id]})

    def register(app):
        declared = conditional(version, current=lambda doc_id: versions[doc_id])
        app.add_url_rule(
            "/<int:doc_id>", "read", declared(lambda doc_id: form({"version": versions[doc_id]}))
        )
        app.add_url_rule("/<int:doc_id>", "change", declared(change), methods=["PUT"])

    client = make_app(register).test_client()
    tag = client.get("/1").headers["ETag"]
    assert tag == '"3"'
    assert client.get("/1", headers={"If-None-Match": tag}).status_code == 304
    changed = client.put("/1", headers={"If-Match": tag})
    assert (changed.status_code, changed.headers.get("ETag")) == (200, '"4"' if version else None)
    assert client.put("/1", headers={"If-Match": tag}).status_code == 412


def test_a_tag_that_nothing_would_match_is_not_sent():
    """No version (NULL), a part of a body, and a response whose version cannot be known beside `current`."""

    def register(app):
        blueprint = Blueprint("docs", "docs")
        blueprint.get("/null")(
            conditional("text")(blueprint.response(200, Doc)(lambda: SimpleNamespace(id=1, text=None)))
        )
        app.register_blueprint(blueprint)
        app.add_url_rule(
            "/part", "part", conditional()(lambda: ("pa", 206, {"Content-Range": "bytes 0-1/4"}))
        )
        made = conditional("version", current=lambda: 3)(lambda: Response("made"))
        app.add_url_rule("/made", "made", made)

    client = make_app(register).test_client()
    for path in ("/null", "/part", "/made"):
        answer = client.get(path)
        assert (answer.status_code < 300, answer.headers.get("ETag")) == (True, None), path


def test_the_known_tag_is_asked_for_before_the_view():
    """A change between the two makes the tag older than the body, never newer: no lost update."""
    versions = {1: 3}

    def register(app):
        def view(doc_id):
            versions[doc_id] += 1
            return {}

        app.add_url_rule("/<int:doc_id>", "view", conditional(current=lambda doc_id: versions[doc_id])(view))

    assert make_app(register).test_client().get("/1").headers["ETag"] == '"3"'


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


def test_current_may_have_parameters_that_are_not_in_the_path():
    """Those with a default: a partial, a lambda that keeps a value; one that the path has too gets the path's."""

    def version(doc_id, store):
        return store[doc_id]

    currents = [
        functools.partial(version, store={1: 3}),
        lambda doc_id, store={1: 3}: store[doc_id],
        lambda doc_id=2: {1: 3}[doc_id],
        lambda **path: {1: 3}[path["doc_id"]],
    ]

    def register(app):
        for number, current in enumerate(currents):
            app.add_url_rule(
                f"/{number}/<int:doc_id>", str(number), conditional(current=current)(lambda doc_id: "x")
            )

    app = make_app(register)
    app.testing = True
    for number in range(len(currents)):
        answer = app.test_client().get(f"/{number}/1", headers={"If-None-Match": '"3"'})
        assert answer.status_code == 304


@pytest.mark.parametrize("fails", [False, True])
def test_async_view_and_async_current(fails):
    """The view's thread runs an event loop already when `current` is asked; what that raises is answered as always."""

    async def current(doc_id):
        if fails:
            raise NotFoundError
        return doc_id

    async def view(doc_id):
        return {"doc": doc_id}

    app = make_app(lambda app: app.add_url_rule("/<int:doc_id>", "view", conditional(current=current)(view)))
    answer = app.test_client().get("/7", headers={"If-None-Match": '"7"'})
    assert answer.status_code == (404 if fails else 304)


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
    """All headers but those that describe a body; and what the view wants done at the end is done."""
    closed = []
    kept = {"Cache-Control": "max-age=3", "Vary": "X", "Access-Control-Allow-Origin": "*", "Expires": "0"}

    def register(app):
        def view():
            response = app.make_response(("text", 200, {**kept, "Content-Language": "en"}))
            response.call_on_close(lambda: closed.append(1))
            return response

        app.add_url_rule("/", "view", conditional()(view))

    client = make_app(register, BACKEND_SECURITY_ENABLED=False).test_client()
    tag = client.get("/").headers["ETag"]
    closed.clear()
    answer = client.get("/", headers={"If-None-Match": tag})
    answer.close()
    assert kept.items() <= dict(answer.headers).items()
    assert not {"Content-Language", "Content-Type", "Content-Length"} & set(answer.headers.keys())
    assert (answer.status_code, closed) == (304, [1])


def test_a_weak_tag_of_the_views_own_stays_weak():
    """Also on the 304."""

    def register(app):
        app.add_url_rule("/", "view", conditional()(lambda: ("text", {"ETag": 'W/"mine"'})))

    client = make_app(register).test_client()
    answer = client.get("/", headers={"If-None-Match": 'W/"mine"'})
    assert (answer.status_code, answer.headers["ETag"]) == (304, 'W/"mine"')


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
    assert re.fullmatch(r"[0-9a-f]{32}", etag_of(version, "salt"))
    assert re.fullmatch(r"[!#-~]{1,64}", tag)
    assert etag_of(version) == tag != etag_of(f"{version!r}?")


def test_a_version_that_ends_like_a_coding_is_not_taken_for_one():
    """`3:gzip` is the tag of version `3` compressed, so the version `3:gzip` has another one."""
    assert etag_of("3:gzip") not in ("3", "3:gzip")


@pytest.mark.parametrize("version", [3, "3", datetime(2026, 1, 2, tzinfo=UTC)])
def test_the_matched_version_is_what_current_gave(version):
    """Fit for a WHERE, not as text; None where nothing was compared."""
    found = []
    declared = conditional(current=lambda: version, required=False)

    def register(app):
        view = declared(lambda: (found.append(matched_version()), ("", 204))[1])
        app.add_url_rule("/", "view", view, methods=["PUT"])

    client = make_app(register).test_client()
    client.put("/", headers={"If-Match": f'"{etag_of(version)}"'})
    client.put("/")
    assert found == [version, None]


def test_only_a_success_has_a_tag_and_only_a_200_becomes_a_304():
    """A redirect's body is no version of the resource, and an error stays one, whatever tag it has."""

    def register(app):
        declared = conditional("version")
        app.add_url_rule("/moved", "moved", declared(lambda: ({"version": 3}, 302)))
        app.add_url_rule("/gone", "gone", declared(lambda: ("gone", 410, {"ETag": '"3"'})))

    client = make_app(register).test_client()
    assert "ETag" not in client.get("/moved").headers
    assert client.get("/gone", headers={"If-None-Match": '"3"'}).status_code == 410


@pytest.mark.parametrize(("method", "status"), [("PUT", 412), ("POST", 409), ("GET", 409)])
def test_stale_data_is_a_412_only_where_if_match_counts(method, status):
    """A POST compares nothing, so its conflict is one."""

    def stale():
        raise StaleDataError

    def register(app):
        view = conditional(current=lambda: 3)(stale)
        app.add_url_rule("/", "view", view, methods=["GET", "PUT", "POST"])

    app = make_app(register, BACKEND_API_PREFIXES=["/"])
    assert app.test_client().open("/", method=method, headers={"If-Match": '"3"'}).status_code == status


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
