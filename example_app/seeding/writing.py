"""Storing the demo data: one transaction, so that an interrupted seed leaves an empty shop, not half of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, text, update
from tqdm import tqdm

from example_app.extensions import db
from example_app.models import Account, Order, OrderLine, Product, Transfer, User
from example_app.repositories.users import UserRepository
from example_app.seeding.demo import DEMO_PASSWORD
from example_app.seeding.story import Story
from example_app.transactions import write_transaction
from flask_backend_patterns import hash_password, invalidate_after_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from example_app.models import Base
    from example_app.seeding.story import Row, Sizes

_ORDERS_AT_A_TIME = 1_000
_SEEDED: tuple[type[Base], ...] = (User, Product, Account, Order, OrderLine, Transfer)


def is_empty() -> bool:
    """Whether the shop has no users yet."""
    empty = UserRepository(db.session()).count() == 0
    db.session.rollback()
    return empty


def seed(sizes: Sizes) -> None:
    """Fill an empty shop. Shows a progress bar on a terminal."""
    story = Story(sizes, password_hash=hash_password(DEMO_PASSWORD))
    total = 2 * sizes.users + sizes.products + sizes.orders
    with (
        write_transaction() as session,
        # disable=None: only on a terminal.
        tqdm(total=total, unit="rows", desc="Seeding", disable=None, file=sys.stderr, delay=1) as progress,
    ):
        for model, rows in ((User, story.users()), (Product, story.products())):
            _insert(session, model, rows)
            progress.update(len(rows))
        _insert(session, Account, story.opening_accounts())
        for batch in story.order_batches(_ORDERS_AT_A_TIME):
            _insert(session, Order, batch.orders)
            _insert(session, OrderLine, batch.lines)
            _insert(session, Transfer, batch.transfers)
            progress.update(len(batch.orders))
        _set_balances(session, story.accounts())
        progress.update(sizes.users)
        _move_sequences(session)
        # Redis may still know the shop that was here before this empty one.
        invalidate_after_commit(session, everything=True)


def _insert(session: Session, model: type[Base], rows: Sequence[Row]) -> None:
    if rows:
        session.connection().execute(insert(_table(model)), rows)


def _set_balances(session: Session, accounts: Sequence[Row]) -> None:
    rows = [{"id": row["id"], "balance_cents": row["balance_cents"]} for row in accounts]
    session.execute(update(Account), rows)


def _move_sequences(session: Session) -> None:
    """PostgreSQL's sequences have not seen the ids given here."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for model in _SEEDED:
        table = _table(model)
        last = session.scalar(select(func.max(table.c.id)))
        if last is not None:
            statement = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)")
            session.execute(statement, {"table": table.name, "last": last})


def _table(model: type[Base]) -> Table:
    return model.metadata.tables[model.__tablename__]
