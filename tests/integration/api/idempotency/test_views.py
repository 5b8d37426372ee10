"""What `@idempotent` makes of views that write in their own ways, on SQLite and PostgreSQL."""

import io
import time

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from flask_backend_patterns import (
    ForbiddenError,
    NotFoundError,
    RateLimitError,
    SetupError,
    ThirdPartyAPIError,
)
from flask_backend_patterns.api.idempotency import purge_expired
from flask_backend_patterns.data.transaction import after_commit, joined_session
from flask_backend_patterns.errors import InvalidInputError, ValidationError

REPLAYED = "Idempotency-Replayed"


def stored_rows(app):
    with app.app_context():
        return app.db.session.execute(text("SELECT count(*) FROM backend_idempotency_keys")).scalar()


def own_headers(response):
    passing = {"X-Request-ID", REPLAYED, "Set-Cookie"}
    return sorted((name, value) for name, value in response.headers if name not in passing)


def test_a_repeated_request_gets_the_same_answer_byte_for_byte(app, send, order_app):
    """Status, body, Location and both Link lines; not the cookie. The view runs once."""
    first = send("/orders")
    again = send("/orders")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert own_headers(first) == own_headers(again)
    assert again.headers.getlist("Link") == ["</a>; rel=a", "</b>; rel=b"]
    assert again.headers["Location"] == "/orders/1"
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert "Set-Cookie" in first.headers
    assert "Set-Cookie" not in again.headers
    assert app.called == ["commits"]
    assert order_app.count_orders(app) == 1


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("/begins", 201, ["begun"]),
        ("/rolls-back", 201, ["first", "last"]),
        ("/recovers", 201, ["after", "first"]),
        ("/untouched", 202, []),
        ("/forgets", 204, ["not committed by the view"]),
        ("/async", 201, ["async"]),
        ("/class", 201, ["by class"]),
    ],
)
def test_a_view_may_write_as_it_likes(path, status, names, app, send, order_app):
    """Its commits and rollbacks mean what they mean elsewhere; it runs once, and the session works afterwards."""
    first = send(path)
    again = send(path)
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert first.status_code == status
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert order_app.order_names(app) == names


def test_a_service_with_a_session_of_its_own_joins(app, send, order_app):
    """Its part stands although the view rolls `db.session` back; a part that failed goes, with its callbacks."""
    assert send("/service").status_code == 201
    assert order_app.order_names(app) == ["by service"]
    assert app.called == ["refused", "view ends", "after by service"]
    assert send("/service").headers[REPLAYED] == "true"
    assert app.called[3:] == []


def test_an_error_out_of_a_service_that_db_session_was_used_in(app, order_app):
    """Whatever was written by whom is undone, sessions left open included; the refusal is stored."""

    @app.post("/mixed")
    @order_app.idempotent()
    def mixed():
        left_open = joined_session()
        left_open.add(order_app.Order(name="left open"))
        left_open.flush()
        with joined_session() as session, session.begin():
            session.add(order_app.Order(name="joined"))
            session.flush()
            app.db.session.add(order_app.Order(name="by db.session"))
            app.db.session.flush()
            app.left_open = left_open  # not closed by chance
            raise ValidationError("breaks a rule")

    for replayed in (None, "true"):
        answer = app.test_client().post("/mixed", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.headers.get(REPLAYED)) == (422, replayed)
    assert order_app.count_orders(app) == 0
    with app.app_context():
        assert app.db.engine.pool.checkedout() == 0


@pytest.mark.parametrize("status", [400, 404, 409, 410, 418, 422])
def test_a_refusal_by_the_view_is_stored_and_its_writes_are_not(status, app, send, order_app):
    """A 4xx that was raised undoes what the view wrote, calls nothing back, and is replayed."""
    first = send(f"/raises/{status}")
    again = send(f"/raises/{status}")
    assert (first.status_code, first.json["error"]["message"]) == (status, f"refused with {status}")
    assert first.data == again.data
    assert again.headers[REPLAYED] == "true"
    assert app.called == [str(status)]
    assert order_app.count_orders(app) == 0


def test_what_the_last_flush_refuses_counts_as_raised_by_the_view(app, send, order_app):
    """A duplicate that only shows when the view has returned is a 409, stored; nothing is written."""
    first = send("/raises/flush")
    assert first.status_code == 409
    assert send("/raises/flush").headers[REPLAYED] == "true"
    assert order_app.count_orders(app) == 0


