"""Giving money back: who may, how much, until when, once."""

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from example_app.access import REFUND_DAYS, REFUND_LIMIT_CENTS, refunds
from example_app.clock import utc_now
from example_app.extensions import db
from example_app.models import Account, Order, Product, Transfer
from example_app.services.ordering import WantedLine, place_order
from flask_backend_patterns import Actor, Context
from flask_backend_patterns.auth.state import auth_state

from .logins import bearer
from .staged_shop import Stage

DAY, SECOND = timedelta(days=1), timedelta(microseconds=1)
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
STAFF = {
    role: Actor(id="9", roles=(role,), method="jwt") for role in ("customer", "support", "manager", "admin")
}
# Total in cents, age, whether it is within what others than admins may give back.
ORDERS = [
    (0, DAY, True),
    (REFUND_LIMIT_CENTS - 1, DAY, True),
    (REFUND_LIMIT_CENTS, DAY, True),
    (REFUND_LIMIT_CENTS + 1, DAY, False),
    (100, REFUND_DAYS * DAY - SECOND, True),
    (100, REFUND_DAYS * DAY, True),
    (100, REFUND_DAYS * DAY + SECOND, False),
    (REFUND_LIMIT_CENTS + 1, REFUND_DAYS * DAY + SECOND, False),
]


class Desk:
    """Sends refunds to a staged shop."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.client = stage.app.test_client(use_cookies=False)

    def order(self, **values) -> int:
        with self.stage.app.app_context():
            return self.stage.order_of(self.stage.somebody("customer"), **values)

    def refund(self, order_id, role, *, key=None, **options):
        if role is not None:
            options["auth"] = bearer(self.stage.somebody(role), role)
        headers = {"Idempotency-Key": key or uuid.uuid4().hex} | options.pop("headers", {})
        return self.client.post(f"/api/orders/{order_id}/refund", headers=headers, **options)

    def transfers(self, order_id):
        with self.stage.app.app_context():
            statement = select(Transfer.reference, Transfer.amount_cents).where(Transfer.order_id == order_id)
            return [tuple(row) for row in db.session.execute(statement.order_by(Transfer.id))]

    def key_of(self, role, *scopes):
        with self.stage.app.app_context():
            made = auth_state().api_keys.create(str(self.stage.somebody(role)), name="desk", scopes=scopes)
        return {"X-API-Key": made.key}


@pytest.fixture
def desk(stage) -> Desk:
    return Desk(stage)


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize(("cents", "age", "is_within"), ORDERS)
def test_the_limits_are_exact(role, cents, age, is_within):
    """Up to the cent and the microsecond; admins have none."""
    order = Order(total_cents=cents, created_at=NOW - age)
    assert refunds.holds(STAFF[role], order, Context(now=NOW)) is (is_within or role == "admin")


def test_the_database_draws_the_same_limits(desk):
    """The criterion for lists finds the orders for which the policy says yes, and no other."""
    ids = {desk.order(total_cents=cents, created_at=NOW - age): is_within for cents, age, is_within in ORDERS}
    with desk.stage.app.app_context():
        for role, actor in STAFF.items():
            where = refunds.where(actor, Order, Context(now=NOW))
            found = set(db.session.scalars(select(Order.id).where(Order.id.in_(ids), where)))
            assert found == {number for number, is_within in ids.items() if is_within or role == "admin"}


@pytest.mark.parametrize(
    ("role", "small", "large", "old", "missing"),
    [
        (None, 401, 401, 401, 401),
        ("customer", 403, 403, 403, 403),
        ("support", 200, 403, 403, 404),
        ("manager", 403, 403, 403, 403),
        ("admin", 200, 200, 200, 404),
    ],
)
def test_who_may_refund_what(desk, role, small, large, old, missing):
    """Support within the limits, admins always; whoever may not refund at all is not told which orders there are."""
    old_day = utc_now() - REFUND_DAYS * DAY - timedelta(minutes=1)
    assert desk.refund(desk.order(total_cents=REFUND_LIMIT_CENTS), role).status_code == small
    assert desk.refund(desk.order(total_cents=REFUND_LIMIT_CENTS + 1), role).status_code == large
    assert desk.refund(desk.order(created_at=old_day), role).status_code == old
    assert desk.refund(2**31 - 1, role).status_code == missing


def test_nobody_refunds_the_own_order_as_a_customer(desk):
    """Owning an order grants no refund of it."""
    with desk.stage.app.app_context():
        user_id = desk.stage.somebody("customer")
        order_id = desk.stage.order_of(user_id)
    answer = desk.client.post(
        f"/api/orders/{order_id}/refund",
        auth=bearer(user_id, "customer"),
        headers={"Idempotency-Key": "mine"},
    )
    assert answer.status_code == 403
    assert desk.transfers(order_id) == []


def test_a_refusal_changes_nothing_and_tells_no_reason(desk):
    """403 without the limit in it; the order is as it was."""
    order_id = desk.order(total_cents=REFUND_LIMIT_CENTS + 1)
    error = desk.refund(order_id, "support").get_json()["error"]
    assert (error["code"], "details" in error) == ("FORBIDDEN", False)
    assert desk.transfers(order_id) == []


def test_a_second_refund_is_a_conflict(desk):
    """409 that says why, by anybody, also for a cancelled order; the money goes back once."""
    order_id = desk.order(total_cents=700)
    first = desk.refund(order_id, "support").get_json()["data"]
    assert first["refunded_at"] is not None
    for role in ("support", "admin"):
        again = desk.refund(order_id, role)
        assert (again.status_code, again.get_json()["error"]["message"]) == (
            409,
            "The order is refunded already.",
        )
    assert desk.transfers(order_id) == [(f"refund-{order_id}", 700)]
    cancelled = desk.refund(desk.order(status="cancelled"), "admin")
    assert (cancelled.status_code, cancelled.get_json()["error"]["message"]) == (
        409,
        "The order is cancelled already.",
    )


def test_the_same_key_gives_the_same_answer(desk):
    """Sent again with its key: the same bytes, marked as replayed, and one transfer; with none: 400."""
    order_id, user_id = desk.order(total_cents=700), desk.stage.somebody("support")
    options = {"auth": bearer(user_id, "support"), "headers": {"Idempotency-Key": "once"}}
    path = f"/api/orders/{order_id}/refund"
    first, again = desk.client.post(path, **options), desk.client.post(path, **options)
    assert (first.status_code, again.status_code, again.data) == (200, 200, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(desk.transfers(order_id)) == 1
    without = desk.client.post(path, auth=options["auth"])
    assert (without.status_code, without.get_json()["error"]["code"]) == (400, "IDEMPOTENCY_KEY_MISSING")


def test_a_key_belongs_to_who_sent_it(desk):
    """Somebody else's request with the same key is a request of its own: here the conflict, not the answer."""
    order_id = desk.order()
    assert desk.refund(order_id, "support", key="shared").status_code == 200
    assert desk.refund(order_id, "support", key="shared").status_code == 409


