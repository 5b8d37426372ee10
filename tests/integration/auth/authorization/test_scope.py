"""`scope_for` finds the rows for which `can` says yes: on SQLite and on PostgreSQL. docs: authorization.md."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Integer,
    Numeric,
    SmallInteger,
    String,
    TypeDecorator,
    Uuid,
    create_engine,
    delete,
    insert,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    mapped_column,
    relationship,
)

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.identity import ANONYMOUS, Actor
from flask_backend_patterns.auth.ownership import is_own, owns
from flask_backend_patterns.auth.permissions import Permissions
from flask_backend_patterns.auth.policies import Context, Policies, policy
from flask_backend_patterns.auth.scope import allows, criterion_for

CONTEXT = Context(now=datetime(2026, 1, 1, 12, tzinfo=UTC))
SOME_UUID = uuid.UUID("0b1f6f4e-9c3d-4c1e-8a57-3f0f4a6f2f10")


class Shouted(TypeDecorator):
    """Text that is stored in capitals and read in small letters."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.upper() if value is not None else None

    def process_result_value(self, value, dialect):
        return value.lower() if value is not None else None


class Base(DeclarativeBase):
    pass


class Limits:
    """What policies look at."""

    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int | None]
    note: Mapped[str | None]
    flag: Mapped[bool | None] = mapped_column(Boolean)


class WithInteger(Limits, Base):
    __tablename__ = "with_integer"
    __owner__ = "user_id"
    user_id: Mapped[int | None] = mapped_column(Integer)


class WithSmall(Limits, Base):
    __tablename__ = "with_small"
    __owner__ = "user_id"
    user_id: Mapped[int | None] = mapped_column(SmallInteger)


class WithBig(Limits, Base):
    __tablename__ = "with_big"
    __owner__ = lambda self: self.user_id  # a function may stand for the name
    user_id: Mapped[int | None] = mapped_column(BigInteger)


class WithText(Limits, Base):
    __tablename__ = "with_text"
    __owner__ = staticmethod(lambda item: item.user_id)
    user_id: Mapped[str | None] = mapped_column(String)


class WithUuid(Limits, Base):
    __tablename__ = "with_uuid"
    __owner__ = "user_id"
    user_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)


class WithUuidText(Limits, Base):
    __tablename__ = "with_uuid_text"
    __owner__ = "user_id"
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))


class WithHybrid(Limits, Base):
    __tablename__ = "with_hybrid"
    __owner__ = "seller"
    user_id: Mapped[int | None] = mapped_column(Integer)

    @hybrid_property
    def seller(self):
        return self.user_id


class WithNobody(Limits, Base):
    __tablename__ = "with_nobody"
    __owner__ = None
    user_id: Mapped[int | None] = mapped_column(Integer)


INTEGERS, TEXTS, UUIDS = (
    st.one_of(st.none(), st.sampled_from([0, 1, 7, -3, 32_767])),
    st.one_of(
        st.none(), st.sampled_from(["", "7", "007", "é", "e\u0301", "İ", "😀", "%", "_", "'; --", "None"])
    ),
    st.one_of(st.none(), st.sampled_from([SOME_UUID, uuid.UUID(int=0), uuid.UUID(int=7)])),
)
OWNERS = {
    WithInteger: INTEGERS,
    WithSmall: INTEGERS,
    WithBig: st.one_of(INTEGERS, st.sampled_from([2**63 - 1, -(2**63), 2**31])),
    WithText: TEXTS,
    WithUuid: UUIDS,
    WithUuidText: UUIDS.map(lambda value: value and str(value)),
    WithHybrid: INTEGERS,
    WithNobody: INTEGERS,
}
IDS = (
    ["", "0", "1", "7", "-3", "+7", "007", " 7", "7 ", "7.0", "7_0", "\u0667", "\uff17", "1e3", "32767", "32768", "2147483648",
     str(2**63 - 1), str(2**63), str(-(2**63)), "9" * 5_000, "None", "é", "e\u0301", "İ", "😀", "%", "_", "'; --",
     "a\0b", "\ud800", str(SOME_UUID), str(SOME_UUID).upper(), SOME_UUID.hex, str(uuid.UUID(int=7)), "x"]
)  # fmt: skip
ACTOR_IDS = st.sampled_from(IDS)
GRANTS = st.lists(
    st.sampled_from(
        ["rows:read", "rows:read:own", "rows:*", "rows:*:own", "*", "*:own", "rows:write", "other:*"]
    ),
    max_size=3,
)
TOTALS = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.integers(-2, 102))
NOTES = st.one_of(st.none(), st.sampled_from(["", "a", "é", "e\u0301", "7", "😀"]))


