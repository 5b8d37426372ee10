"""Placing an order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from example_app.clock import utc_now
from example_app.jobs.queue import enqueue_confirmation
from example_app.models import Order, OrderLine, Transfer
from example_app.repositories.accounts import AccountRepository
from example_app.repositories.orders import OrderRepository
from example_app.repositories.products import ProductRepository
from example_app.transactions import write_transaction
from flask_backend_patterns import ConflictError, ValidationError
from flask_backend_patterns.data.transaction import after_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from example_app.models import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLine:
    """What a customer asks for: a product by SKU or by id, and how many pieces."""

    quantity: int
    sku: str | None = None
    product_id: int | None = None


def place_order(user_id: int, lines: Sequence[WantedLine]) -> Order:
    """Take the stock, write the order and book it, in one transaction; then have the confirmation sent.

    Returns the order with its lines and products loaded, detached from any session. Raises `ValidationError` for an
    unknown product and `ConflictError` when there are not enough pieces; then nothing has changed. Once committed the
    order stands: a queue that is down only delays the confirmation (`flask shop resend-confirmations`).
    """
    with write_transaction() as session:
        order = _write_order(session, user_id, lines)
    after_commit(partial(enqueue_confirmation, order.id))
    return order


def _write_order(session: Session, user_id: int, lines: Sequence[WantedLine]) -> Order:
    wanted = _by_product(session, lines)
    order_lines = [
        _take(session, product, quantity, positions)
        # Everybody locks products in the order of their SKU: no two orders wait for each other in a circle.
        for product, quantity, positions in sorted(wanted.values(), key=lambda entry: entry[0].sku)
    ]
    total = sum(line.quantity * line.unit_price_cents for line in order_lines)
    order = OrderRepository(session).add(
        Order(user_id=user_id, status="placed", total_cents=total, created_at=utc_now(), lines=order_lines)
    )
    if total:
        _book(session, order)
    return order


def _by_product(
    session: Session, lines: Sequence[WantedLine]
) -> dict[int, tuple[Product, int, tuple[int, ...]]]:
    """Product id -> (product, pieces in all, positions of its lines): a product named twice is one line."""
    products = ProductRepository(session)
    by_sku = products.by_skus({line.sku for line in lines if line.sku is not None})
    by_id = products.by_ids({line.product_id for line in lines if line.product_id is not None})
    wanted: dict[int, tuple[Product, int, tuple[int, ...]]] = {}
    unknown: list[dict[str, str]] = []
    for position, line in enumerate(lines):
        field = "product_id" if line.sku is None else "sku"
        product = by_id.get(line.product_id or 0) if line.sku is None else by_sku.get(line.sku)
        if product is None:
            unknown.append({"field": f"lines.{position}.{field}", "message": "No such product."})
            continue
        _, quantity, positions = wanted.get(product.id, (product, 0, ()))
        wanted[product.id] = (product, quantity + line.quantity, (*positions, position))
    if unknown:
        raise ValidationError("Invalid input data", details=unknown)
    return wanted


def _take(session: Session, product: Product, quantity: int, positions: tuple[int, ...]) -> OrderLine:
    price_cents = ProductRepository(session).take_stock(product_id=product.id, quantity=quantity)
    if price_cents is None:
        message = f"Fewer than {quantity} pieces of {product.sku} are left."
        details = [{"field": f"lines.{position}.quantity", "message": message} for position in positions]
        raise ConflictError("Not enough stock.", details=details)
    return OrderLine(product=product, quantity=quantity, unit_price_cents=price_cents)


def _book(session: Session, order: Order) -> None:
    accounts = AccountRepository(session)
    accounts.add_transfer(
        Transfer(
            from_account_id=accounts.open_customer(order.user_id),
            to_account_id=accounts.open_revenue(),
            amount_cents=order.total_cents,
            order_id=order.id,
            reference=f"order-{order.id}",
            created_at=order.created_at,
        )
    )
