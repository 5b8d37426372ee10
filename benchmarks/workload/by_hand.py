"""The shop with the same packages wired by hand, each as its documentation shows it."""

from __future__ import annotations

import functools
import logging
import re
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from flask import Flask, abort, g, jsonify, request
from flask_caching import Cache
from flask_cors import CORS
from flask_jwt_extended import JWTManager, get_jwt, get_jwt_identity, jwt_required
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_smorest import Api, Blueprint
from marshmallow import Schema, fields, validate
from sqlalchemy import func, select
from werkzeug.exceptions import HTTPException

from . import shop
from .request_metrics import count_requests
from .shop import Item, ItemSchema, NewOrderSchema, Order, OrderSchema, db

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

CODES = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
SORTS = {
    "price": Item.price.asc(),
    "-price": Item.price.desc(),
    "name": Item.name.asc(),
    "-name": Item.name.desc(),
}

jwt, cache = JWTManager(), Cache()
limiter = Limiter(get_remote_address, headers_enabled=True)
access_log = logging.getLogger("by_hand.access")
blp = Blueprint("shop", __name__)
dump_item = ItemSchema().dump


class ItemAnswer(Schema):
    data = fields.Nested(ItemSchema)


class MetaSchema(Schema):
    page = fields.Integer()
    limit = fields.Integer()
    total = fields.Integer()
    total_pages = fields.Integer(data_key="totalPages")
    has_next = fields.Boolean(data_key="hasNext")
    has_prev = fields.Boolean(data_key="hasPrev")


class ItemsAnswer(Schema):
    data = fields.List(fields.Nested(ItemSchema))
    meta = fields.Nested(MetaSchema)


class OrderAnswer(Schema):
    data = fields.Nested(OrderSchema)


class ListQuery(Schema):
    page = fields.Integer(load_default=1, validate=validate.Range(min=1))
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))
    sort = fields.String(load_default="price", validate=validate.OneOf(SORTS))


class EnvelopeApi(Api):
    """Flask-smorest's place for an error format of one's own."""

    def handle_http_exception(self, error: HTTPException) -> Any:
        """The envelope, with the exception's own headers."""
        headers = dict(error.get_headers()) if error.response is None else {}
        headers.pop("Content-Type", None)
        headers.update(getattr(error, "data", {}).get("headers") or {})
        status = error.code or 500
        messages = getattr(error, "data", {}).get("messages")
        return envelope(status, error.description, details_of(messages)), status, headers


def envelope(status: int, message: str | None, details: list[dict[str, str]] | None = None) -> Response:
    """The body of every error."""
    body: dict[str, Any] = {
        "code": CODES.get(status, "ERROR"),
        "message": message,
        "request_id": g.request_id,
    }
    if details:
        body["details"] = details
    return jsonify(error=body)


def details_of(messages: Any) -> list[dict[str, str]]:
    """What webargs says, flat."""
    if not isinstance(messages, dict):
        return []
    return [
        {"field": field, "message": text}
        for by_field in messages.values()
        for field, texts in by_field.items()
        for text in texts
    ]


@jwt.unauthorized_loader
@jwt.invalid_token_loader
def refuse_token(reason: str) -> Any:
    """No token, or none that can be read."""
    return envelope(401, reason), 401, {"WWW-Authenticate": "Bearer"}


@jwt.expired_token_loader
def refuse_expired_token(_header: Any, _claims: Any) -> Any:
    """A token of yesterday."""
    return envelope(401, "The token has expired."), 401, {"WWW-Authenticate": "Bearer"}


def require(permission: str) -> Callable[[Any], Any]:
    """A view for callers whose role has `permission`."""

    def decorate(view: Any) -> Any:
        @functools.wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if permission not in shop.ROLES.get(get_jwt().get("role", ""), ()):
                abort(403, description=f"You need the permission {permission}.")
            return view(*args, **kwargs)

        return checked

    return decorate


def begin_request() -> None:
    """The id, and the time."""
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if REQUEST_ID.fullmatch(sent) else uuid4().hex
    g.started = perf_counter()


