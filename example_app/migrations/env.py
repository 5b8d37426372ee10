"""How Alembic reaches the app's database; called through Flask-Migrate only."""

from __future__ import annotations

from alembic import context
from flask import current_app


def run() -> None:
    """Run the migrations in one transaction on a connection of the app's engine."""
    extension = current_app.extensions["migrate"]
    with extension.db.engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=extension.db.metadata, **extension.configure_args
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations of the shop run against a database: `flask --app example_app db upgrade`.")
run()
