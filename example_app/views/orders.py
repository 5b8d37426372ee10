"""`/api/orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import url_for

from example_app.basic_auth import current_actor, require_login
from example_app.extensions import db
from example_app.repositories.orders import OrderRepository
from example_app.schemas.orders import NewOrderSchema, OrderSchema
from example_app.schemas.paging import PageQuerySchema, one_of, page_of
from example_app.services.ordering import place_order
from flask_backend_patterns import Blueprint, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from example_app.schemas.paging import PageRequest
    from example_app.services.ordering import WantedLine

blp = Blueprint("orders", __name__, url_prefix="/api/orders", description="Orders and their lines")


@blp.post("")
@require_login
@blp.arguments(NewOrderSchema)
@blp.response(201, one_of(OrderSchema))
def create_order(
    body: Mapping[str, Sequence[WantedLine]],
) -> tuple[dict[str, object], dict[str, str]]:
    """Place an order; its confirmation is sent by a job."""
    order = place_order(current_actor().id, body["lines"])
    return {"data": order}, {"Location": url_for("orders.get_order", order_id=order.id)}


@blp.get("")
@require_login
@blp.arguments(PageQuerySchema, location="query")
@blp.response(200, page_of(OrderSchema))
def list_orders(query: PageRequest) -> dict[str, object]:
    """The caller's orders, newest first; everybody's for the staff."""
    orders, owner = OrderRepository(db.session()), _owner_filter()
    page = orders.page(offset=query.offset, limit=query.limit, user_id=owner)
    return {"data": page, "meta": query.meta(orders.count(user_id=owner))}


@blp.get("/<int(max=2147483647):order_id>")
@require_login
@blp.response(200, one_of(OrderSchema))
def get_order(order_id: int) -> dict[str, object]:
    """One order. Somebody else's is not found, rather than forbidden: its number tells nothing."""
    order = OrderRepository(db.session()).get(order_id, user_id=_owner_filter())
    if order is None:
        raise NotFoundError("No such order.")
    return {"data": order}


def _owner_filter() -> int | None:
    actor = current_actor()
    return None if actor.is_staff else actor.id