@policy()
def small(_actor, row, _context):
    """Written for None, as NULL is in SQL."""
    return row.total is not None and row.total <= 100


@small.criterion
def small(_actor, model, _context):
    return model.total <= 100


@policy()
def positive(_actor, row, _context):
    return row.total is not None and row.total > 0


@positive.criterion
def positive(_actor, model, _context):
    return model.total > 0


@policy()
def noted_by_actor(actor, row, _context):
    return row.note == actor.id


@noted_by_actor.criterion
def noted_by_actor(actor, model, _context):
    return model.note == actor.id if actor.id.isprintable() else False


@policy()
def flagged(_actor, row, _context):
    return row.flag


@flagged.criterion
def flagged(_actor, model, _context):
    return model.flag


@policy()
def unnoted(_actor, row, _context):
    return row.note is None


@unnoted.criterion
def unnoted(_actor, model, _context):
    return model.note.is_(None)


@policy()
def afternoon(_actor, _row, context):
    return context.now.hour >= 12


@afternoon.criterion
def afternoon(_actor, _model, context):
    return context.now.hour >= 12


RULES = st.sampled_from([small, positive, noted_by_actor, flagged, unnoted, afternoon])
JOINED = st.recursive(
    RULES,
    lambda inner: st.one_of(
        inner.map(lambda one: ~one),
        st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
        st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
    ),
    max_leaves=6,
)
LIMITING = st.lists(JOINED, max_size=2).map(
    lambda joined: Policies(
        [policy("rows:read", name=f"p{number}")(one) for number, one in enumerate(joined)]
    )
)
ROWS = st.lists(
    st.fixed_dictionaries({"total": TOTALS, "note": NOTES, "flag": st.none() | st.booleans()}), max_size=10
)
ONE_DATABASE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request, tmp_path_factory):
    """Each database, with the tables; tests leave no rows."""
    from flask_backend_patterns.testing.postgres_server import fresh_schema

    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('scope') / 'test.db'}"
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_server")))
        engine = create_engine(url)
        stack.callback(engine.dispose)
        Base.metadata.create_all(engine)
        yield engine


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))


def read(session, model, criterion):
    return {row.id for row in session.scalars(select(model).where(criterion))}


@ONE_DATABASE
@given(
    model=st.sampled_from(list(OWNERS)),
    rows=ROWS,
    grants=GRANTS,
    limits=LIMITING,
    actor_id=ACTOR_IDS,
    data=st.data(),
)
def test_the_filtered_list_is_what_can_lets_through_one_by_one(
    session, model, rows, grants, limits, actor_id, data
):
    """Over random rows, owners of every type, roles and joined policies; NULLs, Unicode and numbers out of range."""
    actor = Actor(id=actor_id, permissions=Permissions.parse(grants), method="jwt")
    owners = data.draw(st.lists(OWNERS[model], min_size=len(rows), max_size=len(rows)))
    session.execute(delete(model))
    if rows:
        session.execute(
            insert(model), [{**row, "user_id": owner} for row, owner in zip(rows, owners, strict=True)]
        )
    session.expire_all()
    everything = session.scalars(select(model)).all()
    expected = {row.id for row in everything if allows(limits, actor, "rows:read", row, CONTEXT)}
    assert read(session, model, criterion_for(limits, actor, "rows:read", model, CONTEXT)) == expected
    other = aliased(model)
    assert read(session, other, criterion_for(limits, actor, "rows:read", other, CONTEXT)) == expected
    session.rollback()


MINE = Permissions.parse(["rows:read:own"])
NO_LIMITS = Policies([])


def own_rows(session, model, actor):
    return read(session, model, criterion_for(NO_LIMITS, actor, "rows:read", model, CONTEXT))


STORED = {
    WithInteger: [None, 0, 7, -3],
    WithSmall: [None, 0, 7, 32_767],
    WithBig: [None, 7, 2**63 - 1, -(2**63)],
    WithText: [None, "", "7", "007", "é", "e\u0301", "None", "'; --"],
    WithUuid: [None, SOME_UUID, uuid.UUID(int=7)],
    WithUuidText: [None, str(SOME_UUID)],
    WithHybrid: [None, 7],
    WithNobody: [None, 7],
}


