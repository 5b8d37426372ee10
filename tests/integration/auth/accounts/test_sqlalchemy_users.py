"""Users in the app's database: found by what people type, changed, and added without a second of the same login."""

import enum
import itertools
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Barrier

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Uuid,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    mapped_column,
    relationship,
    sessionmaker,
)

from flask_backend_patterns import ConflictError, NotFoundError, SetupError, ValidationError
from flask_backend_patterns.auth.sqlalchemy_users import SQLAlchemyUsers
from flask_backend_patterns.auth.users import UserAttributes, UserMixin, Users

NOBODY = {
    "empty": "",
    "blank": "   ",
    "nul": "a\x00@example.com",
    "surrogate": "\ud800",
    "huge": "a" * 1_000_000,
    "control": "\x1b[2J\r\n",
    "quotes": "' OR '1'='1",
    "percent": "%",
    "underscore": "_@example.com",
}
NO_IDS = {
    **NOBODY,
    "float": "1.0",
    "plus": "+1",
    "leading zero": "01",
    "space": " 1",
    "newline": "1\n",
    "separator": "1_0",
    "arabic digit": "\u0661",
    "exponent": "1e0",
    "hexadecimal": "0x1",
    "negative": "-1",
    "32 bits": str(2**31),
    "63 bits": str(2**63 - 1),
    "64 bits": str(2**63),
    "many digits": "9" * 5_000,
    "null": "null",
    "not there": "99",
}


def add(app, login="bob@example.com", **options):
    return app.users.add(
        **{"login": login, "password_hash": None, "is_verified": False, "details": {}, **options}
    )


@pytest.mark.parametrize(
    "typed", ["bob@example.com", "BOB@Example.COM", " bob@example.com\n", "Bob@example.com"]
)
def test_a_login_is_found_without_regard_to_case(app, typed):
    """What people type is found whatever its case, and with spaces around it."""
    user = add(app, "Bob@Example.com")
    assert app.users.find_by_login(typed).auth_id == user.auth_id
    assert user.auth_login == "bob@example.com"


@pytest.mark.parametrize(
    "typed", ["É@example.com", "é@example.com", "e\u0301@example.com", "E\u0301@EXAMPLE.com"]
)
def test_letters_beyond_ascii_are_found_too(app, typed):
    """Although `lower` of SQLite knows ASCII only, and a letter can be written in two ways."""
    add(app, "É@example.com")
    assert app.users.find_by_login(typed).auth_login == "é@example.com"


@pytest.mark.parametrize("stored", ["Bob@Example.com", "ÉMILE@example.com"])
def test_rows_of_older_times_are_found(app, stored):
    """A login stored in capitals, by code that knew no lower case, is found as it is written."""
    app.db.session.add(app.User(email=stored))
    app.db.session.commit()
    assert app.users.find_by_login(stored).auth_login == stored
    with pytest.raises(ConflictError):
        add(app, stored)


def test_of_logins_that_differ_by_case_only_the_exact_one_counts(app):
    """Two such rows of older times: who types one exactly gets that one, anything else is nobody."""
    for email in ("Bob@example.com", "bob@example.com"):
        app.db.session.add(app.User(email=email))
    app.db.session.commit()
    assert app.users.find_by_login("Bob@example.com").auth_login == "Bob@example.com"
    assert app.users.find_by_login("bob@example.com").auth_login == "bob@example.com"
    assert app.users.find_by_login("BOB@example.com") is None


def test_a_login_that_nobody_can_have_is_none(app):
    """No text that a request can bring is an error, or a pattern."""
    add(app)
    for name, login in NOBODY.items():
        assert app.users.find_by_login(login) is None, name


def test_an_id_is_found(app):
    """By the text that `auth_id` gave."""
    user = add(app)
    assert app.users.find_by_id(user.auth_id).auth_login == "bob@example.com"


