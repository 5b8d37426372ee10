"""An app that takes orders, for the tests beside it; as a program it serves many threads at once, or blocks to be killed.

order_app.py burst URL THREADS KEY    waits for a line, sends THREADS equal POSTs at once, prints their answers
order_app.py block URL STEP KEY       sends one POST that prints "reached" and sleeps at STEP of it
"""

import json
import logging
import os
import sys
import threading
import time

from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response, abort, current_app, request
from flask.views import MethodView
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.local import LocalProxy

from flask_backend_patterns import BackendPatterns, ConflictError
from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns._wrapped import WrappedExtensions
from flask_backend_patterns.api.caller import default_caller
from flask_backend_patterns.api.idempotency import Idempotent, idempotency_table, idempotent
from flask_backend_patterns.api.idempotency.settings import IdempotencySettings
from flask_backend_patterns.api.idempotency.wiring import build
from flask_backend_patterns.data.transaction import after_commit, joined_session


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


idempotency_table(Base.metadata)


# Views on a plain Flask blueprint, each of which writes in its own way; `db` is that of the app being asked.
views = FlaskBlueprint("orders", __name__)
db = LocalProxy(lambda: current_app.db)


class RecordingLog:
    """An event log that is read by tests."""

    def __init__(self):
        self.events = []

    def info(self, name, **fields):
        self.events.append((name, fields))

    warning = error = info


def create_app(
    url=None,
    *,
    redis_url=None,
    clock=time.time,
    caller=None,
    settings=None,
    engine_options=None,
    testing=True,
):
    app = Flask("orders")
    app.config.update(TESTING=testing, BACKEND_OBSERVABILITY_ACCESS_LOG=False, BACKEND_API_PREFIXES=["/"])
    app.db = None
    if url is not None:
        app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=engine_options or {})
        app.db = SQLAlchemy(metadata=Base.metadata)
        app.db.init_app(app)
    app.log = RecordingLog()
    app.refusals = {}
    app.called = []
    redis = None
    if redis_url is not None:
        redis = SharedRedis(RedisSettings(url=redis_url, timeout_seconds=2), namespace="orders", log=app.log)
    enforce = build(
        IdempotencySettings(**(settings or {})),
        wrapped=WrappedExtensions(),
        redis=redis,
        log=app.log,
        caller=caller or default_caller,
        clock=clock,
    )
    BackendPatterns(enforcers={Idempotent: enforce}).init_app(app)
    app.register_blueprint(views)
    return app


def begin_by_event(app):
    """SQLAlchemy's recipe for SQLite: WAL, the driver's own BEGIN switched off, one sent by an event."""

    def configure(connection, _):
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")

    with app.app_context():
        event.listen(app.db.engine, "connect", configure)
        event.listen(app.db.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))


def count_orders(app):
    with app.app_context():
        return app.db.session.scalar(select(func.count()).select_from(Order))


def order_names(app):
    with app.app_context():
        return sorted(app.db.session.scalars(select(Order.name)))


def add(name):
    order = Order(name=name)
    db.session.add(order)
    return order


def body():
    return request.get_json()["name"]


@views.post("/orders")
@idempotent()
def commits():
    current_app.called.append("commits")
    order = add(body())
    db.session.commit()
    response = current_app.make_response(({"id": order.id, "name": order.name}, 201))
    response.headers["Location"] = f"/orders/{order.id}"
    response.headers.add("Link", "</a>; rel=a")
    response.headers.add("Link", "</b>; rel=b")
    response.set_cookie("once", "1")
    return response


@views.post("/others")
@idempotent()
def others():
    add(body())
    db.session.commit()
    return {"other": True}, 201


@views.post("/items/<int:item_id>")
@idempotent()
def items(item_id):
    add(f"item {item_id}")
    db.session.commit()
    return {"item": item_id}, 201


@views.post("/begins")
@idempotent()
def begins():
    with db.session.begin():
        order = add("begun")
    return {"id": order.id}, 201


@views.post("/rolls-back")
@idempotent()
def rolls_back():
    add("first")
    db.session.commit()
    add("undone")
    db.session.flush()
    db.session.rollback()
    add("last")
    db.session.commit()
    return {"kept": 2}, 201


@views.post("/recovers")
@idempotent()
def recovers():
    order = add("first")
    db.session.commit()
    db.session.add(Order(id=order.id, name="same id"))
    db.session.expunge(order)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
    add("after")
    db.session.commit()
    return {"kept": 2}, 201


@views.post("/untouched")
@idempotent()
def untouched():
    current_app.called.append("untouched")
    return "nothing written", 202


@views.post("/forgets")
@idempotent()
def forgets():
    add("not committed by the view")
    return "", 204


