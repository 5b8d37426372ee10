"""R7: PostgreSQL goes while a request holds a session; the answer, its headers and what else has to be done are there."""

import logging

import psycopg
import pytest
from flask import Flask, appcontext_tearing_down, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.observability.events import event_of

FAULT = "session_teardown_failed"


@pytest.fixture(params=["db before us", "db after us"])
def served(request, postgres_url):
    """An app whose views lose their connection in the midst; not called `app`, which pytest-flask keeps a context for."""
    app = Flask("teardown")
    app.config.update(SQLALCHEMY_DATABASE_URI=postgres_url, BACKEND_API_PREFIXES=["/"])
    app.db = SQLAlchemy()
    app.torn_down = []
    app.teardown_appcontext(lambda _: app.torn_down.append("before"))
    if request.param == "db before us":
        app.db.init_app(app)
    BackendPatterns().init_app(app)
    if request.param == "db after us":
        app.db.init_app(app)
    app.teardown_appcontext(lambda _: app.torn_down.append("after"))
    with app.app_context():
        app.db.session.execute(text("CREATE TABLE thing (id int)"))
        app.db.session.commit()
    app.torn_down.clear()
    add_views(app, postgres_url)
    yield app
    with app.app_context():
        app.db.engine.dispose()


def add_views(app, url):
    session = app.db.session

    def lose():
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = %s AND pid <> pg_backend_pid()",
                [make_url(url).query["application_name"]],
            )

    @app.post("/committed")
    def committed():
        session.execute(text("INSERT INTO thing VALUES (1)"))
        session.commit()
        session.execute(text("SELECT 1"))
        lose()
        return {"id": 1}, 201

    @app.get("/reads")
    def reads():
        session.execute(text("SELECT 1"))
        lose()
        session.execute(text("SELECT 2"))

    @app.get("/raises")
    def raises():
        session.execute(text("SELECT 1"))
        lose()
        raise ZeroDivisionError

    @app.get("/count")
    def count():
        return {"count": session.execute(text("SELECT count(*) FROM thing")).scalar()}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/committed", 201), ("GET", "/reads", 503), ("GET", "/raises", 500)],
)
def test_the_answer_stays_what_it_is(served, method, path, status, caplog):
    """With its id; the fault is logged at most once, with that id; the rest of the chain runs; the next request works."""
    signalled = []

    def note(_, **options):
        signalled.append(1)

    client = served.test_client()
    client.get("/count")
    served.torn_down.clear()
    with appcontext_tearing_down.connected_to(note, served), caplog.at_level(logging.INFO):
        answer = client.open(path, method=method, headers={"X-Request-ID": "abc"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, "abc")
    if status == 503:
        assert answer.json["error"]["code"] == "DATABASE_ERROR"
        assert answer.headers["Retry-After"]
    if status >= 500:
        assert answer.json["error"]["request_id"] == "abc"
    faults = [
        fields for record in caplog.records if (fields := event_of(record)) and fields["event"] == FAULT
    ]
    assert [fault["request_id"] for fault in faults] == ["abc"] * len(faults)
    assert len(faults) == (status != 503)  # there the view has met the loss itself
    assert (served.torn_down, signalled) == (["after", "before"], [1])
    assert client.get("/count").json == {"count": 1 if status == 201 else 0}
    with served.app_context():
        assert served.db.engine.pool.checkedout() == 0


def test_other_faults_and_other_teardowns_are_not_ours(served):
    """Only Flask-SQLAlchemy's own teardown is contained, and only what a database can raise."""

    def fail(_):
        if g.get("fails"):
            raise OperationalError("app's own", None, Exception())

    served.teardown_appcontext(fail)
    with pytest.raises(OperationalError, match="app's own"), served.app_context():
        g.fails = True
    served.db.session.remove = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError), served.app_context():
        pass
    del served.db.session.remove


def test_outside_of_requests_it_is_contained_too(served, caplog):
    """A command's or a job's context ends in good order; there is no id to tell."""
    with served.app_context():
        served.db.session.connection().connection.dbapi_connection.close()
    (fault,) = [
        fields for record in caplog.records if (fields := event_of(record)) and fields["event"] == FAULT
    ]
    assert "request_id" not in fault
