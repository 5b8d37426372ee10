"""What an order and its confirmation leave in the database."""

from datetime import datetime

import pytest
import redis
from sqlalchemy import func, select, update

from example_app.extensions import db
from example_app.jobs.queue import enqueue_confirmation, install_queue
from example_app.models import Order, OrderLine, Product, Transfer
from example_app.models.base import UtcDateTime
from example_app.repositories.products import ProductRepository
from example_app.services.confirmations import confirm
from example_app.services.ordering import WantedLine, place_order
from example_app.transactions import write_transaction


def test_a_time_without_a_zone_is_refused():
    """Its zone would be a guess."""
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), None)  # noqa: DTZ001 - on purpose


def test_a_line_has_the_price_of_the_locked_row(stock, monkeypatch):
    """A price that changes between reading the product and taking its stock is the one that counts."""
    stock(A=5)
    take = ProductRepository.take_stock

    def dearer(self, **wanted):
        self._session.execute(
            update(Product).values(price_cents=999).execution_options(synchronize_session=False)
        )
        return take(self, **wanted)

    monkeypatch.setattr(ProductRepository, "take_stock", dearer)
    order = place_order(1, [WantedLine(sku="A", quantity=2)])
    assert (order.total_cents, order.lines[0].unit_price_cents) == (1_998, 999)


def test_an_order_of_free_products_moves_no_money(stock):
    """It stands, without a transfer; the sale is a change of the product."""
    stock(A=5)
    with write_transaction() as session:
        session.execute(update(Product).values(price_cents=0))
    place_order(1, [WantedLine(sku="A", quantity=2)])
    assert db.session.scalar(select(func.count()).select_from(Transfer)) == 0
    assert db.session.scalar(select(OrderLine.quantity)) == 2
    assert db.session.scalar(select(Product.version)) == 2


def test_a_mail_that_was_not_written_is_not_noted(stock, tmp_path):
    """The order stays without a confirmation, so that it is tried again."""
    stock(A=5)
    order_id = place_order(1, [WantedLine(sku="A", quantity=1)]).id
    with pytest.raises(FileNotFoundError):
        confirm(order_id, folder=tmp_path / "none")
    db.session.rollback()
    assert db.session.get(Order, order_id).confirmation_sent_at is None


def test_a_dead_queue_is_asked_once(shop, monkeypatch):
    """No retries in a web request: one attempt to connect, then the answer is False."""
    attempts, connect = [], redis.Connection._connect

    def counting(self):
        attempts.append(self.port)
        return connect(self)

    monkeypatch.setattr(redis.Connection, "_connect", counting)
    kept = shop.extensions["example_app.queue"]
    shop.config["BACKEND_REDIS_URL"] = "redis://127.0.0.1:1/0"
    install_queue(shop)
    try:
        assert enqueue_confirmation(1) is False
    finally:
        shop.extensions["example_app.queue"] = kept
    assert attempts == [1]