def test_an_id_that_nobody_has_is_none(app):
    """No text that a token can bring is an error, and no second spelling of an id is that id."""
    assert add(app).auth_id == "1"
    for name, auth_id in NO_IDS.items():
        assert app.users.find_by_id(auth_id) is None, name


def test_what_is_found_can_be_read_afterwards(app):
    """Every attribute of the protocol and every column, without a session and without a connection."""
    add(app, details={"name": "Bob"}, password_hash="h", is_verified=True)
    user = app.users.find_by_login("bob@example.com")
    assert app.db.engine.pool.checkedout() == 0
    assert (user.auth_password_hash, tuple(user.auth_roles), user.auth_is_active, user.auth_is_verified) == (
        "h",
        (),
        True,
        True,
    )
    assert (user.name, user.email, user.id) == ("Bob", "bob@example.com", 1)
    assert app.db.session.registry.has() is False


def test_a_new_user_has_what_was_given_and_nothing_else(app):
    """Active, without roles, verified only when said so, the time from the clock."""
    user = add(app, password_hash="hash", is_verified=True, details={"name": "Bob"})
    assert (user.auth_password_hash, user.name, user.roles, user.is_active) == ("hash", "Bob", [], True)
    assert user.verified_at.replace(tzinfo=UTC) == datetime.fromtimestamp(1_800_000_000, UTC)
    assert not add(app, "other@example.com").auth_is_verified


@pytest.mark.parametrize("login", ["bob@example.com", "BOB@example.com", " bob@example.com "])
def test_a_login_that_is_taken_is_a_conflict(app, login):
    """Whatever its case."""
    add(app)
    with pytest.raises(ConflictError, match="taken"):
        add(app, login)


def test_of_64_who_register_one_login_one_gets_it(app, burst):
    """32 threads in each of 2 processes: one row, 63 conflicts, no other error."""
    got = burst("add_user", "Bob@Example.com")
    assert (got.count("CONFLICT"), len(got)) == (63, 64)
    (winner,) = set(got) - {"CONFLICT"}
    assert app.users.find_by_login("bob@example.com").auth_id == winner
    assert app.db.session.scalar(text("SELECT count(*) FROM users")) == 1


def test_a_login_that_cannot_be_stored_is_refused(app):
    """As invalid input that names the field."""
    for name in NOBODY.keys() - {"quotes", "percent", "underscore"}:
        with pytest.raises(ValidationError) as refused:
            add(app, NOBODY[name])
        assert refused.value.details[0]["field"] == "login", name


FORBIDDEN_DETAILS = [
    ("is_active", False),
    ("roles", ["admin"]),
    ("id", 7),
    ("password_hash", "x"),
    ("email", "other@example.com"),
    ("verified_at", None),
    ("auth_roles", ("admin",)),
    ("__class__", int),
    ("nonsense", 1),
    ("name", "x" * 21),
    ("name", "\x00"),
    ("name", "\ud800"),
]


def test_details_that_may_not_be_set_are_refused(app):
    """Nobody registers as an administrator; the error names the field."""
    for name, value in FORBIDDEN_DETAILS:
        with pytest.raises(ValidationError) as refused:
            add(app, details={name: value})
        assert refused.value.details[0]["field"] == name
        assert app.users.find_by_login("bob@example.com") is None, name


def test_details_of_a_wrong_type_are_refused(app):
    """What the column cannot take is invalid input, not a fault."""
    for value in ("not a time", 7, object()):
        with pytest.raises(ValidationError):
            add(app, details={"born_at": value})
        assert app.users.find_by_login("bob@example.com") is None


def test_a_password_hash_is_replaced(app, clock):
    """And the address verified, once: the first time stays."""
    user = add(app, password_hash="old")
    app.users.set_password_hash(user.auth_id, "new")
    app.users.set_verified(user.auth_id)
    clock.now += 100
    app.users.set_verified(user.auth_id)
    changed = app.users.find_by_id(user.auth_id)
    assert changed.auth_password_hash == "new"
    assert changed.verified_at.replace(tzinfo=UTC) == datetime.fromtimestamp(1_800_000_000, UTC)


