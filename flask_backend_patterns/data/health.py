"""The database's part in readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Engine


def check_engines(db: SQLAlchemy) -> None:
    """Every engine of the app answers; needs an app context.

    Takes a connection from the app's own pool: when there is none left, requests cannot have one either.
    """
    from sqlalchemy.exc import DBAPIError

    for engine in db.engines.values():
        try:
            _ask(engine)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # A pooled connection had died, which says nothing of the database; that emptied the pool.
            _ask(engine)


def _ask(engine: Engine) -> None:
    from sqlalchemy import text

    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
