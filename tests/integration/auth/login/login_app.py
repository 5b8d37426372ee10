"""An app with the login blueprint; as a program, one process of attacks.

For each line of its standard input, `[database, redis, login]` in JSON, it says `ready`, waits for another line, tries
wrong passwords in many threads at once, and writes a line of JSON: how many password hashes were computed and what was
answered.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter

import argon2
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns import BackendPatterns, SQLAlchemyUsers, UserMixin, auth_tables, require_auth
from flask_backend_patterns.auth.login import login_blueprint
from flask_backend_patterns.auth.login.options import DEFAULT_FEATURES, FEATURES

THREADS = 32
PASSWORD = "correct horse battery"
OTHER_PASSWORD = "tall giraffe paper clip"
# A machine that is busy with other tests, or with an attack, may be slow; that is no outage.
PATIENT_AND_CHEAP = {
    "BACKEND_REDIS_TIMEOUT_SECONDS": 20,
    "BACKEND_REDIS_CONNECT_TIMEOUT_SECONDS": 20,
    "BACKEND_AUTH_PASSWORD_MEMORY_KIB": 8,
    "BACKEND_AUTH_PASSWORD_TIME_COST": 1,
    "BACKEND_AUTH_PASSWORD_PARALLELISM": 1,
}


def create_app(url, redis_url, *, users=None, notifier=..., blueprint=None, **config):
    app = Flask("logins")
    app.config.update(PATIENT_AND_CHEAP, SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="k" * 40, TESTING=True)
    if redis_url is not None:
        app.config["BACKEND_REDIS_URL"] = redis_url
    if url.startswith("sqlite:"):
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}}
    app.config.update(config)
    reads_keys = "api_key" in app.config.setdefault("BACKEND_AUTH_AUTHENTICATORS", "jwt,api_key")

    class Base(DeclarativeBase):
        pass

    app.db = SQLAlchemy(app, model_class=Base)

    class User(UserMixin, app.db.Model):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(Integer, primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20))

    app.User = User
    auth_tables(app.db.metadata)
    app.sent = []
    store = (users or SQLAlchemyUsers)(User, details=("name",))
    app.users = store
    BackendPatterns(users=store, notifier=app.sent.append if notifier is ... else notifier).init_app(app)
    chosen = {"features": FEATURES if reads_keys else DEFAULT_FEATURES, **(blueprint or {})}
    app.register_blueprint(login_blueprint(**chosen))

    @app.get("/me")
    @require_auth
    def me():
        return {"ok": True}

    return app


class HashCounter:
    """Counts what Argon2 is asked to do, below our code."""

    def __init__(self):
        self.count = 0
        self._lock = threading.Lock()
        for name in ("hash", "verify"):
            self._wrap(name)

    def _wrap(self, name):
        original = getattr(argon2.PasswordHasher, name)
        counter = self

        def counted(self, *args, **kwargs):
            with counter._lock:
                counter.count += 1
            return original(self, *args, **kwargs)

        setattr(argon2.PasswordHasher, name, counted)


def attack(app, login):
    """What the threads are answered that try one wrong password each."""
    start, got = threading.Barrier(THREADS), []

    def run(number):
        client = app.test_client()
        start.wait(60)
        body = {"login": login, "password": f"wrong {number}"}
        environ = {"REMOTE_ADDR": f"10.1.{number}.1"}
        got.append(client.post("/auth/login", json=body, environ_base=environ).status_code)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return Counter(got)


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve():
    counter = HashCounter()
    for order in sys.stdin:
        database, redis, login = json.loads(order)
        app = create_app(database, redis)
        with app.app_context():
            app.extensions["backend_patterns"].auth.passwords.verify("warm", None)  # makes the decoy
        counter.count = 0
        say("ready")
        sys.stdin.readline()
        statuses = attack(app, login)
        with app.app_context():
            app.db.engine.dispose()
        say(json.dumps({"hashes": counter.count, "statuses": statuses}))


if __name__ == "__main__":
    serve()
