"""The application factory's body; `example_app.create_app` is the way in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask_smorest import Api

from example_app.access import refunds
from example_app.cli import shop_commands
from example_app.config import instance_folder, settings_from_environ
from example_app.extensions import db, migrate
from example_app.jobs.queue import install_queue
from example_app.models import User
from example_app.notifications import send_notification
from example_app.schemas.rules import describe_rules
from example_app.transactions import prepare_sqlite
from example_app.urls import AsciiIntegerConverter
from example_app.views import register_views
from flask_backend_patterns import BackendPatterns, SQLAlchemyUsers

if TYPE_CHECKING:
    from collections.abc import Mapping

_MIGRATIONS = Path(__file__).parent / "migrations"


def build_app(config: Mapping[str, object] | None = None) -> Flask:
    """Build the shop.

    Args:
        config: overrides of what the environment says; `SHOP_INSTANCE` in it moves the instance folder.

    No connection is opened: Redis and the database are first touched by the first request, job or command.
    """
    overrides = dict(config or {})
    instance = instance_folder(overrides, os.environ)
    app = Flask("example_app", instance_path=str(instance))
    app.config.from_mapping(settings_from_environ(instance, os.environ))
    app.config.update(overrides)
    for folder in ("uploads", "mail"):
        (instance / folder).mkdir(parents=True, exist_ok=True)

    db.init_app(app)
    prepare_sqlite(app)
    migrate.init_app(app, db, directory=str(_MIGRATIONS))
    users = SQLAlchemyUsers(User, details=["name"])
    BackendPatterns(app, users=users, notifier=send_notification, policies=[refunds])
    install_queue(app)
    app.url_map.converters["int"] = AsciiIntegerConverter
    api = Api(app)
    api.register_converter(AsciiIntegerConverter, AsciiIntegerConverter.described)
    describe_rules(api)
    register_views(app, api)
    app.cli.add_command(shop_commands)
    return app
