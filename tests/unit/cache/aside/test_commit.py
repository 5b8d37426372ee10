"""Tags and keys of a transaction are forgotten after its commit, and only then."""

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from flask_backend_patterns.cache import (
    get_or_load,
    invalidate_after_commit,
    watch_changes,
    write_through_after_commit,
)


class Base(DeclarativeBase):
    pass


class Category(Base):
    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)


class Product(Base):
    __tablename__ = "products"
    __cache_tags__ = ("product:{id}", "category:{category_id}", "products")
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))


@pytest.fixture
def sessions():
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    made = sessionmaker(database)
    watch_changes(made)
    yield made
    database.dispose()


@pytest.fixture
def told(engine, monkeypatch):
    """What has been invalidated since."""
    seen = set()
    send = engine.invalidate

    def invalidate(**what):
        seen.update(what.get("tags", ()), what.get("keys", ()))
        send(**what)

    monkeypatch.setattr(engine, "invalidate", invalidate)
    return seen


def test_each_kind_of_change_tells_its_tags(sessions, told):
    """With old and new values; before `commit` returns, and not before the commit."""
    with sessions() as session:
        product = Product(id=1, category_id=5)
        session.add(product)
        session.flush()
        assert told == set()
        session.commit()
        assert told == {"product:1", "category:5", "products"}
        told.clear()
        product.category_id = 6  # expired by the commit: the old value was never loaded
        session.commit()
        assert told == {"product:1", "category:5", "category:6", "products"}
        told.clear()
        assert product.category_id == 6
        product.category_id = 7
        session.flush()
        product.category_id = 8
        session.commit()
        assert told == {"product:1", "category:6", "category:7", "category:8", "products"}
        told.clear()
        session.delete(product)
        session.commit()
        assert told == {"product:1", "category:8", "products"}


@pytest.mark.parametrize("statement", [update(Product).values(name="x"), delete(Product)])
def test_statements_tell_the_tags_without_fields(sessions, told, statement):
    """Which rows they change is not known."""
    with sessions() as session:
        session.execute(statement)
        session.commit()
    assert told == {"products"}


def test_what_only_reads_tells_nothing(sessions, told):
    """Also objects that were touched without a change."""
    with sessions() as session:
        session.add(Product(id=1))
        session.commit()
    told.clear()
    with sessions() as session:
        product = session.get(Product, 1)
        product.name = product.name
        session.commit()
        session.query(Product).all()
    assert told == set()


def test_a_rollback_forgets_what_was_pending_too(sessions, told):
    """Somebody may have read it and kept it, where nobody watches; nothing of it is told again after the next commit."""
    with sessions() as session:
        session.add(Product(id=1))
        session.flush()
        invalidate_after_commit(session, keys=["k"])
        session.rollback()
        assert told == {"product:1", "category:None", "products", "k"}
        told.clear()
        session.add(Product(id=2))
        session.flush()
        session.close()
        assert told == {"product:2", "category:None", "products"}
        told.clear()
        invalidate_after_commit(session, tags=["t"])
        session.commit()
    assert told == {"t"}


def test_savepoints(sessions, told):
    """One that is undone tells its own at once, and those within it; one that is kept waits for the commit."""
    with sessions() as session:
        session.begin()
        with session.begin_nested():
            invalidate_after_commit(session, tags=["kept"])
            with session.begin_nested():
                invalidate_after_commit(session, tags=["kept inside"])
        undone = session.begin_nested()
        invalidate_after_commit(session, tags=["undone"])
        with session.begin_nested():
            invalidate_after_commit(session, tags=["undone inside"])
        assert told == set()
        undone.rollback()
        assert told == {"undone", "undone inside"}
        told.clear()
        invalidate_after_commit(session, tags=["outside"])
        assert told == set()
        session.commit()
    assert told == {"kept", "kept inside", "outside"}


def test_a_commit_that_fails_may_have_been_done(sessions, told):
    """Nobody knows whether the database has it: what it changed is forgotten to be sure."""
    with sessions() as session:
        invalidate_after_commit(session, tags=["t"])
        session.connection().connection.driver_connection.close()
        with pytest.raises(Exception, match="closed"):
            session.commit()
    assert told == {"t"}


def test_write_through_after_commit(cache_app, sessions):
    """Kept after the commit, not after a rollback."""
    with sessions() as session:
        write_through_after_commit(session, "k", "new")
        session.rollback()
        assert get_or_load("k", lambda: "loaded") == "loaded"
        write_through_after_commit(session, "k", "new")
        session.commit()
    assert get_or_load("k", pytest.fail) == "new"


def test_a_session_without_watching(cache_app, told):
    """`invalidate_after_commit` works on any."""
    with Session(create_engine("sqlite://")) as session:
        invalidate_after_commit(session, tags=["t"])
        session.commit()
    assert told == {"t"}