def test_of_many_that_replace_the_same_hash_one_wins(app):
    """16 threads at once, each with a hash of its own for the old one: whoever comes second changes nothing."""
    user = add(app, password_hash="old")
    barrier = Barrier(16, timeout=30)

    def replace(number):
        with app.app_context():
            barrier.wait()
            return app.users.set_password_hash(user.auth_id, f"new {number}", replaces="old")

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(replace, range(16)))
    assert won.count(True) == 1
    assert app.users.find_by_id(user.auth_id).auth_password_hash == f"new {won.index(True)}"


def test_changing_nobody_is_not_found(app):
    """The user may have been deleted in the meantime."""
    for auth_id in ("99", "x", "", "\x00", str(2**70)):
        with pytest.raises(NotFoundError):
            app.users.set_password_hash(auth_id, "x")
        with pytest.raises(NotFoundError):
            app.users.set_verified(auth_id)


def test_a_conflict_within_a_transaction_leaves_the_transaction_usable(app):
    """What was written before and what comes after is committed."""
    with app.tokens.transaction():
        add(app, "first@example.com")
        with pytest.raises(ConflictError):
            add(app, "first@example.com")
        add(app, "second@example.com")
    assert app.users.find_by_login("first@example.com") is not None
    assert app.users.find_by_login("second@example.com") is not None


@pytest.fixture
def make_users(empty_database_url):
    """A store on a model made from a class body, in an app of its own."""
    apps = []

    def make(body, *, base=UserAttributes, **options):
        app = Flask("models")
        app.config["SQLALCHEMY_DATABASE_URI"] = empty_database_url

        class Base(DeclarativeBase):
            pass

        db = SQLAlchemy(app, model_class=Base)
        body = body(db) if callable(body) else body
        model = type("Person", (base, db.Model), {"__tablename__": "people", **body})
        context = app.app_context()
        context.push()
        apps.append((db, context))
        db.create_all()
        return SQLAlchemyUsers(model, **options), db

    yield make
    for db, context in apps:
        db.session.remove()
        assert db.engine.pool.checkedout() == 0
        db.engine.dispose()
        context.pop()


def old_columns(**more):
    """A model as an app of some years may have it."""
    return {
        "person_id": Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        "username": Column(String(80), nullable=False, unique=True),
        "pw_hash": Column(String(200)),
        "auth_login_attribute": "username",
        "auth_password_attribute": "pw_hash",
        "auth_roles_attribute": None,
        "auth_active_attribute": None,
        "auth_verified_attribute": None,
        **more,
    }


NEW = {"login": "Bob", "password_hash": "h", "is_verified": True, "details": {}}


def test_a_model_with_other_names_needs_no_new_columns(make_users):
    """Login, hash and id by whatever names; without the other columns there are no roles, and all are active."""
    users, _ = make_users(old_columns())
    user = users.add(**NEW)
    assert users.find_by_login("BOB").auth_id == user.auth_id == "1"
    assert (user.auth_roles, user.auth_is_active, user.auth_is_verified) == ((), True, False)
    users.set_password_hash("1", "new")
    assert users.find_by_id("1").auth_password_hash == "new"
    with pytest.raises(SetupError, match="verified"):
        users.set_verified("1")


@pytest.mark.parametrize(
    ("column", "empty"),
    [
        (lambda: Column(Boolean, default=False), False),
        (lambda: Column(Integer), None),
        (lambda: Column(DateTime), None),
        (lambda: Column(DateTime(timezone=True)), None),
    ],
    ids=["boolean", "integer", "naive time", "time"],
)
def test_whether_an_address_is_verified_is_kept_as_the_column_keeps_it(make_users, column, empty):
    """A truth value, seconds, a time with or without zone."""
    users, _ = make_users(old_columns(seen=column(), auth_verified_attribute="seen"))
    user = users.add(**{**NEW, "is_verified": False})
    assert (user.seen, user.auth_is_verified) == (empty, False)
    users.set_verified(user.auth_id)
    assert users.find_by_id(user.auth_id).auth_is_verified
    assert users.add(**{**NEW, "login": "other"}).auth_is_verified


