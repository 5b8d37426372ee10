"""Placing orders, on both databases."""

import threading
from collections import Counter

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from example_app.extensions import db
from example_app.models import Account, Order, OrderLine, Product, Transfer
from example_app.services.confirmations import confirm, resend_missing
from example_app.services.ordering import WantedLine, place_order
from flask_backend_patterns import ConflictError, ValidationError

THREADS = 16


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def queued(shop):
    return [job.description for job in shop.extensions["example_app.queue"].jobs]


def test_no_piece_is_sold_twice(shop, stock):
    """16 threads want 16 of 10 pieces, naming products in different order: exactly 10 get theirs, the rest is told."""
    stock(A=10, B=100, C=100)
    outcomes, start = Counter(), threading.Barrier(THREADS)

    def buy(number):
        skus = ["A", "B", "C"] if number % 2 else ["C", "B", "A"]
        with shop.app_context():
            start.wait()
            try:
                place_order(1 + number % 2, [WantedLine(sku=sku, quantity=1) for sku in skus])
                outcomes["placed"] += 1
            except ConflictError:
                outcomes["refused"] += 1

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert outcomes == {"placed": 10, "refused": 6}
    assert dict(db.session.execute(select(Product.sku, Product.stock)).all()) == {"A": 0, "B": 90, "C": 90}
    assert (count(Order), count(OrderLine), count(Transfer)) == (10, 30, 10)
    assert db.session.scalar(select(func.sum(Account.balance_cents))) == 0
    revenue = select(Account.balance_cents).where(Account.kind == "revenue")
    assert db.session.scalar(revenue) == 10 * 3 * 250
    assert len(queued(shop)) == 10


def test_an_order_is_whole_or_not_at_all(shop, stock):
    """One line without enough stock leaves stock, orders, ledger and queue as they were, and names the line."""
    stock(A=10, B=1)
    with pytest.raises(ConflictError) as caught:
        place_order(1, [WantedLine(sku="A", quantity=5), WantedLine(sku="B", quantity=2)])
    assert [detail["field"] for detail in caught.value.details] == ["lines.1.quantity"]
    assert dict(db.session.execute(select(Product.sku, Product.stock)).all()) == {"A": 10, "B": 1}
    assert (count(Order), count(OrderLine), count(Transfer), queued(shop)) == (0, 0, 0, [])


def test_nothing_is_queued_for_an_order_that_was_not_committed(shop, stock):
    """The job comes after the commit: when that fails there is neither an order nor a job."""
    stock(A=10)

    def fail(_session):
        raise TimeoutError

    event.listen(Session, "before_commit", fail)
    try:
        with pytest.raises(TimeoutError):
            place_order(1, [WantedLine(sku="A", quantity=5)])
    finally:
        event.remove(Session, "before_commit", fail)
    assert (count(Order), db.session.scalar(select(Product.stock)), queued(shop)) == (0, 10, [])


def test_an_unknown_product_is_named(shop, stock):
    """Each line with an unknown product is reported by its position."""
    ids = stock(A=10)
    lines = [
        WantedLine(sku="nope", quantity=1),
        WantedLine(product_id=ids["A"], quantity=1),
        WantedLine(product_id=987_654, quantity=1),
    ]
    with pytest.raises(ValidationError) as caught:
        place_order(1, lines)
    assert [detail["field"] for detail in caught.value.details] == ["lines.0.sku", "lines.2.product_id"]


def test_a_product_named_twice_is_one_line(shop, stock):
    """By SKU and by id, the pieces are added up and taken once."""
    ids = stock(A=5)
    lines = [WantedLine(sku="A", quantity=2), WantedLine(product_id=ids["A"], quantity=3)]
    order_id = place_order(1, lines).id
    assert db.session.get(Order, order_id).total_cents == 5 * 250
    assert count(OrderLine) == 1
    assert db.session.scalar(select(Product.stock)) == 0


def test_an_order_survives_a_queue_that_is_down(shop, stock, redis_server):
    """With Redis gone the order is committed and its confirmation left open; resending enqueues exactly that one."""
    stock(A=5)
    redis_server.stop()
    order_id = place_order(1, [WantedLine(sku="A", quantity=1)]).id
    assert db.session.get(Order, order_id).confirmation_sent_at is None
    assert resend_missing(older_than_seconds=0) == (0, 1)
    redis_server.reset()
    db.session.rollback()
    assert resend_missing(older_than_seconds=3_600) == (0, 0)
    assert resend_missing(older_than_seconds=0) == (1, 0)
    assert queued(shop) == [f"example_app.jobs.confirmations.send_confirmation({order_id})"]


def test_confirming_twice_leaves_one_mail(shop, stock, tmp_path):
    """The second run of the job changes neither the file's content nor the time on the order."""
    stock(A=5)
    order_id = place_order(1, [WantedLine(sku="A", quantity=2)]).id
    path = confirm(order_id, folder=tmp_path)
    db.session.rollback()
    first, content = db.session.get(Order, order_id).confirmation_sent_at, path.read_bytes()
    db.session.rollback()
    assert confirm(order_id, folder=tmp_path) == path
    db.session.rollback()
    assert path.read_bytes() == content
    assert first is not None
    assert db.session.get(Order, order_id).confirmation_sent_at == first
    assert [file.name for file in tmp_path.iterdir() if "order" in file.name] == [f"order-{order_id}.eml"]
    assert b"To: ann@shop.example" in content
    assert b"5.00 EUR" in content
