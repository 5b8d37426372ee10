"""Queries over orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload

from example_app.models import Order, OrderLine

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

SORT_COLUMNS = {"created": Order.created_at, "id": Order.id, "total": Order.total_cents}


class OrderRepository:
    """Orders of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, order: Order) -> Order:
        """Store the order with its lines, so that it has an id."""
        self._session.add(order)
        self._session.flush()
        return order

    def get(self, order_id: int, *, user_id: int | None = None) -> Order | None:
        """The order with its lines and products; with `user_id`, only if it is theirs."""
        statement = (
            select(Order)
            .where(Order.id == order_id)
            .options(selectinload(Order.lines).joinedload(OrderLine.product), joinedload(Order.user))
        )
        if user_id is not None:
            statement = statement.where(Order.user_id == user_id)
        return self._session.scalar(statement)

    def all(self, *, user_id: int | None = None) -> Select[Order]:
        """Every order with its lines and products, to be sorted and paged; of one user, or of all."""
        statement = select(Order).options(selectinload(Order.lines).joinedload(OrderLine.product))
        return statement if user_id is None else statement.where(Order.user_id == user_id)

    def count(self) -> int:
        """How many orders there are."""
        return self._session.scalar(select(func.count()).select_from(Order)) or 0

    def unconfirmed_ids(self, *, placed_before: datetime, limit: int) -> list[int]:
        """Ids of orders without a confirmation, oldest first."""
        statement = (
            select(Order.id)
            .where(Order.confirmation_sent_at.is_(None), Order.created_at < placed_before)
            .order_by(Order.id)
            .limit(limit)
        )
        return list(self._session.scalars(statement))
