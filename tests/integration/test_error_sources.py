"""Errors of real servers: databases that refuse, a Redis that is gone."""

from __future__ import annotations

from typing import ClassVar

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.orm import Mapped, mapped_column

from flask_backend_patterns import BackendPatterns, Blueprint


def make_app(database_url: str, **engine_options) -> tuple[Flask, SQLAlchemy]:
    db = SQLAlchemy()

    class Owner(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(unique=True)

    class Item(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id"))
        stock: Mapped[int] = mapped_column(sa.CheckConstraint("stock >= 0"))
        version: Mapped[int] = mapped_column()
        __mapper_args__: ClassVar = {"version_id_col": version}

    app = Flask("sources")
    app.config.update(SQLALCHEMY_DATABASE_URI=database_url, SQLALCHEMY_ENGINE_OPTIONS=engine_options)
    BackendPatterns().init_app(app)
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            sa.event.listen(db.engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys = ON"))
        db.create_all()
        for row in (Owner(id=1, email="a@b.example"), Item(id=1, owner_id=1, stock=1)):
            db.session.add(row)
            db.session.commit()
    blueprint = Blueprint("items", "items")

    def add(row):
        db.session.add(row)
        db.session.commit()

    @blueprint.route("/<what>")
    def act(what):
        actions = {
            "unique": lambda: add(Owner(id=2, email="a@b.example")),
            "primary-key": lambda: db.session.execute(sa.insert(Owner).values(id=1, email="x")),
            "foreign-key": lambda: add(Item(id=2, owner_id=99, stock=1)),
            "check": lambda: add(Item(id=3, owner_id=1, stock=-1)),
            "not-null": lambda: add(Owner(id=4)),
            "no-row": lambda: db.session.execute(sa.select(Owner).where(Owner.id == 9)).scalar_one(),
            "many-rows": lambda: db.session.execute(sa.text("SELECT 1 UNION SELECT 2")).scalar_one(),
            "stale": lambda: make_stale(db, Item),
            "404": lambda: db.get_or_404(Owner, 9),
            "no-table": lambda: db.session.execute(sa.text("SELECT 1 FROM nowhere")),
            "no-column": lambda: db.session.execute(sa.text("SELECT nothing FROM owner")),
        }
        actions[what]()
        return "done"

    app.register_blueprint(blueprint)
    return app, db


def make_stale(db, kind):
    item = db.session.get(kind, 1)
    db.session.execute(
        sa.update(kind).values(version=kind.version + 1).execution_options(synchronize_session=False)
    )
    item.stock = 5
    db.session.commit()


@pytest.fixture
def shop(database_url):
    app, db = make_app(database_url)
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()
        db.engine.dispose()


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("unique", 409, "CONFLICT"),
        ("primary-key", 409, "CONFLICT"),
        ("foreign-key", 409, "CONFLICT"),
        ("check", 500, "INTERNAL_ERROR"),
        ("not-null", 500, "INTERNAL_ERROR"),
        ("no-row", 404, "NOT_FOUND"),
        ("many-rows", 500, "INTERNAL_ERROR"),
        ("stale", 409, "CONFLICT"),
        ("404", 404, "NOT_FOUND"),
        ("no-table", 500, "INTERNAL_ERROR"),
        ("no-column", 500, "INTERNAL_ERROR"),
    ],
)
def test_what_a_real_database_refuses(shop, what, status, code):
    """Violated keys and stale rows are the client's conflict, broken rules of ours a 500; no SQL is answered."""
    response = shop.test_client().get(f"/{what}")
    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    text = response.get_data(as_text=True).lower()
    assert not any(
        word in text for word in ("insert", "select", "constraint", "a@b.example", "psycopg", "sqlite")
    )


def test_parameters_of_a_refused_statement_are_not_in_the_log(shop, caplog):
    """The stack of a 500 has the statement, not the values."""
    shop.test_client().get("/check")
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "INSERT INTO item" in str(record.exc_info[1])
    assert "-1" not in str(record.exc_info[1]).split("DETAIL")[0]


def test_a_database_that_cannot_be_reached_is_a_503():
    """R10: not a bug of the program, and the client is told when to come back."""
    app = Flask("away")
    db = SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = (
        "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none?connect_timeout=1"
    )
    BackendPatterns().init_app(app)
    db.init_app(app)
    blueprint = Blueprint("b", "b")
    blueprint.route("/x")(lambda: str(db.session.execute(sa.text("SELECT 1"))))
    app.register_blueprint(blueprint)
    response = app.test_client().get("/x")
    assert (response.status_code, response.json["error"]["code"]) == (503, "DATABASE_ERROR")
    assert response.headers["Retry-After"] == "5"
    assert "hunter2" not in response.get_data(as_text=True)


def test_a_redis_that_is_gone_is_a_503(redis_url):
    """R10 for Redis, on a route that needs it: stopped for real, by connecting where nothing listens any more."""
    app = Flask("redis")
    BackendPatterns().init_app(app)
    there = Redis.from_url(redis_url)
    gone = Redis(port=1, retry=Retry(NoBackoff(), 0), socket_connect_timeout=0.1)
    blueprint = Blueprint("b", "b")
    blueprint.route("/there")(lambda: str(there.ping()))
    blueprint.route("/gone")(lambda: str(gone.ping()))
    blueprint.route("/wrong")(lambda: str(there.execute_command("NOSUCH")))
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/there").data == b"True"
    for path in ("/gone", "/wrong"):
        response = client.get(path)
        assert (response.status_code, response.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers["Retry-After"] == "5"
    there.close()
