"""Whose something is: `owns`, `not_own`, what is said when nobody can tell, and lists that agree with decisions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import ClassVar

import pytest
from flask import Flask
from sqlalchemy import ForeignKey, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_backend_patterns import (
    BackendPatterns,
    SetupError,
    can,
    policy,
    require_permission,
    require_policy,
    scope_for,
)
from flask_backend_patterns.auth.default_deny import HINT
from flask_backend_patterns.auth.enforcement import OWNER_UNKNOWN
from flask_backend_patterns.auth.identity import ANONYMOUS, Actor
from flask_backend_patterns.auth.ownership import not_own, owns
from flask_backend_patterns.auth.permissions import Permissions
from flask_backend_patterns.testing import assert_scope_matches


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "owned_orders"
    __owner__ = "user_id"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None]
    placed_at: Mapped[datetime] = mapped_column(default=lambda: NOW)
    lines: Mapped[list[Line]] = relationship(lazy="joined")


class Line(Base):
    __tablename__ = "owned_lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("owned_orders.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "owned_notes"
    __owner__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str | None] = mapped_column(String(50))


class Document(Base):
    __tablename__ = "owned_documents"
    __owner__ = "user_id"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID | None]


class Unsaid(Base):
    """Nothing says whose it is."""

    __tablename__ = "unsaid"
    id: Mapped[int] = mapped_column(primary_key=True)


class NobodysOwn(Unsaid):
    """Said to be nobody's."""

    __owner__ = None


NOW = datetime.now(UTC).replace(tzinfo=None)
SOMEBODY = uuid.UUID(int=7)
OWNERS = {Order: [7, 8, None], Note: ["7", "8", "", None], Document: [SOMEBODY, uuid.UUID(int=8), None]}
IDS = ("7", "8", "07", "x", str(SOMEBODY), SOMEBODY.hex)


def actor(actor_id="7", *grants):
    return Actor(id=actor_id, permissions=Permissions.parse(grants or ("orders:refund",)), method="jwt")


@pytest.fixture
def session(database_url):
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for model, owners in OWNERS.items():
            session.add_all([model(**{model.__owner__: owner}) for owner in owners])
        session.flush()
        yield session
        session.rollback()
    Base.metadata.drop_all(engine)
    engine.dispose()


def make_app(*policies):
    app = Flask("owners", static_folder=None)
    app.config.update(JWT_SECRET_KEY="k" * 32, BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns(policies=policies).init_app(app)
    return app


def foreign_only():
    return policy("orders:refund", name="foreign_only")(not_own)


@pytest.mark.parametrize("actor_id", IDS)
@pytest.mark.parametrize("model", OWNERS)
def test_not_own_is_what_owns_says_no_to(session, model, actor_id):
    """Both forms, whatever type the owner's column has; NULL is nobody's, so it is not own."""
    asking = actor(actor_id)
    with make_app(foreign_only()).app_context():
        found = set(session.scalars(select(model).where(scope_for(asking, "orders:refund", model))).unique())
        assert found == {row for row in session.scalars(select(model)).unique() if not owns(asking, row)}
        assert_scope_matches(session, asking, "orders:refund", model)


def test_owns_compares_ids_as_text():
    """`order.user_id == actor.id` would be False for a number; nobody owns None, and anonymous callers nothing."""
    assert owns(actor(), Order(user_id=7))
    assert not owns(actor(), Order(user_id=8))
    assert not owns(actor(), Order(user_id=None))
    assert not owns(actor(), None)
    assert not owns(ANONYMOUS, Order(user_id=7))


def test_not_own_joins_with_others():
    """About the permission of what it is joined with; both forms hold together."""

    @policy("orders:refund")
    def recent(_actor, order, context):
        return order.placed_at >= context.now.replace(tzinfo=None) - timedelta(days=30)

    joined = recent & not_own
    assert joined.permission == "orders:refund"
    old = NOW - timedelta(days=31)
    with make_app(joined).app_context():
        for user_id, placed_at, allowed in ((8, NOW, True), (8, old, False), (7, NOW, False)):
            assert can(actor(), "orders:refund", Order(user_id=user_id, placed_at=placed_at)) is allowed


def test_a_limit_in_days_compares_naive_columns(session):
    """`context.now` is aware; without its zone it is compared with columns that have none, on every database."""

    @policy("orders:refund")
    def recent(_actor, order, context):
        return order.placed_at >= context.now.replace(tzinfo=None) - timedelta(days=30)

    @recent.criterion
    def recent(_actor, model, context):
        return model.placed_at >= context.now.replace(tzinfo=None) - timedelta(days=30)

    session.add_all([Order(user_id=9, placed_at=NOW - timedelta(days=days)) for days in (29, 31)])
    session.flush()
    with make_app(recent).app_context():
        assert_scope_matches(session, actor(), "orders:refund", Order)


def test_not_own_without_anything_to_look_at_is_told():
    """Asked about None nobody can tell: an error rather than yes."""
    with make_app(foreign_only()).app_context(), pytest.raises(SetupError, match="say resource="):
        can(actor(), "orders:refund")


# --- Nothing says whose it is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda who, what: can(who, "things:read", what()),
        lambda who, what: scope_for(who, "things:read", what),
    ],
)
def test_a_class_without_owner_is_told_by_name(ask):
    """Where only `:own` is granted, and nowhere else; `__owner__ = None` says that it is nobody's."""
    with make_app().app_context():
        with pytest.raises(SetupError, match=r'Unsaid does not say whose it is.*__owner__ = "user_id"'):
            ask(actor("7", "things:read:own"), Unsaid)
        for grants in (["things:read"], ["other"]):
            ask(actor("7", *grants), Unsaid)
        answer = ask(actor("7", "things:read:own"), NobodysOwn)
    assert str(answer) in {"False", "false", "0 = 1"}