def test_a_free_order_is_refunded_without_a_transfer(desk):
    """There is nothing to book; twice is a conflict all the same."""
    order_id = desk.order(total_cents=0)
    assert [desk.refund(order_id, "support").status_code for _ in range(2)] == [200, 409]
    assert desk.transfers(order_id) == []


@pytest.mark.parametrize(
    ("role", "scopes", "small", "large"),
    [
        ("support", ["orders:refund"], 200, 403),
        ("support", ["orders:read"], 403, 403),
        ("admin", ["orders:refund"], 200, 403),
        ("admin", ["*"], 200, 200),
        ("customer", ["orders:refund", "*"], 403, 403),
    ],
)
def test_a_key_refunds_what_its_scopes_say(desk, role, scopes, small, large):
    """Never more than its owner may; one that is narrowed is no admin."""
    headers = desk.key_of(role, *scopes)
    assert desk.refund(desk.order(), None, headers=headers).status_code == small
    dear = desk.order(total_cents=REFUND_LIMIT_CENTS + 1)
    assert desk.refund(dear, None, headers=headers).status_code == large


def test_the_books_balance_after_a_refund(desk):
    """What the order took from the customer comes back from the shop, to the cent; all balances add up to zero."""
    with desk.stage.app.app_context():
        user_id = desk.stage.somebody("customer")
        order = place_order(user_id, [WantedLine(sku="A", quantity=3)])
        stock = db.session.scalar(select(Product.stock).where(Product.id == 1))
        db.session.rollback()
    assert desk.refund(order.id, "support").get_json()["data"]["total_cents"] == 750
    assert desk.transfers(order.id) == [(f"order-{order.id}", 750), (f"refund-{order.id}", 750)]
    with desk.stage.app.app_context():
        balance = select(Account.balance_cents).where(Account.owner_id == user_id)
        assert db.session.scalar(balance) == 0
        assert db.session.scalar(select(func.sum(Account.balance_cents))) == 0
        assert (
            db.session.scalar(select(Product.stock).where(Product.id == 1)) == stock
        )  # the goods are not back


def test_refunds_at_the_same_moment_give_back_once(shop, stock):
    """Eight threads, each with a key of its own: one 200, seven conflicts, one transfer."""
    stock(A=5)
    order_id = place_order(1, [WantedLine(sku="A", quantity=2)]).id
    outcomes, start = Counter(), threading.Barrier(8)

    def refund(number):
        headers = {"Idempotency-Key": f"key-{number}"}
        start.wait()
        answer = shop.test_client().post(
            f"/api/orders/{order_id}/refund", auth=bearer(3, "admin"), headers=headers
        )
        outcomes[answer.status_code] += 1

    threads = [threading.Thread(target=refund, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert outcomes == {200: 1, 409: 7}
    refunded = select(func.count()).select_from(Transfer).where(Transfer.reference == f"refund-{order_id}")
    assert db.session.scalar(refunded) == 1
    assert db.session.scalar(select(func.sum(Account.balance_cents))) == 0
