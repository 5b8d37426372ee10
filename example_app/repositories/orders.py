"""Queries over orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload, selectinload

from example_app.models import Order, OrderLine
from flask_backend_patterns import scope_for

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import CursorResult, Select
    from sqlalchemy.orm import Session

    from flask_backend_patterns import Actor

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

    def get(self, order_id: int) -> Order | None:
        """The order with its lines and products."""
        statement = (
            select(Order)
            .where(Order.id == order_id)
            .options(selectinload(Order.lines).joinedload(OrderLine.product), joinedload(Order.user))
        )
        return self._session.scalar(statement)

    @staticmethod
    def visible_to(actor: Actor) -> Select[Order]:
        """The orders that `actor` may read, with their lines and products, to be sorted and paged."""
        loaded = selectinload(Order.lines).joinedload(OrderLine.product)
        return select(Order).where(scope_for(actor, "orders:read", Order)).options(loaded)

    def refund(self, order_id: int, *, now: datetime) -> bool:
        """Mark an order as refunded; False when it is not placed, or has been refunded before."""
        changed = self._session.execute(
            update(Order)
            .where(Order.id == order_id, Order.status == "placed", Order.refunded_at.is_(None))
            .values(refunded_at=now)
            .execution_options(synchronize_session=False)
        )
        return bool(cast("CursorResult[Any]", changed).rowcount)

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
