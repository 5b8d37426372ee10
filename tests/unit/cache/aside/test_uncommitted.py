"""What is not committed is kept by nobody and told to nobody: PITFALLS C7."""

import asyncio
import threading

import pytest
from sqlalchemy import create_engine, delete, event, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from flask_backend_patterns import SetupError
from flask_backend_patterns._transaction import OpenTransaction, begin_write, joined_session
from flask_backend_patterns.cache import (
    cached,
    get_many_or_load,
    get_or_load,
    get_or_load_async,
    invalidate_after_commit,
    watch_changes,
    write_through,
    write_through_after_commit,
)
from flask_backend_patterns.cache.session_work import may_change_rows
from flask_backend_patterns.cache.uncommitted import sees_uncommitted


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    __cache_tags__ = ("item:{id}", "items")
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]


@pytest.fixture
def database(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path}/items.db")
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add(Item(id=1, price=100))
        session.commit()
    yield made
    made.dispose()


@pytest.fixture
def sessions(database):
    made = sessionmaker(database)
    watch_changes(made)
    return made


def change_unflushed(session):
    session.get(Item, 1).price = 0


def change_flushed(session):
    change_unflushed(session)
    session.flush()


def change_in_savepoint(session):
    session.execute(
        text("UPDATE items SET price = price")
    )  # the driver begins no transaction for a savepoint
    with session.begin_nested():
        change_flushed(session)


