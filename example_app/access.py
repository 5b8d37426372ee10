"""Who may do what in the shop: the roles, and the limits that a role alone cannot say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, true

from flask_backend_patterns import policy

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from example_app.models import Order
    from flask_backend_patterns import Actor, Context

ROLES: dict[str, Any] = {
    "customer": ["orders:create", "orders:read:own", "accounts:read:own"],
    "support": {"inherits": ["customer"], "permissions": ["orders:read", "orders:refund"]},
    "manager": {
        "inherits": ["customer"],
        "permissions": ["orders:read", "products:update", "imports:create", "imports:read"],
    },
    "admin": ["*"],
}
REFUND_LIMIT_CENTS = 50_000
REFUND_DAYS = 30


@policy(name="small amount")
def small_amount(_actor: Actor, order: Order, _context: Context) -> bool:
    """Up to 500 euros."""
    return order.total_cents <= REFUND_LIMIT_CENTS


@small_amount.criterion  # type: ignore[untyped-decorator]  # `policy` says Any
def _small_amounts(_actor: Actor, model: type[Order], _context: Context) -> ColumnElement[bool]:
    return model.total_cents <= REFUND_LIMIT_CENTS


@policy(name="recent order")
def recent_order(_actor: Actor, order: Order, context: Context) -> bool:
    """Placed within the last 30 days."""
    return order.created_at >= context.now - timedelta(days=REFUND_DAYS)


@recent_order.criterion  # type: ignore[untyped-decorator]  # the same
def _recent_orders(_actor: Actor, model: type[Order], context: Context) -> ColumnElement[bool]:
    return model.created_at >= context.now - timedelta(days=REFUND_DAYS)


@policy(name="admin")
def is_admin(actor: Actor, _order: Order, _context: Context) -> bool:
    """Admins decide for themselves."""
    return actor.has_role("admin")


@is_admin.criterion  # type: ignore[untyped-decorator]  # the same
def _as_admin(actor: Actor, _model: type[Order], _context: Context) -> ColumnElement[bool]:
    return true() if actor.has_role("admin") else false()


# Nobody is granted anything by this: it limits those whose role may refund.
refunds = policy("orders:refund", name="refunds")((small_amount & recent_order) | is_admin)