@pytest.mark.parametrize("model", STORED)
def test_every_id_finds_its_own_rows_and_no_error(session, model):
    """Numbers out of any range, other spellings of a number, NUL, half a surrogate pair: nobody's, and no 500."""
    session.execute(insert(model), [{"user_id": owner} for owner in STORED[model]])
    rows = session.scalars(select(model)).all()
    for actor_id in IDS:
        actor = Actor(id=actor_id, permissions=MINE, method="jwt")
        assert own_rows(session, model, actor) == {row.id for row in rows if owns(actor, row)}


@pytest.mark.parametrize("actor", [ANONYMOUS, Actor(id="", method="jwt"), Actor(id="", method="anonymous")])
def test_nobody_owns_what_has_no_owner(session, actor):
    """Neither NULL nor the empty string is an anonymous caller's, whatever it may do."""
    session.execute(insert(WithText), [{"user_id": None}, {"user_id": ""}])
    allowed = Actor(id=actor.id, permissions=MINE, method=actor.method)
    assert own_rows(session, WithText, allowed) == set()
    assert not any(owns(allowed, row) for row in session.scalars(select(WithText)))
    assert not is_own(allowed, "")
    assert not is_own(allowed, None)


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_name: Mapped[str] = mapped_column(Shouted)


class Invoice(Base):
    """Owned through its account: a column property, and text of a type of the app's own."""

    __tablename__ = "invoices"
    __owner__ = "account_owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    account: Mapped[Account] = relationship()
    account_owner = column_property(
        select(Account.owner_name).where(Account.id == account_id).correlate_except(Account).scalar_subquery()
    )


def test_ownership_may_lead_through_another_table(session):
    """And through a type that changes what is stored."""
    session.add_all([Invoice(account=Account(owner_name=name)) for name in ("ann", "bob", "ann")])
    session.commit()
    ann = Actor(id="ann", permissions=MINE, method="jwt")
    expected = {
        row.id
        for row in session.scalars(select(Invoice))
        if allows(NO_LIMITS, ann, "rows:read", row, CONTEXT)
    }
    assert own_rows(session, Invoice, ann) == expected
    assert len(expected) == 2


class WithPrice(Base):
    __tablename__ = "with_price"
    __owner__ = "price"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric)


class Misspelt(Base):
    __tablename__ = "misspelt"
    __owner__ = "usr_id"
    id: Mapped[int] = mapped_column(primary_key=True)


class Wrong(Base):
    __tablename__ = "wrong"
    __owner__ = 7
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (WithPrice, "compared with text, numbers and UUIDs only"),
        (Misspelt, "__owner__ is 'usr_id', which it has no attribute for"),
        (Wrong, "name an attribute, or write a function"),
    ],
)
def test_an_owner_that_cannot_be_compared_is_told(model, words):
    """By name, rather than to find nothing, or everything."""
    with pytest.raises(SetupError, match=words):
        criterion_for(NO_LIMITS, Actor(id="7", permissions=MINE, method="jwt"), "rows:read", model, CONTEXT)


def test_a_policy_without_a_criterion_has_no_list():
    """`scope_for` cannot leave it out; it names it."""

    @policy("unlisted:read")
    def slow_rule(_actor, _row, _context):
        return True

    actor = Actor(id="7", permissions=Permissions.parse(["*"]), method="jwt")
    with pytest.raises(SetupError, match="slow_rule cannot be turned into SQL"):
        criterion_for(Policies([slow_rule]), actor, "unlisted:read", WithText, CONTEXT)


def test_the_own_form_of_a_permission_reaches_no_further(session):
    """`can(actor, "rows:read:own", row)` asks whether one may as the owner, also of who may read all."""
    session.execute(insert(WithText), [{"user_id": "7"}, {"user_id": "8"}])
    reader = Actor(id="7", permissions=Permissions.parse(["rows:*"]), method="jwt")
    rows = session.scalars(select(WithText)).all()
    criterion = criterion_for(NO_LIMITS, reader, "rows:read:own", WithText, CONTEXT)
    assert [allows(NO_LIMITS, reader, "rows:read:own", row, CONTEXT) for row in rows] == [True, False]
    assert read(session, WithText, criterion) == {rows[0].id}


def test_without_a_thing_nothing_is_owned():
    """`can(actor, permission)` says what roles grant for everything; the own form needs something to own."""
    asked = {"rows:read": True, "rows:read:own": False}
    for grant, expected in asked.items():
        actor = Actor(id="7", permissions=Permissions.parse([grant]), method="jwt")
        assert allows(NO_LIMITS, actor, "rows:read", None, CONTEXT) is expected