@pytest.mark.parametrize("status", [401, 403, 406, 408, 412, 413, 415, 425, 428, 429, 500, 502, 503, 504])
def test_what_may_pass_is_not_stored(status, app, send, order_app):
    """Server errors and refusals before anything was done: everything is undone and a retry runs again."""
    for _ in range(2):
        answer = send(f"/raises/{status}") if status not in {408, 425} else send(f"/returns/{status}")
        assert answer.status_code == status
        assert REPLAYED not in answer.headers
    assert len(app.called) == 2
    assert order_app.count_orders(app) == 0
    assert stored_rows(app) == 0


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (NotFoundError("no such thing"), True),
        (ValidationError("breaks a rule"), True),
        (InvalidInputError("unreadable"), False),
        (ForbiddenError(), False),
        (RateLimitError(retry_after=3), False),
        (ThirdPartyAPIError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_our_errors_say_themselves_whether_they_are_kept(error, kept, app, send, order_app):
    """`AppError.refused` and server errors are not stored, the others are."""
    app.refusals["it"] = error
    answers = [send("/raises/it") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {error.status}
    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, "true" if kept else None]
    assert order_app.count_orders(app) == 0


def test_an_unforeseen_error_is_raised_as_without_the_decorator(app, send, order_app):
    """Flask's testing mode still shows the traceback; nothing is stored or written."""
    with pytest.raises(ZeroDivisionError):
        send("/raises/broken")
    assert (order_app.count_orders(app), stored_rows(app)) == (0, 0)
    app.testing = False
    assert send("/raises/broken").status_code == 500
    assert order_app.count_orders(app) == 0


@pytest.mark.parametrize(("status", "kept"), [(200, True), (404, True), (403, False), (500, False)])
def test_a_returned_status_counts_like_a_raised_one(status, kept, app, send, order_app):
    """Stored with its writes, or neither."""
    for _ in range(2):
        assert send(f"/returns/{status}").status_code == status
    assert app.called == [status] * (1 if kept else 2)
    assert order_app.count_orders(app) == (1 if kept else 0)


def test_the_apps_own_error_handler_is_asked(app, send, order_app):
    """An exception that the app itself turns into an answer is stored as that answer."""

    class DomainError(Exception):
        pass

    app.register_error_handler(DomainError, lambda error: ({"own": str(error)}, 409))
    app.refusals["own"] = DomainError("sold out")
    first, again = send("/raises/own"), send("/raises/own")
    assert (first.status_code, first.json) == (409, {"own": "sold out"})
    assert (again.data, again.headers[REPLAYED]) == (first.data, "true")
    assert order_app.count_orders(app) == 0


def test_a_stream_is_stored_as_its_bytes(app, send):
    """The first answer is whole, and so is the replay."""
    first, again = send("/streams"), send("/streams")
    assert first.data == again.data == b"part 0;part 1;part 2;"
    assert app.called == ["streams"]


def test_an_answer_too_large_to_store_undoes_the_request(make_app, database_url, order_app):
    """It is an error of ours that says what to do, before anything is committed."""
    app = make_app(database_url, settings={"max_response_bytes": 10})
    for path in ("/orders", "/streams"):
        with pytest.raises(SetupError, match="MAX_RESPONSE_BYTES"):
            app.test_client().post(path, json={"name": "one"}, headers={"Idempotency-Key": "big"})
    assert (order_app.count_orders(app), stored_rows(app)) == (0, 0)


# --- The key --------------------------------------------------------------------------------------------------------


def test_a_missing_key_is_refused(app, send, order_app):
    """400 IDEMPOTENCY_KEY_MISSING that names the header; the view does not run."""
    answer = send("/orders", key=None)
    assert answer.status_code == 400
    error = answer.json["error"]
    assert error["code"] == "IDEMPOTENCY_KEY_MISSING"
    assert (error["details"][0]["field"], error["details"][0]["in"]) == ("Idempotency-Key", "headers")
    assert order_app.count_orders(app) == 0


def test_an_optional_key_may_be_missing(app, send, order_app):
    """Without the key every request runs, outside any transaction of ours; with it, once."""
    assert [send("/optional", key=None).json for _ in range(2)] == [{"joined": False}] * 2
    assert [send("/optional", key="k").json for _ in range(2)] == [{"joined": True}] * 2
    assert order_app.count_orders(app) == 3


@pytest.mark.parametrize(
    "key", ["", '""', "a b", "a,b", '"a", "b"', '"a";p=1', "a" * 256, "é", '"a', "\x7f", "a\\b"]
)
def test_a_malformed_key_is_refused(key, app, send, order_app):
    """400 that names the header, also where the key is optional; never a server error."""
    for path in ("/orders", "/optional"):
        answer = send(path, key=key)
        assert answer.status_code == 400
        assert answer.json["error"]["details"][0]["in"] == "headers"
    assert order_app.count_orders(app) == 0


def test_quotes_are_not_part_of_the_key(app, send, order_app):
    """A client that quotes its key (RFC 8941) and one that does not mean the same."""
    send("/orders", key='"abc"')
    assert send("/orders", key="abc").headers[REPLAYED] == "true"
    assert order_app.count_orders(app) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"json": {"name": "two"}},
        {"json": {"name": "one"}, "query_string": "dry=1"},
        {"data": b'{"name": "one"}', "content_type": "application/vnd.api+json"},
    ],
)
def test_a_key_used_for_another_request_is_refused(other, app, send, order_app):
    """Another body, query or media type: 422 IDEMPOTENCY_MISMATCH."""
    send("/orders")
    answer = send("/orders", **other)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert order_app.count_orders(app) == 1


