"""An app with users, keys and tokens; as a program, one process of bursts.

For each line of its standard input, `[url, action, argument]` in JSON, it says `ready`, waits for another line, does the
action in many threads at once, and writes what each thread got as a line with a JSON list.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import datetime

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns.auth.database import AuthDatabase
from flask_backend_patterns.auth.one_time_tokens import OneTimeTokens
from flask_backend_patterns.auth.sqlalchemy_users import SQLAlchemyUsers
from flask_backend_patterns.auth.tables import auth_tables
from flask_backend_patterns.auth.users import UserMixin
from flask_backend_patterns.errors import AppError

THREADS = 32


class Log:
    """Keeps the events."""

    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info

    @property
    def names(self):
        return [event for event, _ in self.events]


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


def create_app(url, *, clock=time.time):
    app = Flask("accounts")
    app.config.update(SQLALCHEMY_DATABASE_URI=url, TESTING=True)
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}}

    class Base(DeclarativeBase):
        pass

    app.db = SQLAlchemy(app, model_class=Base)

    class User(UserMixin, app.db.Model):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(Integer, primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20))
        born_at: Mapped[datetime | None] = mapped_column()

    app.User = User
    auth_tables(app.db.metadata)
    app.log, app.clock = Log(), clock
    app.database = AuthDatabase()
    app.users = SQLAlchemyUsers(User, details=("name", "born_at"), clock=clock)
    app.tokens = OneTimeTokens(app.database, log=app.log, clock=clock)
    return app


def consume(app, token):
    found = app.tokens.consume("reset", token)
    return None if found is None else found.subject


def issue(app, subject):
    return app.tokens.issue("reset", subject, ttl_seconds=60)


def add_user(app, login):
    try:
        return app.users.add(login=login, password_hash=None, is_verified=False, details={}).auth_id
    except AppError as refused:
        return refused.code


def in_threads(app, work, count=THREADS):
    """What each of the threads got from `work()`, begun at the same moment."""
    got, start = [], threading.Barrier(count)

    def run():
        with app.app_context():
            start.wait(60)
            try:
                got.append(work())
            except Exception as error:  # noqa: BLE001 - shown to the test
                got.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return got


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve():
    for order in sys.stdin:
        url, action, argument = json.loads(order)
        app = create_app(url)
        say("ready")
        sys.stdin.readline()
        say(json.dumps(in_threads(app, lambda: globals()[action](app, argument))))  # noqa: B023 - done before the next
        with app.app_context():
            app.db.engine.dispose()


if __name__ == "__main__":
    serve()
