"""The table of results in the app's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..._config import SetupError

if TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Engine, MetaData, Table

TABLE_NAME: Final = "backend_idempotency_keys"
MAX_BODY_BYTES: Final = 2**24 - 1  # only MySQL wants to know


def idempotency_table(metadata: MetaData) -> Table:
    """The table, added to `metadata` so that `create_all` and migrations make it; the same one when called again.

    Times are seconds since the epoch. A row is written and completed in one transaction.
    """
    from sqlalchemy import CHAR, BigInteger, Column, LargeBinary, SmallInteger, Table, Text

    name = f"{metadata.schema}.{TABLE_NAME}" if metadata.schema else TABLE_NAME
    if name in metadata.tables:
        return metadata.tables[name]
    return Table(
        TABLE_NAME,
        metadata,
        Column("key_hash", CHAR(64), primary_key=True),
        Column("fingerprint", CHAR(64), nullable=False),
        Column("status", SmallInteger),
        Column("headers", Text),
        Column("body", LargeBinary(MAX_BODY_BYTES)),
        Column("created_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False, index=True),
    )


def table_of(db: SQLAlchemy) -> Table:
    """The table in the app's own metadata, which may name a schema; else one without."""
    from sqlalchemy import MetaData

    for table in db.metadata.tables.values():
        if table.name == TABLE_NAME:
            return table
    return idempotency_table(MetaData())


def engine_of(db: SQLAlchemy) -> Engine:
    """The app's default engine; `SetupError` when there is none, or it cannot hold a transaction."""
    engine = db.engines.get(None)
    if engine is None:
        raise SetupError('The app has no default database (SQLALCHEMY_DATABASE_URI); use store="redis".')
    chosen = engine.get_execution_options().get("isolation_level")
    at_connect = getattr(engine.dialect, "_on_connect_isolation_level", None)
    # On SQLite a BEGIN is sent whatever the mode.
    if engine.dialect.name != "sqlite" and "AUTOCOMMIT" in (chosen, at_connect):
        raise SetupError(
            "The app's engine is in AUTOCOMMIT mode, so result and write cannot be committed together; "
            'configure a transactional isolation level, or use store="redis".'
        )
    return engine