def test_callers_routes_and_paths_have_keys_of_their_own(app, send, order_app):
    """The same key from two callers, on two routes, on two items, is five requests."""
    anna, bert = ({"Authorization": f"Bearer {name}"} for name in ("anna", "bert"))
    for _ in range(2):
        send("/orders", headers=anna)
        send("/orders", headers=bert)
        send("/others", headers=anna)
        send("/items/1", headers=anna)
        send("/items/2", headers=anna)
    assert order_app.count_orders(app) == 5


def test_methods_of_a_class(app, send, order_app):
    """PATCH has keys of its own; GET and PUT need none; a class and its method declare it once."""
    assert send("/class", method="PATCH").status_code == 200
    assert send("/class", method="PATCH").headers[REPLAYED] == "true"
    assert send("/class", key=None, method="GET").data == b"read"
    assert send("/class", key=None, method="PUT").data == b"put"
    assert send("/class", key=None).status_code == 400
    assert order_app.order_names(app) == ["patched"]


def upload(boundary, content):
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n{value}\r\n'
        for name, extra, value in (("title", "", "a"), ("file", '; filename="f.txt"', content))
    )
    return {
        "data": f"{body}--{boundary}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def test_forms_and_files_can_still_be_read(send):
    """A retry with another boundary is the same request; another file is another one."""
    first = send("/form", **upload("aaa", "hello"))
    assert first.json == {"form": {"title": "a"}, "files": {"file": "hello"}}
    assert send("/form", **upload("bbb", "hello")).headers[REPLAYED] == "true"
    assert send("/form", **upload("aaa", "other")).status_code == 422


def test_a_form_parsed_before_the_guard_counts_by_its_fields(app, send):
    """Code before the view that reads `request.form` leaves no bytes; the fields tell the requests apart."""

    @app.before_request
    def read_form():
        from flask import request

        assert request.form["title"] == "a"

    first = send("/form", **upload("aaa", "hello"))
    assert first.json["files"] == {"file": "hello"}
    assert send("/form", **upload("bbb", "hello")).headers[REPLAYED] == "true"
    assert send("/form", **upload("aaa", "other")).status_code == 422


def test_a_body_over_the_limit_is_a_413(app, send, order_app):
    """The app's own limit holds, and nothing is stored."""
    app.config["MAX_CONTENT_LENGTH"] = 5
    assert send("/orders").status_code == 413
    assert send("/form", data={"file": (io.BytesIO(b"x" * 100), "f.txt")}).status_code == 413
    assert stored_rows(app) == 0


# --- Expiry ---------------------------------------------------------------------------------------------------------


def test_a_result_expires(app, send, clock, order_app):
    """After its time the key is free again, by the clock; `ttl_seconds` of a view counts before the setting."""
    send("/orders")
    send("/short")
    clock.now += 4
    assert send("/short").headers[REPLAYED] == "true"
    clock.now += 1
    assert REPLAYED not in send("/short").headers
    clock.now += 86_394
    assert send("/orders").headers[REPLAYED] == "true"
    clock.now += 1
    assert REPLAYED not in send("/orders").headers
    assert order_app.count_orders(app) == 4


def test_expired_results_are_deleted_in_batches(app, send, clock):
    """By `purge_expired` all of them, however many batches it takes; what has not expired stays."""
    for number in range(7):
        send("/short", key=f"k{number}")
    send("/untouched")
    clock.now += 10
    with app.app_context():
        assert purge_expired(batch_size=3, clock=clock) == 7
        assert purge_expired(clock=clock) == 0
    assert stored_rows(app) == 1


def test_requests_delete_expired_results_now_and_then(app, send, clock):
    """Once a minute, after a request's own commit."""
    for number in range(3):
        send("/short", key=f"k{number}")
    clock.now += 10
    send("/untouched", key="early")
    assert stored_rows(app) == 4
    clock.now += 50
    send("/untouched", key="late")
    assert stored_rows(app) == 2


# --- Sessions, callbacks and faults ---------------------------------------------------------------------------------


def test_what_was_loaded_and_changed_before_the_guard_stays(app, send, order_app):
    """Authentication's objects stay attached, its changes are kept, and no second connection is needed."""
    db = app.db
    seen = {}

    @app.before_request
    def load():
        user = db.session.scalars(db.select(order_app.Order)).first()
        if user is None:
            user = order_app.Order(name="user")
            db.session.add(user)
        seen["user"] = user
        db.session.flush()

    @app.after_request
    def look(response):
        assert seen["user"] in db.session
        assert seen["user"].name == "user"
        db.session.rollback()
        return response

    assert send("/orders").status_code == 201
    assert send("/orders").headers[REPLAYED] == "true"
    assert send("/raises/500").status_code == 500
    assert order_app.order_names(app) == ["one", "user"]


def test_one_connection_is_enough(make_app, database_url, order_app):
    """With a pool of one and work before the guard, a request does not wait for itself."""
    app = make_app(database_url, engine_options={"pool_size": 1, "max_overflow": 0, "pool_timeout": 2})

    @app.before_request
    def load():
        app.db.session.scalars(app.db.select(order_app.Order)).all()

    for _ in range(2):
        answer = app.test_client().post("/orders", json={"name": "one"}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201


def test_callbacks_run_after_the_real_commit_in_order(app, order_app):
    """Each sees what was written; one that fails is logged and keeps neither the others nor the answer away."""
    called = []

    @app.post("/callbacks")
    @order_app.idempotent()
    def callbacks():
        app.db.session.add(order_app.Order(name="x"))
        after_commit(lambda: called.append(order_app.count_orders(app)))
        after_commit(lambda: 1 / 0)
        after_commit(lambda: called.append(joined_session()))
        app.db.session.commit()
        called.append("view")
        return "", 201

    answer = app.test_client().post("/callbacks", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201
    assert called == ["view", 1, None]


def test_a_commit_that_fails_is_a_503_and_nothing_is_kept(app, send, order_app):
    """The database going away at the last moment undoes the request; a retry runs it."""
    with app.app_context():
        engine = app.db.engine

    def fail(_connection):
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    event.listen(engine, "commit", fail)
    assert send("/orders").status_code == 503
    event.remove(engine, "commit", fail)
    with engine.connect() as connection:  # the very connection that failed
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == 0
    assert (order_app.count_orders(app), stored_rows(app)) == (0, 0)
    assert REPLAYED not in send("/orders").headers
    assert order_app.count_orders(app) == 1


def test_a_database_that_goes_in_the_midst_is_a_503(make_app, postgres_url, order_app):
    """Its connection dies while the view works; when it is back, the retry runs the request."""
    app = make_app(postgres_url)

    @app.post("/dies")
    @order_app.idempotent()
    def dies():
        app.db.session.add(order_app.Order(name="x"))
        app.db.session.commit()
        if not app.called:
            app.called.append("died")
            app.db.session.execute(text("SELECT 1"))
            with app.db.engine.connect() as other:
                own = app.db.session.scalar(text("SELECT pg_backend_pid()"))
                other.execute(text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
            app.db.session.execute(text("SELECT 1"))
        return "", 201

    client = app.test_client()
    assert client.post("/dies", headers={"Idempotency-Key": "k"}).status_code == 503
    assert client.post("/dies", headers={"Idempotency-Key": "k"}).status_code == 201
    assert order_app.count_orders(app) == 1
    with app.app_context():
        assert app.db.engine.pool.checkedout() == 0


def test_a_refusal_after_the_database_has_gone_is_a_503(make_app, postgres_url, order_app):
    """What cannot be stored is not answered as if it were."""
    app = make_app(postgres_url)

    @app.post("/dies")
    @order_app.idempotent()
    def dies():
        with app.db.engine.connect() as other:
            own = app.db.session.scalar(text("SELECT pg_backend_pid()"))
            other.execute(text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
        raise NotFoundError

    assert app.test_client().post("/dies", headers={"Idempotency-Key": "k"}).status_code == 503
    with app.app_context():
        assert app.db.engine.pool.checkedout() == 0


def test_a_missing_table_says_what_to_do(make_app, database_url):
    """A set-up error that names the remedy, not a 503."""
    app = make_app(database_url, tables=False)
    with pytest.raises(SetupError, match="idempotency_table"):
        app.test_client().post("/untouched", headers={"Idempotency-Key": "k"})


def test_an_app_without_a_database_is_told_to_use_redis(make_app):
    """The error names both ways out."""
    app = make_app()
    with pytest.raises(SetupError, match="BACKEND_IDEMPOTENCY_STORE"):
        app.test_client().post("/untouched", headers={"Idempotency-Key": "k"})


def test_a_session_thrown_away_in_the_midst_is_noticed(app, send):
    """`db.session.remove()` in a view would take its writes out of the transaction."""
    with pytest.raises(SetupError, match="remove"):
        send("/removes")
    assert stored_rows(app) == 0


def test_an_in_memory_database_works(make_app, order_app):
    """As apps use it in their own tests: one connection for all."""
    app = make_app("sqlite://")
    answers = [
        app.test_client().post("/orders", json={"name": "one"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, "true"]
    assert order_app.count_orders(app) == 1


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_an_sqlite_engine_that_begins_by_itself_works(begin, make_app, sqlite_url, order_app):
    """SQLAlchemy's recipe for SQLite: the driver's own BEGIN switched off, one sent by an event."""
    app = make_app(sqlite_url, tables=False)
    with app.app_context():
        engine = app.db.engine
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with app.app_context():
        app.db.create_all()
    client = app.test_client()
    for path, count in (("/orders", 1), ("/rolls-back", 3), ("/raises/404", 3)):
        for _ in range(2):
            client.post(path, json={"name": "one"}, headers={"Idempotency-Key": "k"})
        assert order_app.count_orders(app) == count


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_stricter_isolation_levels_work(level, make_app, postgres_url, order_app):
    """The app's isolation level is kept."""
    app = make_app(postgres_url, engine_options={"isolation_level": level})
    for _ in range(2):
        answer = app.test_client().post("/orders", json={"name": "one"}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
    assert order_app.count_orders(app) == 1


def test_autocommit_is_refused(make_app, postgres_url):
    """Without transactions the promise cannot be kept."""
    app = make_app(postgres_url, engine_options={"isolation_level": "AUTOCOMMIT"})
    with pytest.raises(SetupError, match="AUTOCOMMIT"):
        app.test_client().post("/untouched", headers={"Idempotency-Key": "k"})


def test_a_table_in_a_schema_of_the_app_is_used(make_app, postgres_url, order_app):
    """The app's own metadata says where the table is."""
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import MetaData

    from flask_backend_patterns import BackendPatterns
    from flask_backend_patterns._wrapped import WrappedExtensions
    from flask_backend_patterns.api.idempotency import Idempotent, idempotency_table, idempotent
    from flask_backend_patterns.api.idempotency.settings import IdempotencySettings
    from flask_backend_patterns.api.idempotency.wiring import build

    app = Flask("schemas")
    app.config.update(SQLALCHEMY_DATABASE_URI=postgres_url, TESTING=True)
    schema = f"own_{time.monotonic_ns()}"
    db = SQLAlchemy(app, metadata=MetaData(schema=schema))
    table = idempotency_table(db.metadata)
    assert idempotency_table(db.metadata) is table
    enforce = build(
        IdempotencySettings(),
        caller=str,
        wrapped=WrappedExtensions(),
        redis=None,
        log=order_app.RecordingLog(),
    )
    BackendPatterns(enforcers={Idempotent: enforce}).init_app(app)

    @app.post("/")
    @idempotent()
    def view():
        return "", 201

    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        db.create_all()
        assert app.test_client().post("/", headers={"Idempotency-Key": "k"}).status_code == 201
        assert db.session.execute(db.select(table.c.status)).scalar() == 201
        db.session.remove()
        with db.engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        db.engine.dispose()