CHANGES = {
    "not flushed": change_unflushed,
    "flushed": change_flushed,
    "savepoint kept": change_in_savepoint,
    "new": lambda session: session.add(Item(id=2, price=2)),
    "deleted": lambda session: session.delete(session.get(Item, 1)),
    "update()": lambda session: session.execute(update(Item).values(price=0)),
    "delete()": lambda session: session.execute(delete(Item)),
    "insert of a table": lambda session: session.execute(insert(Item.__table__).values(id=3, price=1)),
    "bulk": lambda session: session.bulk_update_mappings(Item, [{"id": 1, "price": 0}]),
    "text": lambda session: session.execute(text(" update items set price = 0")),
    "text on its connection": lambda session: session.connection().execute(
        text("UPDATE items SET price = 0")
    ),
    "driver": lambda session: session.connection().exec_driver_sql("UPDATE items SET price = 0"),
    "told by hand": lambda session: invalidate_after_commit(session, keys=["k"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("end", ["rollback", "close"])
def test_nothing_uncommitted_is_kept(cache_app, sessions, change, end):
    """Whatever has changed it, and whichever function is called: not near, not in the store."""

    @cached(key="price:{number}", tags=["item:{number}"])
    def price(number):
        return session.scalar(select(Item.price).where(Item.id == number))

    with sessions() as session:
        change(session)
        seen = price(1)
        assert price.fresh(1) == seen
        assert get_or_load("k", lambda: "dirty") == "dirty"
        assert get_many_or_load(["a"], lambda _: {"a": "dirty"}) == {"a": "dirty"}
        assert asyncio.run(get_or_load_async("async", dirty)) == "dirty"
        write_through("written", "dirty")
        getattr(session, end)()
        assert price(1) == 100
        assert get_or_load("k", lambda: "clean") == "clean"
        assert get_many_or_load(["a"], lambda _: {"a": "clean"}) == {"a": "clean"}
        assert asyncio.run(get_or_load_async("async", clean)) == "clean"
        assert get_or_load("written", lambda: "clean") == "clean"


async def dirty():
    return "dirty"


async def clean():
    return "clean"


@pytest.mark.parametrize("near", [True, False])
def test_what_one_has_changed_one_sees(cache_app, sessions, near):
    """What was kept before is not read within the transaction; others read it until the commit."""
    with sessions() as session:

        def read():
            return get_or_load("k", lambda: session.get(Item, 1).price, tags=["item:1"], near=near)

        assert read() == 100
        change_flushed(session)
        assert read() == 0
        others = []
        thread = threading.Thread(target=lambda: others.append(in_app(cache_app, "k", near=near)))
        thread.start()
        thread.join(60)
        assert others == [100]
        session.commit()
        assert read() == 0
        assert get_or_load("k", pytest.fail, tags=["item:1"], near=near) == 0


def in_app(app, key, **options):
    with app.app_context():
        return get_or_load(key, pytest.fail, tags=["item:1"], **options)


def test_a_savepoint_that_is_undone_leaves_nothing(cache_app, sessions):
    """The values read within it go with it."""
    with sessions() as session:
        part = session.begin_nested()
        change_flushed(session)
        assert get_or_load("k", lambda: session.get(Item, 1).price) == 0
        part.rollback()
        session.commit()
        assert get_or_load("k", lambda: session.get(Item, 1).price) == 100


def test_a_load_that_changes_something_is_not_kept(cache_app, sessions):
    """Nor handed to who waits for it."""
    with sessions() as session:

        def load():
            change_flushed(session)
            return session.get(Item, 1).price

        assert get_or_load("k", load) == 0
        session.rollback()
        assert get_or_load("k", lambda: "clean") == "clean"


def test_who_waits_gets_nothing_uncommitted(cache_app, sessions):
    """He loads for himself."""
    changing, go_on = threading.Event(), threading.Event()
    results = []

    def lead():
        with cache_app.app_context(), sessions() as session:

            def load():
                session.execute(text("UPDATE items SET price = price WHERE id = -1"))
                changing.set()
                assert go_on.wait(60)
                return "dirty"

            results.append(get_or_load("k", load))
            session.rollback()

    def wait():
        with cache_app.app_context():
            results.append(get_or_load("k", lambda: "clean"))

    leader, waiter = threading.Thread(target=lead), threading.Thread(target=wait)
    leader.start()
    assert changing.wait(60)
    waiter.start()
    go_on.set()
    leader.join(60)
    waiter.join(60)
    assert sorted(results) == ["clean", "dirty"]


def test_what_only_reads_is_cached(cache_app, sessions):
    """An open transaction by itself keeps nothing from being kept."""
    with sessions() as session:
        session.execute(text("SELECT 1"))
        session.connection().exec_driver_sql("PRAGMA foreign_keys")
        assert not sees_uncommitted()
        assert get_or_load("k", lambda: session.get(Item, 1).price) == 100
        assert get_or_load("k", pytest.fail) == 100


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_caching_goes_on_after_the_end(cache_app, sessions, end):
    """Of the transaction, not of the session."""
    with sessions() as session:
        change_flushed(session)
        assert sees_uncommitted()
        getattr(session, end)()
        assert not sees_uncommitted()
        get_or_load("k", lambda: 1)
        assert get_or_load("k", pytest.fail) == 1


def test_a_session_that_is_dropped_counts_no_more(sessions):
    """Without a close: its connection has been given back, which rolls back."""
    session = sessions()
    change_flushed(session)
    assert sees_uncommitted()
    session.invalidate()
    del session
    assert not sees_uncommitted()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", False),
        ("  select 1", False),
        ("(SELECT 1)", False),
        ("SET LOCAL app.tenant = 1", False),
        ("SAVEPOINT a", False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", True),
        ("with a as (select 1) insert into b select * from a", True),
        ("INSERT INTO a VALUES (1)", True),
        ("update a set b = 1", True),
        ("/* hint */ SELECT 1", True),
        ("CALL procedure()", True),
        ("TRUNCATE a", True),
        ("", True),
    ],
)
def test_what_may_change_rows(statement, expected):
    """In doubt it does."""
    assert may_change_rows(statement) is expected


def test_a_part_of_an_open_transaction_is_not_committed(cache_app, database):
    """What a service commits inside `@idempotent` may still be undone: until then nothing is kept of it."""
    with joined(database) as transaction:
        with joined_session() as session:
            watch_changes(session)
            change_unflushed(session)
            write_through_after_commit(session, "written", 0)
            session.commit()
        with joined_session() as session:
            assert get_or_load("k", lambda: session.get(Item, 1).price, tags=["item:1"]) == 0
        assert get_or_load("written", lambda: "dirty") == "dirty"
        del transaction
    assert get_or_load("k", lambda: "clean", tags=["item:1"]) == "clean"
    assert get_or_load("written", lambda: "clean") == "clean"


def test_after_the_whole_transaction_the_cache_is_told(cache_app, database):
    """Of what its parts have changed."""
    get_or_load("k", lambda: "old", tags=["item:1"])
    with joined(database) as transaction:
        with joined_session() as session:
            watch_changes(session)
            change_unflushed(session)
            session.commit()
        transaction.commit()
    assert get_or_load("k", lambda: "new", tags=["item:1"]) == "new"


class joined:  # noqa: N801 - reads as a function
    """An open transaction, as `@idempotent` has."""

    def __init__(self, database):
        connection = database.connect()
        begin_write(connection)
        self.transaction = OpenTransaction(connection)

    def __enter__(self):
        self.transaction.enter()
        return self.transaction

    def __exit__(self, *_):
        self.transaction.leave()


@pytest.mark.parametrize("expires", [True, False])
def test_what_was_read_before_a_change_is_not_kept_after_it(cache_app, database, expires):
    """A session holds objects from before another's commit: its loader gives the old value, which nobody else gets."""
    sessions = sessionmaker(database, expire_on_commit=expires)
    watch_changes(sessions)
    with sessions() as reader:
        held = reader.get(Item, 1)
        reader.commit()
        assert held.price == 100

        def write():
            with cache_app.app_context(), sessions() as writer:
                writer.get(Item, 1).price = 200
                writer.commit()

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(60)
        assert get_or_load("k", lambda: reader.get(Item, 1).price, tags=["item:1"]) == 100
        assert get_or_load("other", lambda: "other", tags=["item:2"]) == "other"
        assert get_or_load("other", pytest.fail, tags=["item:2"]) == "other"
    with sessions() as reader:
        assert get_or_load("k", lambda: reader.get(Item, 1).price, tags=["item:1"]) == 200


def test_a_commit_outside_an_app_context(cache_app, sessions, caplog):
    """The apps that have used the sessions are told; where there is none it is logged, once."""
    with sessions() as session:
        session.get(Item, 1).price = 1
        session.commit()
    get_or_load("k", lambda: "old", tags=["item:1"])
    in_bare_thread(lambda: set_price(sessions, 2))
    assert get_or_load("k", lambda: "new", tags=["item:1"]) == "new"
    lonely = sessionmaker(sessions.kw["bind"])
    watch_changes(lonely)
    in_bare_thread(lambda: [set_price(lonely, number) for number in (3, 4)])
    assert [record.message.split(":")[0] for record in caplog.records] == ["cache_invalidation_lost"]


def test_the_app_can_be_given(cache_app, database):
    """To sessions that are used outside of it."""
    sessions = sessionmaker(database)
    watch_changes(sessions, app=cache_app)
    get_or_load("k", lambda: "old", tags=["item:1"])
    in_bare_thread(lambda: set_price(sessions, 2))
    assert get_or_load("k", lambda: "new", tags=["item:1"]) == "new"


def set_price(sessions, price):
    with sessions() as session:
        session.get(Item, 1).price = price
        session.commit()


def in_bare_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)


def test_what_is_no_session_is_refused(database):
    """With what to give instead."""
    with pytest.raises(SetupError, match=r"takes db\.session"):
        watch_changes(database)
    with pytest.raises(SetupError, match="no SQLAlchemy session"):
        invalidate_after_commit(database, tags=["t"])
    with Session(database) as session, pytest.raises(SetupError, match="takes lists"):
        invalidate_after_commit(session, tags="t")


def test_watching_listens_once_to_each_engine(sessions, database):
    """However many sessions there are."""
    for _ in range(3):
        with sessions() as session:
            session.get(Item, 1)
    seen = []
    event.listen(database, "before_cursor_execute", lambda *_: seen.append(1))
    once = len(list(database.dispatch.before_cursor_execute))
    with sessions() as session:
        session.get(Item, 1)
    assert len(list(database.dispatch.before_cursor_execute)) == once
