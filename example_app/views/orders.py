"""`/api/orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import url_for

from example_app.basic_auth import current_actor, require_login
from example_app.extensions import db
from example_app.repositories.orders import SORT_COLUMNS, OrderRepository
from example_app.schemas.orders import NewOrderSchema, OrderSchema
from example_app.services.ordering import place_order
from flask_backend_patterns import Blueprint, NotFoundError, Page, idempotent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select

    from example_app.models import Order
    from example_app.services.ordering import WantedLine

blp = Blueprint("orders", __name__, url_prefix="/api/orders", description="Orders and their lines")


def location_of(order: Order) -> str:
    """Where an order can be read."""
    return url_for("orders.get_order", order_id=order.id)


@blp.post("")
@require_login
@idempotent()
@blp.arguments(NewOrderSchema, example={"lines": [{"sku": "P-00001", "quantity": 1}]})
@blp.response(201, OrderSchema, location=location_of)
def create_order(body: Mapping[str, Sequence[WantedLine]]) -> Order:
    """Place an order; its confirmation is sent by a job. Sent again with the same key, it is placed once."""
    return place_order(current_actor().id, body["lines"])


@blp.get("")
@require_login
@blp.response(200, OrderSchema)
@blp.paginate(Page(sort=SORT_COLUMNS, default_sort="-created"))
def list_orders() -> Select[Order]:
    """The caller's orders, newest first; everybody's for the staff."""
    return OrderRepository(db.session()).all(user_id=_owner_filter())


@blp.get("/<int(max=2147483647):order_id>")
@require_login
@blp.response(200, OrderSchema)
def get_order(order_id: int) -> Order:
    """One order. Somebody else's is not found, rather than forbidden: its number tells nothing."""
    order = OrderRepository(db.session()).get(order_id, user_id=_owner_filter())
    if order is None:
        raise NotFoundError("No such order.")
    return order


def _owner_filter() -> int | None:
    actor = current_actor()
    return None if actor.is_staff else actor.id
