"""A response that shows what is not committed is for its request alone."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from flask_backend_patterns import cached_view
from flask_backend_patterns.cache import watch_changes


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]


@pytest.fixture
def sessions(tmp_path):
    database = create_engine(f"sqlite:///{tmp_path}/items.db")
    Base.metadata.create_all(database)
    made = sessionmaker(database)
    watch_changes(made)
    with made() as session:
        session.add(Item(id=1, price=100))
        session.commit()
    yield made
    database.dispose()


@pytest.mark.parametrize(("place", "status"), [("before", "fwd=bypass"), ("within", "fwd=miss")])
def test_what_is_rolled_back_is_shown_to_nobody_else(site, sessions, place, status):
    """Whether it was changed before the view or by it; said once in the log when the view does it."""
    opened = []

    def change():
        opened.append(sessions())
        opened[-1].get(Item, 1).price = 0
        opened[-1].flush()

    @site.app.teardown_request
    def end(_):
        while opened:
            opened.pop().close()

    changes = [True]

    def answer():
        if place == "within" and changes:
            change()
        with sessions() as session:
            return {"price": (opened[-1] if opened else session).get(Item, 1).price}

    @site.app.before_request
    def begin():
        if place == "before" and changes:
            change()

    site.view(cached_view(60), answer=answer)
    dirty = site.get()
    assert dirty.json == {"price": 0}
    assert f"{status}; detail=uncommitted" in dirty.headers["Cache-Status"]
    changes.clear()
    assert site.get().json == {"price": 100}
    site.clock.now += 3
    assert site.get().json == {"price": 100}
    assert site.get().headers["Cache-Status"].startswith('"site"; hit')
