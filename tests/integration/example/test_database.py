"""Migrations and demo data, on both databases."""

import hashlib
from itertools import pairwise

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.security import generate_password_hash

from example_app.extensions import db
from example_app.models import Account, Base, Order, OrderLine, Transfer, User
from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS
from example_app.seeding.story import Sizes, Story
from example_app.seeding.writing import seed
from example_app.services.ordering import WantedLine, place_order
from example_app.transactions import write_transaction
from flask_backend_patterns import verify_password

SMALL = Sizes(users=30, products=50, orders=120)


@pytest.fixture
def migrate():
    """The migrations themselves, each time."""
    return upgrade


def test_migrations_make_what_the_models_say(shop):
    """Autogenerate finds nothing to add, on a database made by the migrations alone."""
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_sqlite_is_set_up_for_many_processes(shop):
    """Write-ahead log, waiting for locks, foreign keys: on each connection."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite")
    pragmas = {
        name: db.session.execute(text(f"PRAGMA {name}")).scalar()
        for name in ("journal_mode", "busy_timeout", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "busy_timeout": 10_000, "foreign_keys": 1}


def test_migrations_can_be_taken_back(shop):
    """Down to nothing and up again."""
    downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
    upgrade()
    assert "orders" in inspect(db.engine).get_table_names()


def test_logins_come_to_a_shop_that_has_data(shop, shop_app):
    """From before there were logins and back: nothing else is lost, everybody is active, and old passwords count."""
    seed(SMALL)
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET refunded_at = created_at WHERE id = 1"))
    kept = [User.id, User.email, User.role, User.created_at], [Order.id, Order.user_id, Order.total_cents]
    before = [rows_of(columns) for columns in kept]
    downgrade(revision="0002")
    assert not {"is_active", "verified_at"} & {one["name"] for one in inspect(db.engine).get_columns("users")}
    assert not [
        name for name in inspect(db.engine).get_table_names() if "api_keys" in name or "roles" in name
    ]
    old_hash = generate_password_hash("of years ago", method="pbkdf2:sha256:1000")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = :it WHERE id = 1"), {"it": old_hash})
    upgrade()
    assert [rows_of(columns) for columns in kept] == before
    assert set(rows_of([User.is_active, User.verified_at])) == {(True, None)}
    assert set(rows_of([Order.refunded_at])) == {(None,)}
    body = {"login": "customer@shop.example", "password": "of years ago"}
    assert shop_app.test_client().post("/auth/login", json=body).status_code == 200
    assert rows_of([User.password_hash])[0][0].startswith("$argon2id$")


def rows_of(columns):
    rows = [tuple(row) for row in db.session.execute(select(*columns).order_by(columns[0].table.c.id))]
    db.session.rollback()
    return rows


def all_rows():
    """Every row of every table, but for the salt in the password hashes."""
    digest = hashlib.sha256()
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if column.name != "password_hash"]
        for row in db.session.execute(select(*columns).order_by(*table.primary_key)):
            digest.update(repr(tuple(row)).encode())
    db.session.rollback()
    return digest.hexdigest()


def test_the_seed_is_always_the_same(shop):
    """Two seeds give the same rows, whatever the database; another size gives others."""
    seed(SMALL)
    first = all_rows()
    with write_transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    seed(SMALL)
    assert all_rows() == first


def test_the_story_is_always_the_same():
    """At full size, without a database: users, products, orders, lines and transfers are equal one by one."""

    def told():
        story = Story(Sizes(users=100, products=1_000, orders=2_000), password_hash="x")
        users, products = story.users(), story.products()
        batches = [(b.orders, b.lines, b.transfers) for b in story.order_batches(500)]
        return users, products, batches, story.accounts()

    assert told() == told()


def test_the_books_of_the_seed_balance(shop):
    """All balances add up to zero, each order is its lines' sum and has one transfer, each balance its transfers."""
    seed(SMALL)
    assert db.session.scalar(select(func.sum(Account.balance_cents))) == 0
    line_sums = select(func.sum(OrderLine.quantity * OrderLine.unit_price_cents)).where(
        OrderLine.order_id == Order.id
    )
    assert (
        db.session.scalars(select(Order.id).where(Order.total_cents != line_sums.scalar_subquery())).all()
        == []
    )
    amounts = select(Transfer.amount_cents, Order.total_cents).join(Order, Order.id == Transfer.order_id)
    pairs = db.session.execute(amounts).all()
    assert len(pairs) == SMALL.orders
    assert all(amount == total for amount, total in pairs)
    for account in db.session.scalars(select(Account)):
        gained = select(func.coalesce(func.sum(Transfer.amount_cents), 0))
        balance = db.session.scalar(gained.where(Transfer.to_account_id == account.id)) - db.session.scalar(
            gained.where(Transfer.from_account_id == account.id)
        )
        assert account.balance_cents == balance


def test_only_the_demo_can_log_in(shop):
    """Four verified users with one hash, a role each; all others are history."""
    seed(SMALL)
    demo = db.session.scalars(select(User).where(User.password_hash.is_not(None)).order_by(User.id)).all()
    assert [(user.email, user.role) for user in demo] == [(one.email, one.role) for one in DEMO_USERS]
    assert len({user.password_hash for user in demo}) == 1
    assert all(user.is_active and user.verified_at is not None for user in demo)
    assert verify_password(DEMO_PASSWORD, demo[0].password_hash)
    assert db.session.scalar(select(func.count()).select_from(User)) == SMALL.users


def test_a_seeded_shop_takes_orders(shop):
    """New rows get ids after those of the seed, on PostgreSQL's sequences too."""
    seed(SMALL)
    product = db.session.execute(
        text("SELECT sku FROM products WHERE stock > 1 ORDER BY id LIMIT 1")
    ).scalar()
    db.session.rollback()
    ids = [place_order(1, [WantedLine(sku=product, quantity=1)]).id for _ in range(2)]
    assert ids[0] > SMALL.orders
    assert all(later > earlier for earlier, later in pairwise(ids))


def test_the_seed_command_leaves_data_alone(shop):
    """A second `shop seed` says so, changes nothing and succeeds."""
    runner = shop.test_cli_runner()
    sizes = ["--users", "5", "--products", "5", "--orders", "5"]
    first = runner.invoke(args=["shop", "seed", *sizes])
    assert first.exit_code == 0, first.output
    before = all_rows()
    second = runner.invoke(args=["shop", "seed", *sizes])
    assert (second.exit_code, second.output) == (0, "The shop has data already; nothing was changed.\n")
    assert all_rows() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE products SET stock = -1",
        "UPDATE order_lines SET quantity = 0",
        "UPDATE transfers SET amount_cents = 0",
        "UPDATE users SET role = 'king'",
        "UPDATE orders SET user_id = 999999",
        "UPDATE transfers SET to_account_id = from_account_id",
    ],
)
def test_the_database_itself_refuses_nonsense(shop, change):
    """Constraints stand in the database, foreign keys on SQLite included."""
    seed(Sizes(users=5, products=5, orders=5))
    with pytest.raises(IntegrityError), write_transaction() as session:
        session.execute(text(change))


def test_times_come_back_in_utc(shop):
    """Aware and equal, on both databases; a naive time is refused."""
    seed(Sizes(users=5, products=5, orders=0))
    assert db.session.get(User, 1).created_at.isoformat() == "2025-01-01T08:00:00+00:00"