class Rank(enum.Enum):
    ADMIN = "admin"


@pytest.mark.parametrize(
    ("column", "value", "names"),
    [
        (lambda: Column(String(80)), "support, manager,", ("support", "manager")),
        (lambda: Column(String(80)), "admin", ("admin",)),
        (lambda: Column(String(80)), None, ()),
        (lambda: Column(Enum(Rank, native_enum=False)), Rank.ADMIN, ("admin",)),
    ],
    ids=["commas", "one", "null", "enumeration"],
)
def test_roles_are_read_from_what_the_column_keeps(make_users, column, value, names):
    """Text, with commas or without, or an enumeration."""
    users, db = make_users(old_columns(role=column(), auth_roles_attribute="role"))
    db.session.add(users.model(username="bob", role=value))
    db.session.commit()
    assert users.find_by_login("bob").auth_roles == names


def test_roles_may_be_a_relationship(make_users):
    """Rows of another table: their names, read while the session was open."""

    def body(db):
        link = Table(
            "person_roles",
            db.metadata,
            Column("p", ForeignKey("people.person_id")),
            Column("r", ForeignKey("roles.id")),
        )

        class Role(db.Model):
            __tablename__ = "roles"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        db.Role = Role
        return old_columns(groups=relationship(Role, secondary=link), auth_roles_attribute="groups")

    users, db = make_users(body)
    db.session.add(users.model(username="bob", groups=[db.Role(name="admin"), db.Role(name="support")]))
    db.session.commit()
    assert sorted(users.find_by_login("bob").auth_roles) == ["admin", "support"]


@pytest.mark.parametrize(
    "kind", [Uuid, lambda: Uuid(as_uuid=False), lambda: String(36)], ids=["uuid", "uuid as text", "text"]
)
def test_ids_may_be_uuids_or_text(make_users, kind):
    """Found by their one spelling; what is none is nobody."""
    columns = old_columns(person_id=Column(kind(), primary_key=True))
    users, db = make_users(columns)
    value = uuid.uuid4()
    as_text = not isinstance(kind(), Uuid) or not kind().as_uuid
    db.session.add(users.model(person_id=str(value) if as_text else value, username="bob"))
    db.session.commit()
    assert users.find_by_id(str(value)).auth_login == "bob"
    for wrong in (str(value).upper(), value.hex, f"{{{value}}}", "", "\x00", "x", "1", "\ud800", "é" * 36):
        assert users.find_by_id(wrong) is None


def test_tokens_may_carry_another_id_than_the_primary_key(make_users):
    """`auth_id_attribute` names a column that never changes."""
    columns = old_columns(public=Column(String(20), unique=True), auth_id_attribute="public")
    columns["auth_id"] = property(lambda self: self.public)
    users, db = make_users(columns)
    db.session.add(users.model(username="bob", public="p-1"))
    db.session.commit()
    assert users.find_by_id("p-1").auth_login == "bob"
    assert users.find_by_id("1") is None


def test_two_primary_key_columns_need_a_choice(make_users):
    """The error names the attribute to set."""
    users, _ = make_users(old_columns(tenant=Column(Integer, primary_key=True)))
    with pytest.raises(SetupError, match="auth_id_attribute"):
        users.find_by_id("1")