def finish_request(response: Response) -> Response:
    """Headers, and a line of the access log."""
    response.headers["X-Request-ID"] = g.request_id
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    line = {
        "event": "request",
        "method": request.method,
        "path": request.path,
        "route": request.url_rule.rule if request.url_rule else None,
        "status": response.status_code,
        "duration_ms": round((perf_counter() - g.started) * 1000, 2),
        "bytes": response.content_length,
        "request_id": g.request_id,
        "timestamp": datetime.now(UTC).isoformat(),
        "level": "info",
    }
    access_log.info(orjson.dumps(line).decode())
    return response


def create_app() -> Flask:
    """The app, by the environment."""
    around = shop.Surroundings.from_environ()
    app = Flask("by_hand")
    app.config.update(
        API_TITLE="Shop",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        SQLALCHEMY_DATABASE_URI=around.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=shop.ENGINE_OPTIONS,
        JWT_SECRET_KEY=shop.SECRET,
        RATELIMIT_STORAGE_URI=around.redis_url,
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_URL=around.redis_url,
        CACHE_KEY_PREFIX="by_hand:",
        CACHE_DEFAULT_TIMEOUT=shop.CACHE_SECONDS,
    )
    access_log.addHandler(logging.FileHandler(around.access_log))
    access_log.setLevel(logging.INFO)
    access_log.propagate = False
    db.init_app(app)
    app.before_request(begin_request)
    app.after_request(finish_request)
    count_requests(app, "/metrics")
    jwt.init_app(app)
    cache.init_app(app)
    limiter.init_app(app)
    CORS(app, origins=[shop.ORIGIN])
    EnvelopeApi(app).register_blueprint(blp)
    return app


def find_item(item_id: int) -> Any:
    """An item as it is sent, from the cache or the database."""
    key = f"item:{item_id}"
    item = cache.get(key)
    if item is None:
        row = db.session.get(Item, item_id)
        if row is None:
            abort(404, description="No such item.")
        item = dump_item(row)
        cache.set(key, item, timeout=shop.CACHE_SECONDS)
    return item


@blp.get("/ping")
@blp.response(200)
def ping() -> Any:
    """Whether it answers."""
    return {"data": {"ok": True}}


@blp.get("/items/<int:item_id>")
@blp.response(200, ItemAnswer)
@jwt_required()
@require("items:read")
@limiter.limit(shop.WIDE_RATE, key_func=get_jwt_identity)
def get_item(item_id: int) -> Any:
    """One item, cached; dumped already, so it is sent as it is."""
    return jsonify(data=find_item(item_id))


@blp.get("/scarce/<int:item_id>")
@blp.response(200, ItemAnswer)
@jwt_required()
@require("items:read")
@limiter.limit(shop.NARROW_RATE, key_func=get_jwt_identity)
def get_scarce_item(item_id: int) -> Any:
    """The same for few requests."""
    return jsonify(data=find_item(item_id))


@blp.get("/items")
@jwt_required()
@require("items:read")
@limiter.limit(shop.WIDE_RATE, key_func=get_jwt_identity)
@blp.arguments(ListQuery, location="query")
@blp.response(200, ItemsAnswer)
def list_items(query: dict[str, Any]) -> Any:
    """A page of items."""
    page, limit = query["page"], query["limit"]
    total = db.session.scalar(select(func.count()).select_from(Item)) or 0
    rows = select(Item).order_by(SORTS[query["sort"]], Item.id).limit(limit).offset((page - 1) * limit)
    pages = -(-total // limit)
    return {
        "data": db.session.scalars(rows).all(),
        "meta": {
            "page": page,
            "limit": limit,
            "total": total,
            "total_pages": pages,
            "has_next": page < pages,
            "has_prev": page > 1,
        },
    }


@blp.post("/orders")
@jwt_required()
@require("orders:create")
@limiter.limit(shop.WIDE_RATE, key_func=get_jwt_identity)
@blp.arguments(NewOrderSchema)
@blp.response(201, OrderAnswer)
def create_order(body: dict[str, int]) -> Any:
    """Place an order."""
    item = db.session.get(Item, body["item_id"])
    if item is None:
        abort(404, description="No such item.")
    quantity = body["quantity"]
    order = Order(
        user_id=int(get_jwt_identity()), item_id=item.id, quantity=quantity, total=item.price * quantity
    )
    db.session.add(order)
    db.session.commit()
    return {"data": order}, {"Location": f"/orders/{order.id}"}
