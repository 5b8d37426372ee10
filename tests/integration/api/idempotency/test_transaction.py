"""The open transaction that sessions join, on SQLite and PostgreSQL."""

import threading
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from flask_backend_patterns import SetupError
from flask_backend_patterns._transaction import OpenTransaction, begin_write, current_transaction
from flask_backend_patterns.data.transaction import after_commit, joined_session


@pytest.fixture
def open_transaction(app):
    """Open one on the app's engine; committed at the end of the block unless it raises."""

    @contextmanager
    def opened():
        connection = app.db.engine.connect()
        begin_write(connection)
        transaction = OpenTransaction(connection)
        transaction.enter()
        try:
            yield transaction
            transaction.commit()
        finally:
            transaction.leave()

    with app.app_context():
        yield opened
        assert app.db.engine.pool.checkedout() == 0


def write(session, order_app, name):
    with session, session.begin():
        session.add(order_app.Order(name=name))


def test_without_a_transaction_there_is_nothing_to_join(app):
    """None, and callbacks are called at once; what one raises is logged, not raised."""
    called = []
    with app.app_context():
        assert joined_session() is None
        after_commit(lambda: called.append(1))
        after_commit(lambda: 1 / 0)
    assert called == [1]


def test_a_failing_callback_is_logged_outside_of_any_app(caplog):
    """Also where no app says where to log."""
    after_commit(lambda: 1 / 0)
    assert [record.message for record in caplog.records] == ["after_commit_failed"]


def test_a_joined_session_commits_with_the_transaction(app, open_transaction, order_app):
    """Its commit is not seen from outside until the outer one."""
    with open_transaction():
        write(joined_session(), order_app, "one")
        with app.db.engine.connect() as other:
            assert other.scalar(text("SELECT count(*) FROM orders")) == 0
    assert order_app.order_names(app) == ["one"]
    assert current_transaction() is None