@pytest.mark.parametrize(
    ("more", "is_warned"),
    [
        ({"username": lambda: Column(String(80))}, True),
        ({"username": lambda: Column(String(80), index=True)}, True),
        ({"username": lambda: Column(String(80), unique=True)}, False),
        ({"username": lambda: Column(String(80), unique=True, index=True)}, False),
        (
            {
                "__table_args__": lambda: (Index("u", text("lower(username)"), unique=True),),
                "username": lambda: Column(String(80)),
            },
            False,
        ),
        (
            {
                "__table_args__": lambda: (Index("u", "username", "pw_hash", unique=True),),
                "username": lambda: Column(String(80)),
            },
            True,
        ),
    ],
    ids=["none", "index", "unique", "unique index", "lower case", "with another column"],
)
def test_a_login_that_the_database_does_not_keep_unique_is_warned_of(make_users, caplog, more, is_warned):
    """Once, when the first user is added: in a race there would be two."""
    users, _ = make_users(old_columns(**{name: column() for name, column in more.items()}))
    with caplog.at_level(logging.WARNING, "flask_backend_patterns"):
        users.add(**NEW)
        users.add(**{**NEW, "login": "other"})
    assert len([record for record in caplog.records if "login_not_unique" in record.message]) == int(
        is_warned
    )


def test_an_index_on_the_attribute_in_lower_case_counts(make_users, caplog):
    """As docs/users.md advises: `Index(..., func.lower(User.username), unique=True)`."""
    users, db = make_users(old_columns(username=Column(String(80))))
    Index("by_login", func.lower(users.model.username), unique=True).create(db.engine)
    with caplog.at_level(logging.WARNING, "flask_backend_patterns"):
        users.add(**NEW)
    assert caplog.records == []


def test_sessions_of_your_own_are_used(make_users):
    """A `sessionmaker` of plain SQLAlchemy; objects stay readable although it expires them on commit."""
    other, db = make_users(old_columns())
    users = SQLAlchemyUsers(other.model, sessions=sessionmaker(db.engine))
    user = users.add(**NEW)
    assert user.auth_login == "bob"
    assert users.find_by_id(user.auth_id).username == "bob"
    assert db.session.registry.has() is False


def test_another_column_that_is_violated_is_no_taken_login(make_users):
    """The database's own error passes through, for the error translation."""
    users, _ = make_users(old_columns(nick=Column(String(20), unique=True)), details=("nick",))
    users.add(**{**NEW, "details": {"nick": "x"}})
    with pytest.raises(Exception, match=r"(?i)unique") as raised:
        users.add(**{**NEW, "login": "other", "details": {"nick": "x"}})
    assert not isinstance(raised.value, ConflictError)


def test_columns_of_the_mixin_can_be_replaced(make_users):
    """A column that the model defines itself wins; None leaves it out."""
    body = {
        "id": Column(Integer, primary_key=True),
        "email": Column(String(30), unique=True),
        "verified_at": None,
        "auth_verified_attribute": None,
    }
    users, _ = make_users(body, base=UserMixin)
    assert users.model.__table__.c.email.type.length == 30
    assert set(users.model.__table__.c.keys()) == {"id", "email", "password_hash", "is_active", "roles"}
    assert users.add(**NEW).auth_login == "bob"


@pytest.mark.parametrize(
    "given",
    [None, 7, object(), lambda: None, lambda: 7],
    ids=["nothing", "number", "object", "makes nothing", "makes a number"],
)
def test_an_app_without_users_is_told_what_to_hand_over(given):
    """The error comes when users are first needed, and names the ways."""
    with pytest.raises(SetupError, match="BackendPatterns"):
        _ = Users(given).store


def test_a_store_a_model_and_a_function_are_taken(app):
    """Each of them gives one store, the same each time."""
    for given in (app.users, app.User, lambda: app.users):
        users = Users(given)
        assert users.store is users.store
        assert users.store.find_by_id("1") is None


