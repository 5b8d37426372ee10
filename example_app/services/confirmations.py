"""Confirmation mails: rendered, written to the mail folder, noted on the order."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import update

from example_app.clock import utc_now
from example_app.extensions import db
from example_app.jobs.queue import enqueue_confirmation
from example_app.models import Order
from example_app.money import format_cents
from example_app.repositories.orders import OrderRepository
from example_app.transactions import write_transaction
from flask_backend_patterns import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_SENDER = "Shop <orders@shop.example>"


def confirm(order_id: int, *, folder: Path) -> Path:
    """Write the order's confirmation to `folder` and note the time on the order.

    Doing it twice leaves one file and the first time: the file is named by the order and replaced as a whole.
    Raises `NotFoundError` when there is no such order.
    """
    order = OrderRepository(db.session()).get(order_id)
    if order is None:
        raise NotFoundError(f"No order {order_id}.")
    path = folder / f"order-{order_id}.eml"
    write_atomically(path, render(order).as_bytes())
    with write_transaction() as session:
        session.execute(
            update(Order)
            .where(Order.id == order_id, Order.confirmation_sent_at.is_(None))
            .values(confirmation_sent_at=utc_now())
        )
    return path


def resend_missing(
    *,
    older_than_seconds: float,
    limit: int = 10_000,
    but_for: Callable[[], Collection[int]] = tuple,
    enqueue: Callable[[int], bool] = enqueue_confirmation,
) -> tuple[int, int]:
    """Enqueue the confirmation of orders that have none. Returns (enqueued, not enqueued: the queue is down).

    Younger orders than `older_than_seconds` are left alone: theirs is most likely on its way. One sent twice does no
    harm. `but_for` gives those to leave alone; it is asked only if any is missing. The transactional outbox of a later
    issue replaces this.
    """
    before = utc_now() - timedelta(seconds=older_than_seconds)
    order_ids = OrderRepository(db.session()).unconfirmed_ids(placed_before=before, limit=limit)
    db.session.rollback()
    left_alone = but_for() if order_ids else ()
    order_ids = [order_id for order_id in order_ids if order_id not in left_alone]
    for done, order_id in enumerate(order_ids):
        if not enqueue(order_id):
            return done, len(order_ids) - done
    return len(order_ids), 0


def render(order: Order) -> EmailMessage:
    """The confirmation as a message (RFC 5322); the same order gives the same bytes."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _SENDER
    message["To"] = order.user.email
    message["Subject"] = f"Your order {order.id}"
    message["Date"] = format_datetime(order.created_at)
    message["Message-ID"] = f"<order-{order.id}@shop.example>"
    lines = [
        f"{line.quantity:>4} x {line.product.name} ({line.product.sku})"
        f"  {format_cents(line.unit_price_cents)} each"
        for line in order.lines
    ]
    body = [f"Dear {order.user.name},", "", f"thank you for your order {order.id}:", "", *lines, ""]
    message.set_content("\n".join([*body, f"Total: {format_cents(order.total_cents)}", ""]))
    return message


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either not there or complete, whoever is killed when."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
