"""`/api/orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import url_for

from example_app import limits
from example_app.extensions import db
from example_app.repositories.orders import SORT_COLUMNS, OrderRepository
from example_app.schemas.orders import NewOrderSchema, OrderSchema
from example_app.services.ordering import place_order
from example_app.services.refunds import refund_order, refundable
from example_app.views.caller import caller_id
from flask_backend_patterns import (
    Blueprint,
    NotFoundError,
    Page,
    current_actor,
    idempotent,
    memo,
    rate_limit,
    require_permission,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select

    from example_app.models import Order
    from example_app.services.ordering import WantedLine

blp = Blueprint("orders", __name__, url_prefix="/api/orders", description="Orders and their lines")


@memo
def find_order(order_id: int) -> Order | None:
    """The order; read once in a request, though both the check of its owner and the view ask."""
    return OrderRepository(db.session()).get(order_id)


def owner_of(order_id: int) -> int | None:
    """Who placed an order."""
    order = find_order(order_id)
    return None if order is None else order.user_id


def location_of(order: Order) -> str:
    """Where an order can be read."""
    return url_for("orders.get_order", order_id=order.id)


@blp.post("")
@require_permission("orders:create")
@rate_limit(limits.ORDERS, name="orders", tiers=limits.UNLIMITED_ADMINS)
@idempotent()
@blp.arguments(NewOrderSchema, example={"lines": [{"sku": "P-00001", "quantity": 1}]})
@blp.response(201, OrderSchema, location=location_of)
def create_order(body: Mapping[str, Sequence[WantedLine]]) -> Order:
    """Place an order; its confirmation is sent by a job. Sent again with the same key, it is placed once."""
    return place_order(caller_id(), body["lines"])


@blp.get("")
@require_permission("orders:read", scoped=True)
@blp.response(200, OrderSchema)
@blp.paginate(Page(sort=SORT_COLUMNS, default_sort="-created"))
def list_orders() -> Select[Order]:
    """The caller's orders, newest first; everybody's for the staff."""
    return OrderRepository.visible_to(current_actor)


@blp.get("/<int(max=2147483647):order_id>")
@require_permission("orders:read", owner=owner_of, secret=True)
@blp.response(200, OrderSchema)
def get_order(order_id: int) -> Order:
    """One order. Somebody else's is not found, rather than forbidden: its number tells nothing."""
    order = find_order(order_id)
    if order is None:
        raise NotFoundError("No such order.")
    return order


@blp.post("/<int(max=2147483647):order_id>/refund")
@require_permission("orders:refund", resource=refundable)
@idempotent()
@blp.response(200, OrderSchema)
@blp.alt_response(409, description="The order has been refunded or cancelled already.")
def refund(order_id: int) -> Order:
    """Give the money back. Support up to 500 euros within 30 days; admins always."""
    return refund_order(order_id)