@pytest.mark.parametrize(
    ("column", "wrong", "right"),
    [
        (Boolean, [1, "yes", []], True),
        (Integer, [True, "7", 1.5, 2**63, -(2**70), {}], 7),
        (lambda: Numeric(10, 2), [True, "7", []], 7),
        (DateTime, ["2020-01-01", 7, date(2020, 1, 1)], datetime(2020, 1, 1)),  # noqa: DTZ001 - as the column is
        (Date, ["2020-01-01", 7], date(2020, 1, 1)),
        (lambda: String(3), [7, b"x", ["x"], "xxxx"], "xxx"),
    ],
    ids=["boolean", "integer", "number", "time", "date", "text"],
)
def test_details_fit_their_columns(make_users, column, wrong, right):
    """What a column cannot take is invalid input that names the field; what it can, and None, is stored."""
    users, _ = make_users(old_columns(extra=Column(column())), details=("extra",))
    for value in wrong:
        with pytest.raises(ValidationError) as refused:
            users.add(**{**NEW, "details": {"extra": value}})
        assert refused.value.details[0]["field"] == "extra"
    assert users.add(**{**NEW, "details": {"extra": right}}).extra == right
    assert users.add(**{**NEW, "login": "other", "details": {"extra": None}}).extra is None


def test_a_number_beyond_the_column_is_refused(make_users):
    """PostgreSQL has integers of 32 bits, SQLite of 64: in neither it is a fault."""
    users, _ = make_users(old_columns(extra=Column(Integer)), details=("extra",))
    try:
        assert users.add(**{**NEW, "details": {"extra": 2**40}}).extra == 2**40
    except ValidationError:
        assert users.find_by_login("Bob") is None


def test_a_dataclass_model_has_columns_of_its_own(empty_database_url):
    """`MappedAsDataclass` with `UserAttributes`, as docs/users.md says."""

    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Person(UserAttributes, Base, kw_only=True):
        __tablename__ = "people"
        auth_roles_attribute = auth_active_attribute = auth_verified_attribute = None
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        email: Mapped[str] = mapped_column(unique=True)
        password_hash: Mapped[str | None] = mapped_column(default=None)

    engine = create_engine(empty_database_url)
    Base.metadata.create_all(engine)
    users = SQLAlchemyUsers(Person, sessions=sessionmaker(engine))
    assert users.add(**NEW).auth_login == "bob"
    assert users.find_by_id("1").auth_password_hash == "h"
    engine.dispose()


def test_sessions_bound_to_a_connection_stay_in_its_transaction(make_users):
    """As tests do that roll back: nothing of it is left."""
    other, db = make_users(old_columns())
    with db.engine.connect() as connection:
        outer = connection.begin()
        if db.engine.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "BEGIN"
            )  # the driver would begin with the first savepoint, and end with it
        make = sessionmaker(connection, join_transaction_mode="create_savepoint")
        users = SQLAlchemyUsers(other.model, sessions=make)
        users.add(**NEW)
        with pytest.raises(ConflictError):
            users.add(**NEW)
        assert users.find_by_login("bob") is not None
        outer.rollback()
    assert other.find_by_login("bob") is None


def test_users_in_memory_are_found_too(account_app):
    """SQLite without a file has one connection for all: what `db.session` has begun goes on."""
    app = account_app.create_app("sqlite://")
    with app.app_context():
        app.db.create_all()
        app.db.session.add(app.User(email="first@example.com"))
        app.db.session.flush()
        assert add(app, "second@example.com").auth_id == "2"
        app.db.session.commit()
        assert app.users.find_by_login("first@example.com").auth_id == "1"
        app.db.session.remove()
        app.db.engine.dispose()


def test_many_register_at_once_on_an_engine_that_begins_by_itself(account_app, sqlite_url):
    """SQLite with SQLAlchemy's recipe (a BEGIN for each transaction) and WAL: reading first and writing later is no error."""
    app = account_app.create_app(sqlite_url)
    with app.app_context():
        engine = app.db.engine
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA journal_mode = wal")
        app.db.create_all()
        numbers = itertools.count()
        got = account_app.in_threads(
            app, lambda: add(app, f"user{next(numbers)}@example.com").auth_id, count=16
        )
        assert sorted(got, key=int) == [str(number) for number in range(1, 17)]
        engine.dispose()
