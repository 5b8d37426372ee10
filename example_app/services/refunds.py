"""Giving the money of an order back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.clock import utc_now
from example_app.extensions import db
from example_app.models import Transfer
from example_app.repositories.accounts import AccountRepository
from example_app.repositories.orders import OrderRepository
from example_app.transactions import write_transaction
from flask_backend_patterns import ConflictError, NotFoundError

if TYPE_CHECKING:
    from example_app.models import Order


def refundable(order_id: int) -> Order | None:
    """The order that a refund is asked for."""
    return OrderRepository(db.session()).get(order_id)


def refund_order(order_id: int) -> Order:
    """Mark the order and book its total back, in one transaction; the goods are not taken back into stock.

    Raises `NotFoundError`, and `ConflictError` for an order that is not placed (any more).
    """
    with write_transaction() as session:
        orders = OrderRepository(session)
        is_refunded = orders.refund(order_id, now=utc_now())
        order = orders.get(order_id)
        if order is None:
            raise NotFoundError("No such order.")
        if not is_refunded:
            state = order.status if order.refunded_at is None else "refunded"
            raise ConflictError(f"The order is {state} already.")
        if order.total_cents:
            accounts = AccountRepository(session)
            accounts.add_transfer(
                Transfer(
                    from_account_id=accounts.open_revenue(),
                    to_account_id=accounts.open_customer(order.user_id),
                    amount_cents=order.total_cents,
                    order_id=order.id,
                    reference=f"refund-{order.id}",
                    created_at=utc_now(),
                )
            )
    return order
