"""The shop with flask-backend-patterns, everything on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_smorest import Api
from sqlalchemy import select

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    NotFoundError,
    Page,
    cached,
    current_actor,
    public,
    rate_limit,
    require_permission,
)

from . import shop
from .request_metrics import count_requests
from .shop import Item, ItemSchema, NewOrderSchema, Order, OrderSchema, db

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

blp = Blueprint("shop", __name__)
dump_item = ItemSchema().dump


def create_app() -> Flask:
    """The app, by the environment."""
    around = shop.Surroundings.from_environ()  # its log goes to standard error, which is a file
    app = Flask("kit")
    app.config.update(
        API_TITLE="Shop",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        SQLALCHEMY_DATABASE_URI=around.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=shop.ENGINE_OPTIONS,
        JWT_SECRET_KEY=shop.SECRET,
        BACKEND_REDIS_URL=around.redis_url,
        BACKEND_AUTH_ROLES=shop.ROLES,
        BACKEND_AUTH_DEFAULT="deny",
        BACKEND_AUTH_PUBLIC_ENDPOINTS=["request_metrics"],
        BACKEND_SECURITY_CORS_ORIGINS=[shop.ORIGIN],
        BACKEND_OBSERVABILITY_METRICS_PATH="/kit-metrics",
    )
    db.init_app(app)
    api = Api(app)
    BackendPatterns().init_app(app)
    count_requests(app, "/metrics")
    api.register_blueprint(blp)
    return app


@cached(ttl=shop.CACHE_SECONDS, key="item:{item_id}", tags=["item:{item_id}"])
def find_item(item_id: int) -> Any:
    """An item as it is sent, None where there is none."""
    item = db.session.get(Item, item_id)
    return None if item is None else dump_item(item)


def location_of(order: Order) -> str:
    """Where an order would be read."""
    return f"/orders/{order.id}"


@blp.get("/ping")
@public(reason="a probe")
@blp.response(200)
def ping() -> dict[str, bool]:
    """Whether it answers."""
    return {"ok": True}


@blp.get("/items/<int:item_id>")
@require_permission("items:read")
@rate_limit(shop.WIDE_RATE, key="actor")
@blp.response(200, ItemSchema)
def get_item(item_id: int) -> Any:
    """One item, cached."""
    return existing(item_id)


@blp.get("/scarce/<int:item_id>")
@require_permission("items:read")
@rate_limit(shop.NARROW_RATE, key="actor")
@blp.response(200, ItemSchema)
def get_scarce_item(item_id: int) -> Any:
    """The same for few requests."""
    return existing(item_id)


def existing(item_id: int) -> Any:
    """The item, or a 404."""
    item = find_item(item_id)
    if item is None:
        raise NotFoundError("No such item.")
    return item


@blp.get("/items")
@require_permission("items:read")
@rate_limit(shop.WIDE_RATE, key="actor")
@blp.response(200, ItemSchema)
@blp.paginate(Page(sort={"price": Item.price, "name": Item.name}, default_sort="price"))
def list_items() -> Select[Any]:
    """A page of items."""
    return select(Item)


@blp.post("/orders")
@require_permission("orders:create")
@rate_limit(shop.WIDE_RATE, key="actor")
@blp.arguments(NewOrderSchema)
@blp.response(201, OrderSchema, location=location_of)
def create_order(body: Mapping[str, int]) -> Order:
    """Place an order."""
    item = db.session.get(Item, body["item_id"])
    if item is None:
        raise NotFoundError("No such item.")
    quantity = body["quantity"]
    order = Order(
        user_id=int(current_actor.id), item_id=item.id, quantity=quantity, total=item.price * quantity
    )
    db.session.add(order)
    db.session.commit()
    return order