def test_nothing_stays_when_the_transaction_is_rolled_back(app, open_transaction, order_app):
    """Neither the joined session's committed part nor its callbacks."""
    called = []

    def fail():
        with open_transaction():
            write(joined_session(), order_app, "one")
            after_commit(lambda: called.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (order_app.order_names(app), called) == ([], [])


def test_callbacks_go_with_the_part_they_belong_to(app, open_transaction, order_app):
    """Parts nested in parts: what is rolled back calls nothing, what is kept calls in order."""
    called = []

    def note(name):
        after_commit(lambda: called.append(name))

    with open_transaction():
        note("first")
        session = joined_session()
        with session:
            session.add(order_app.Order(name="kept"))
            session.flush()
            note("kept")
            with session.begin_nested() as inner:
                note("undone inside")
                inner.rollback()
            note("kept too")
            session.commit()
            session.add(order_app.Order(name="undone"))
            session.flush()
            note("undone")
            session.rollback()
        with joined_session() as other, suppress(ZeroDivisionError), other.begin():
            note("undone before anything was written")
            raise ZeroDivisionError
        note("last")
    assert called == ["first", "kept", "kept too", "last"]
    assert order_app.order_names(app) == ["kept"]


def test_a_callback_may_write_and_register_others(app, open_transaction, order_app):
    """The transaction is over by then: it works on its own, and later callbacks are called at once."""
    called = []

    def write_more():
        assert joined_session() is None
        app.db.session.add(order_app.Order(name="by callback"))
        app.db.session.commit()
        after_commit(lambda: called.append("at once"))

    with open_transaction():
        after_commit(write_more)
        after_commit(lambda: called.append("second"))
    assert called == ["at once", "second"]
    assert order_app.order_names(app) == ["by callback"]


@pytest.mark.parametrize("expires", [True, False])
def test_a_reading_session_does_not_take_a_joined_one_with_it(expires, app, open_transaction, order_app):
    """`db.session` that has only read may be rolled back later; what it loaded is not read again for that."""
    with Session(app.db.engine) as session, session.begin():
        session.add(order_app.Order(name="before"))
    with open_transaction() as transaction:
        db_session = app.db.session()
        db_session.expire_on_commit = expires
        transaction.join(db_session)
        loaded = db_session.scalars(select(order_app.Order)).one()
        write(joined_session(), order_app, "one")
        assert "name" in vars(loaded)
        assert db_session.expire_on_commit is expires
        db_session.rollback()
        assert loaded in db_session
    assert order_app.order_names(app) == ["before", "one"]


@pytest.mark.parametrize("change", ["flush", "statement", "pending"])
def test_a_writing_session_is_not_ended_by_a_joined_one(change, app, open_transaction, order_app):
    """What `db.session` has written and not committed is still undone by its rollback."""
    with open_transaction() as transaction:
        db_session = app.db.session()
        transaction.join(db_session)
        db_session.scalars(select(order_app.Order)).all()
        if change == "statement":
            db_session.execute(text("INSERT INTO orders (name) VALUES ('undone')"))
        else:
            db_session.add(order_app.Order(name="undone"))
            if change == "flush":
                db_session.flush()
        with joined_session():
            db_session.rollback()
    assert order_app.order_names(app) == []


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("writes", [False, True])
def test_db_session_used_inside_a_joined_session(fails, writes, app, open_transaction, order_app):
    """It may read there (an expired user), and write; when the joined one fails, its lost writes are not hidden."""

    def run():
        with open_transaction() as transaction:
            db_session = app.db.session()
            transaction.join(db_session)
            with suppress(ZeroDivisionError), joined_session() as session, session.begin():
                session.add(order_app.Order(name="joined"))
                session.flush()
                db_session.scalars(select(order_app.Order)).all()
                if writes:
                    db_session.add(order_app.Order(name="by db.session"))
                    db_session.flush()
                if fails:
                    raise ZeroDivisionError
            db_session.add(order_app.Order(name="later"))
            db_session.commit()

    if fails and writes:
        with pytest.raises(SetupError, match=r"commit db\.session first"):
            run()
        expected = []
    else:
        run()
        expected = ["later"] + ["by db.session"] * writes + ["joined"] * (not fails)
    app.db.session.rollback()
    assert order_app.order_names(app) == sorted(expected)


@pytest.mark.parametrize("outer", ["db.session", "joined", "nested", "nested, then kept"])
@pytest.mark.parametrize("writes", [False, True])
def test_what_a_joined_session_committed_is_not_lost_silently(
    writes, outer, app, open_transaction, order_app
):
    """Committed inside another session's open part that is rolled back later: an error, not an answer without order."""

    def run():
        with open_transaction() as transaction:
            session = app.db.session() if outer == "db.session" else joined_session()
            if outer == "db.session":
                transaction.join(session)
            session.add(order_app.Order(name="undone"))
            session.flush()
            part = session.begin_nested() if outer.startswith("nested") else None
            session.connection()  # sets the part's savepoint
            with joined_session() as other, other.begin():
                other.scalars(select(order_app.Order)).all()
                if writes:
                    other.add(order_app.Order(name="joined"))
            if outer == "nested, then kept":
                part.commit()
            elif part:
                part.rollback()
            session.rollback()

    if writes:
        with pytest.raises(SetupError, match="inside the open part of another one"):
            run()
    else:
        run()
    assert order_app.order_names(app) == []


def test_a_session_may_roll_back_what_it_committed_in_parts_of_its_own(app, open_transaction, order_app):
    """Nobody else's writes are lost by that."""
    with open_transaction(), joined_session() as session:
        with session.begin_nested():
            session.add(order_app.Order(name="undone"))
        session.rollback()
        session.add(order_app.Order(name="kept"))
        session.commit()
        session.add(order_app.Order(name="undone too"))
        session.flush()
        session.rollback()
    assert order_app.order_names(app) == ["kept"]


@pytest.mark.parametrize("statement", ["SELECT 1", "\n  select\n 1"])
def test_a_select_written_as_text_is_reading(statement, app, open_transaction, order_app):
    """What a joined session writes afterwards does not go with the rollback of a session that has only read."""
    with open_transaction() as transaction:
        db_session = app.db.session()
        transaction.join(db_session)
        db_session.execute(text(statement))
        write(joined_session(), order_app, "one")
        db_session.rollback()
    assert order_app.order_names(app) == ["one"]


def test_a_session_is_given_back_as_it_was(app, open_transaction, order_app):
    """Afterwards it chooses its engine again, and holds no listener of ours."""
    with app.app_context():
        db_session = app.db.session()
        before = dict(vars(db_session))
    with open_transaction() as transaction:
        transaction.join(app.db.session())
    db_session = app.db.session()
    assert {name: name in vars(db_session) for name in ("get_bind", "join_transaction_mode")} == {
        name: name in before for name in ("get_bind", "join_transaction_mode")
    }
    assert db_session.join_transaction_mode == before["join_transaction_mode"]
    assert db_session.get_bind() is app.db.engine


def test_other_threads_are_outside(open_transaction):
    """A transaction belongs to the request that opened it."""
    found = []
    with open_transaction():
        thread = threading.Thread(target=lambda: found.append(joined_session()))
        thread.start()
        thread.join()
    assert found == [None]


def test_a_transaction_within_another_ends_first(open_transaction, postgres_url, make_app):
    """The inner one is meant while it is open, the outer one again afterwards."""
    other = make_app(postgres_url)
    with open_transaction() as outer:
        with other.app_context():
            connection = other.db.engine.connect()
        begin_write(connection)
        inner = OpenTransaction(connection)
        inner.enter()
        assert current_transaction() is inner
        inner.leave()
        assert current_transaction() is outer
