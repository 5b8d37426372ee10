"""An app whose users log in by providers, for the tests beside this file.

As a program (`python oauth_app.py`) it reads JSON objects from its input, one a line: `settings` for `create_app`, and
`calls`, a list of [path, headers] each of which a thread asks for at the same moment after the line `go`; it prints what
they got.
"""

import json
import sys
from threading import Barrier, Thread

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.auth import require_auth
from flask_backend_patterns.auth.identity import current_actor
from flask_backend_patterns.auth.oauth import oauth_blueprint
from flask_backend_patterns.auth.sqlalchemy_users import SQLAlchemyUsers
from flask_backend_patterns.auth.tables import auth_tables
from flask_backend_patterns.auth.users import UserMixin

SECRET_KEY = "s" * 40


def create_app(database, redis, providers, *, oauth=None, users=None, **settings) -> Flask:
    """`oauth` are options of `oauth_blueprint`; the app has `db`, `User` and `users` on it."""
    app = Flask("oauth_app")
    app.config.from_mapping(
        {
            "SECRET_KEY": SECRET_KEY,
            "SQLALCHEMY_DATABASE_URI": database,
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "pool_size": 70,
                **({"connect_args": {"timeout": 30}} if database.startswith("sqlite") else {}),
            },
            "JWT_SECRET_KEY": "j" * 40,
            "JWT_TOKEN_LOCATION": ["headers", "cookies"],
            "BACKEND_REDIS_URL": redis,
            # The usual 0.1 s are short on a machine that is busy with other tests; that is no outage.
            "BACKEND_REDIS_TIMEOUT_SECONDS": 20,
            "BACKEND_REDIS_CONNECT_TIMEOUT_SECONDS": 20,
            "BACKEND_AUTH_OAUTH_PROVIDERS": providers,
            "BACKEND_AUTH_DEFAULT": "deny",
            "BACKEND_AUTH_FAILURES_PER_ADDRESS": "1000/minute",
            **settings,
        }
    )

    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)
    db.init_app(app)

    class User(UserMixin, db.Model):
        __tablename__ = "people"
        id = db.mapped_column(db.Integer, primary_key=True)
        name = db.mapped_column(db.String(50))

    auth_tables(db.metadata)
    app.db, app.User = db, User
    app.users = SQLAlchemyUsers(User, details=["name"]) if users is None else users
    BackendPatterns(users=app.users).init_app(app)
    app.register_blueprint(oauth_blueprint(**(oauth or {})))
    app.register_blueprint(make_pages())
    return app


def make_pages() -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.route("/me")
    @require_auth
    @pages.response(200)
    def me():
        return {"id": current_actor.id, "method": current_actor.method}

    return pages


def main() -> None:
    for line in sys.stdin:
        carry_out(json.loads(line))


def carry_out(order) -> None:
    app = create_app(**order["settings"])
    barrier, got = Barrier(len(order["calls"])), []

    def call(path, headers) -> None:
        client = app.test_client(use_cookies=False)
        barrier.wait()
        response = client.get(path, headers=headers)
        got.append([response.status_code, response.get_json()])

    with app.app_context():
        app.db.engine.connect().close()
    print("ready", flush=True)  # noqa: T201 - to the test
    sys.stdin.readline()
    threads = [Thread(target=call, args=one) for one in order["calls"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        app.db.engine.dispose()
    print(json.dumps(got), flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    main()