def place(name, *, fail=False):
    """A service that owns its session."""
    session = joined_session()
    with session, session.begin():
        order = Order(name=name)
        session.add(order)
        session.flush()
        after_commit(lambda: current_app.called.append(f"after {name}"))
        if fail:
            raise ConflictError("Not enough stock.")
        return order.id


@views.post("/service")
@idempotent()
def service():
    db.session.scalars(select(Order)).all()
    number = place("by service")
    db.session.rollback()  # ends the reading only
    try:
        place("refused", fail=True)
    except ConflictError:
        current_app.called.append("refused")
    current_app.called.append("view ends")
    return {"id": number}, 201


@views.post("/raises/<kind>")
@idempotent()
def raises(kind):
    current_app.called.append(kind)
    add("written before the error")
    db.session.commit()
    after_commit(lambda: current_app.called.append("after commit"))
    if kind == "flush":
        first = Order(name="first")
        db.session.add(first)
        db.session.flush()
        db.session.expunge(first)
        db.session.add(Order(id=first.id, name="same id"))
        return "", 201
    if kind == "broken":
        raise ZeroDivisionError
    if kind.isdecimal():
        abort(int(kind), f"refused with {kind}")
    raise current_app.refusals[kind]


@views.post("/returns/<int:status>")
@idempotent()
def returns(status):
    current_app.called.append(status)
    add("written before the answer")
    db.session.commit()
    return {"status": status}, status


@views.post("/streams")
@idempotent()
def streams():
    current_app.called.append("streams")
    return Response((f"part {number};" for number in range(3)), mimetype="text/plain")


@views.post("/form")
@idempotent()
def form():
    files = {name: upload.read().decode() for name, upload in request.files.items()}
    return {"form": request.form.to_dict(), "files": files}, 201


@views.post("/optional")
@idempotent(required=False)
def optional():
    add("optional")
    db.session.commit()
    return {"joined": joined_session() is not None}, 201


@views.post("/short")
@idempotent(ttl_seconds=5)
def short():
    add("short")
    db.session.commit()
    return "", 201


@views.post("/removes")
@idempotent()
def removes():
    db.session.remove()
    db.session.scalar(select(func.count()).select_from(Order))
    return "", 201


@views.post("/async")
@idempotent()
async def asynchronous():
    order = add("async")
    db.session.commit()
    return {"id": order.id}, 201


@idempotent()
class Both(MethodView):
    """Declared on the class and on a method; GET passes through."""

    def get(self):
        return "read"

    @idempotent()
    def post(self):
        add("by class")
        db.session.commit()
        return "", 201

    def patch(self):
        add("patched")
        db.session.commit()
        return "", 200

    def put(self):
        return "put", 200


views.add_url_rule("/class", view_func=Both.as_view("class"))


# --- As a program ---------------------------------------------------------------------------------------------------


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def burst(app, threads, key):
    barrier = threading.Barrier(threads)
    answers = []

    def send():
        client = app.test_client()
        barrier.wait()
        answer = client.post("/orders", json={"name": "one"}, headers={"Idempotency-Key": key})
        answers.append(
            [answer.status_code, answer.get_data(as_text=True), answer.headers.get("Idempotency-Replayed")]
        )

    say("ready")
    sys.stdin.readline()
    workers = [threading.Thread(target=send) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with app.app_context():
        checked_out = app.db.engine.pool.checkedout()
        app.db.engine.dispose()
    say(json.dumps({"answers": answers, "checked_out": checked_out}))


def block(app, step, key):

    def stop(*_):
        say("reached")
        time.sleep(600)

    with app.app_context():
        engine = app.db.engine

    if step == "before the first write":
        event.listen(app.db.session, "before_flush", stop)
    elif step == "after flush":
        event.listen(app.db.session, "after_flush", stop)
    elif step == "after the view's commit":
        event.listen(app.db.session, "after_commit", stop)
    elif step == "while the result is stored":
        event.listen(
            engine,
            "before_cursor_execute",
            lambda *given: given[2].startswith("UPDATE backend_idem") and stop(),
        )
    elif step == "before the real commit":
        event.listen(engine, "commit", stop)
    elif step == "after the real commit":
        app.after_request(stop)
    client = app.test_client()
    client.post("/orders", json={"name": "one"}, headers={"Idempotency-Key": key})


if __name__ == "__main__":
    logging.getLogger("flask_backend_patterns").setLevel(logging.ERROR)
    program, database, argument, name, *redis = sys.argv[1:]
    served = (
        create_app(database, redis_url=redis[0], settings={"store": "redis"})
        if redis
        else create_app(database)
    )
    if os.environ.get("ORDERS_SQLITE") == "begun by event":
        begin_by_event(served)
    if program == "burst":
        burst(served, int(argument), name)
    else:
        block(served, argument, name)
