"""The app of the outage tests: each feature that uses Redis has a route, one route uses none; served by granian.

What it is to use comes from the environment: OUTAGE_DATABASE, OUTAGE_REDIS, PROMETHEUS_MULTIPROC_DIR.
"""

import os
import signal
import time
from uuid import uuid4

import jwt
from flask import Flask, current_app, request
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    cached,
    cached_view,
    idempotent,
    login_limit,
    public,
    rate_limit,
    require_permission,
    watch_changes,
)
from flask_backend_patterns._state import state_of
from flask_backend_patterns.errors import UnauthorizedError

SECRET = "outage-secret-of-more-than-32-bytes"
ITEMS = 10
WIDE = "1000000/minute"


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    __cache_tags__ = ("item:{id}",)

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)


db = SQLAlchemy(model_class=Base)
blp = Blueprint("outage", __name__)


def from_environ():
    """For granian."""
    return create_app(os.environ["OUTAGE_DATABASE"], os.environ["OUTAGE_REDIS"])


def create_app(database_url, redis_url):
    app = Flask("outage")
    app.config.update(
        API_TITLE="Outage",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 20}},
        JWT_SECRET_KEY=SECRET,
        BACKEND_API_PREFIXES=["/"],
        BACKEND_AUTH_ROLES={"customer": ["items:read", "items:write"]},
        BACKEND_LIMITS_DEFAULT=WIDE,
        BACKEND_OBSERVABILITY_METRICS_PATH="/metrics",
        SQLALCHEMY_DATABASE_URI=database_url,
        BACKEND_REDIS_URL=redis_url,
    )
    app.extensions["queue"] = Redis.from_url(
        redis_url,
        socket_timeout=0.1,
        socket_connect_timeout=0.1,
        retry=Retry(NoBackoff(), 0),
    )
    db.init_app(app)
    api = Api(app)
    BackendPatterns().init_app(app)
    with app.app_context():
        watch_changes(db.session)
    api.register_blueprint(blp)
    app.after_request(break_hooked)
    tell_process(app)
    return app


def tell_process(app):
    """A header with the process that answers, also where Flask does not hear of the request."""
    inner = app.wsgi_app

    def answer(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Process", str(os.getpid()))], exc_info)

        return inner(environ, start)

    app.wsgi_app = answer


def break_hooked(response):
    """An app's own hook that raises on one path."""
    if request.path == "/hooked":
        raise LookupError("a hook of the app")
    return response


@cached(300, key="item:{item_id}", tags=["item:{item_id}"])
def find_item(item_id: int) -> dict[str, int | str]:
    """What is in the database, and which load it was."""
    return {"version": db.session.get(Item, item_id).version, "load": uuid4().hex}


@blp.get("/plain")
@public(reason="needs nothing")
@rate_limit(None)
def plain():
    return {"ok": True}


@blp.get("/default")
@public(reason="has the default limit")
def default():
    return {"ok": True}


@blp.get("/items/<int:item_id>")
@require_permission("items:read")
@rate_limit(f"{WIDE}; 20000000/hour", key="actor")
@rate_limit(WIDE, key="address")
def item(item_id):
    """Through the near cache."""
    return find_item(item_id)


@blp.get("/stored/<int:item_id>")
@require_permission("items:read")
@rate_limit(WIDE, key="actor")
def stored_item(item_id):
    """From Redis."""
    return find_item.fresh(item_id)


@blp.get("/pages/<int:item_id>")
@public(reason="a page")
@rate_limit(WIDE, key="address")
@cached_view(300, tags=["item:{item_id}"], vary_on=["shared"])
def page(item_id):
    return {"version": db.session.get(Item, item_id).version, "load": uuid4().hex}


@blp.put("/items/<int:item_id>/<int:version>")
@require_permission("items:write")
@rate_limit(WIDE, key="actor")
def change(item_id, version):
    db.session.get(Item, item_id).version = version
    db.session.commit()
    return {"version": version}


@blp.get("/scarce/<name>")
@public(reason="limited")
@rate_limit("5/minute", key=lambda name: name)
def scarce(name):
    return {"name": name}


@blp.post("/sign-in")
@public(reason="a login")
@rate_limit(None)
@login_limit(account="login")
def sign_in():
    raise UnauthorizedError("Wrong login or password.")


@blp.post("/payments")
@public(reason="a payment")
@idempotent(store="redis")
def pay():
    return {"paid": uuid4().hex}, 201


@blp.post("/orders")
@require_permission("items:write")
@rate_limit(WIDE, key="actor")
@rate_limit(WIDE, key="address")
@idempotent(store="redis")
def place_order():
    """Commits; then Redis is lost, when the request says so, before there is a response."""
    order = Order()
    db.session.add(order)
    db.session.commit()
    asked, lost_at = request.get_json(), time.monotonic()
    if asked["signal"]:
        os.kill(asked["redis_pid"], signal.Signals(asked["signal"]))
    return {"id": order.id, "lost_at": lost_at}, 201


@blp.post("/jobs")
@public(reason="a job")
def enqueue():
    return {"id": Queue(connection=current_app.extensions["queue"]).enqueue("builtins.print").id}, 202


@blp.get("/hooked")
@public(reason="its hook raises")
def hooked():
    return {"ok": True}


@blp.get("/state")
@public(reason="for the test")
@rate_limit(None)
def state():
    """Whether this process takes Redis for lost, and whether its near cache may be used."""
    own = state_of(current_app)
    return {"is_down": own.redis.is_down, "is_near": own.cache.feed.is_trusted}


def fill(database_url):
    """The tables and items, every version 0."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Item), [{"id": number + 1, "version": 0} for number in range(ITEMS)])
    engine.dispose()


def token():
    now = int(time.time())
    claims = {"sub": "7", "role": "customer", "jti": uuid4().hex, "iat": now, "exp": now + 3_600}
    return jwt.encode(claims, SECRET, algorithm="HS256")