def test_no_object_needs_no_owner():
    """Nobody owns None: no, and no error."""
    with make_app().app_context():
        assert not can(actor("7", "things:read:own"), "things:read")


def test_the_log_says_that_the_view_does_not_say_whose(make_shop):
    """A role with `:own` and a view that cannot tell: 403, and the reason names owner=, resource= and scoped=."""
    shop = make_shop()
    shop.app.get("/orders")(require_permission("orders:read")(lambda: "x"))
    assert shop.status("/orders", actor="7", roles="customer") == 403
    (event,) = shop.log.named("access_refused")
    assert event["reason"] == OWNER_UNKNOWN
    assert all(way in OWNER_UNKNOWN for way in ("owner=", "resource=", "scoped=True"))


class Limits:
    """Ways to ask about a permission that two policies limit, and what the error says to do."""

    CASES: ClassVar = [
        (
            lambda: require_permission("orders:read", owner=lambda order_id: "7"),
            "put resource= in the place of owner=",
        ),
        (lambda: require_permission("orders:read"), "give @require_permission a resource=, or scoped=True"),
    ]


@pytest.mark.parametrize(("decorate", "remedy"), Limits.CASES)
@pytest.mark.parametrize("roles", ["support", "customer"])
def test_a_limited_permission_says_what_to_write(make_shop, decorate, remedy, roles):
    """With owner= a resource= beside it would be another error; one @require_policy asks all the policies."""

    @policy("orders:read")
    def small(_actor, order, _context):
        return order.total <= 100

    @policy("orders:read")
    def odd(_actor, order, _context):
        return order.total % 2 == 1

    shop = make_shop(policies=[small, odd])
    shop.app.testing = True
    shop.app.add_url_rule("/orders/<order_id>", "order", decorate()(lambda order_id: "x"))
    with pytest.raises(SetupError) as raised:
        shop.ask("/orders/1", actor="7", roles=roles)
    said = str(raised.value)
    assert remedy in said
    assert "put @require_policy('small', resource=...) beside it, which asks them all" in said
    beside = require_policy("small", resource=lambda order_id: SimpleNamespace(total=int(order_id)))
    shop.app.view_functions["order"] = decorate()(beside(lambda order_id: "x"))
    assert [shop.status(f"/orders/{total}", actor="7", roles="support") for total in (99, 98, 101)] == [
        200,
        403,
        403,
    ]


def test_the_hint_for_undeclared_routes_names_jwt_required():
    """Flask-JWT-Extended's decorator is not ours to read."""
    assert "@jwt_required() says nothing here: put @require_auth beside it, or list the endpoint" in HINT


# --- assert_scope_matches -------------------------------------------------------------------------------------------


def test_rows_that_differ_are_named(session):
    """With what each form says; a criterion that is too wide and one that is too narrow."""

    @policy("orders:refund")
    def forms(_actor, order, _context):
        return order.id in {1, 2}

    @forms.criterion
    def forms(_actor, model, _context):
        return model.id.in_([2, 3])

    keys = sorted(session.scalars(select(Order.id)))
    assert keys == [1, 2, 3]
    with make_app(forms).app_context(), pytest.raises(AssertionError) as raised:
        assert_scope_matches(session, actor(), "orders:refund", Order)
    assert sorted(str(raised.value).splitlines()[1:]) == [
        "Order 1: scope_for says no, can says yes",
        "Order 3: scope_for says yes, can says no",
    ]


def test_circumstances_are_handed_on(session):
    """`extra` reaches both forms."""

    @policy("orders:refund")
    def up_to(_actor, order, context):
        return order.id <= context.extra["most"]

    @up_to.criterion
    def up_to(_actor, model, context):
        return model.id <= context.extra["most"]

    with make_app(up_to).app_context():
        assert_scope_matches(session, actor(), "orders:refund", Order, extra={"most": 2})


def test_no_rows_show_nothing(session):
    """An empty table would let every mistake pass; many differing rows are cut short."""
    with make_app().app_context(), pytest.raises(AssertionError, match="no rows of Line"):
        assert_scope_matches(session, actor(), "orders:refund", Line)
    order_id = session.scalars(select(Order.id)).first()
    session.add_all([Line(order_id=order_id, number=number) for number in range(30)])
    session.flush()

    @policy("lines:read")
    def nothing(_actor, _line, _context):
        return False

    @nothing.criterion
    def nothing(_actor, _model, _context):
        return True

    with make_app(nothing).app_context(), pytest.raises(AssertionError) as raised:
        assert_scope_matches(session, actor("7", "lines:read"), "lines:read", Line)
    said = str(raised.value).splitlines()
    assert len(said) == 22
    assert said[1] == f"Line {order_id}, 0: scope_for says yes, can says no"
    assert said[-1] == "... and 10 more rows"
