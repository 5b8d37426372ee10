"""The tags of models: with old and new values, whatever way they have changed, and never at the cost of the write."""

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, insert, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    configure_mappers,
    mapped_column,
    relationship,
    sessionmaker,
)

from flask_backend_patterns import SetupError
from flask_backend_patterns.cache import cached, watch_changes


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")


class Order(Base):
    __tablename__ = "orders"
    __cache_tags__ = ("of:{owner.id}", "by:{owner_id}", "named:{owner.name}")
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship()


class Item(Base):
    __tablename__ = "items"
    __cache_tags__ = ("item:{kind}:{slug}", "slug:{slug}")
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    slug: Mapped[str]
    price: Mapped[int] = mapped_column(default=0)


class Broken(Base):
    __tablename__ = "broken"
    __cache_tags__ = ("first:{first}", "broken:{id}")
    id: Mapped[int] = mapped_column(primary_key=True)

    @property
    def first(self):
        raise ValueError("no such thing")


@pytest.fixture
def session():
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    made = sessionmaker(database)
    watch_changes(made)
    with made() as session:
        session.add_all([Owner(id=1, name="Ann"), Owner(id=2, name="Bob")])
        session.add(Item(id=1, kind="a", slug="b"))
        session.add(Order(id=7, owner_id=1))
        session.commit()
        yield session
    database.dispose()


@pytest.fixture
def told(engine, session, monkeypatch):
    """What has been invalidated since."""
    seen = set()
    send = engine.invalidate

    def invalidate(**what):
        seen.update(what.get("tags", ()))
        send(**what)

    monkeypatch.setattr(engine, "invalidate", invalidate)
    return seen


BOTH = {"of:1", "of:2", "by:1", "by:2", "named:Ann", "named:Bob"}


def by_loaded_relationship(session):
    order = session.get(Order, 7)
    assert order.owner.id == 1
    order.owner = session.get(Owner, 2)


def by_relationship(session):
    session.get(Order, 7).owner = session.get(Owner, 2)


def by_relationship_when_expired(session):
    order = session.get(Order, 7)
    session.expire(order)
    order.owner = session.get(Owner, 2)


def by_key(session):
    session.get(Order, 7).owner_id = 2


def by_key_when_expired(session):
    order = session.get(Order, 7)
    session.expire(order)
    order.owner_id = 2


def by_key_beside_loaded_relationship(session):
    order = session.get(Order, 7)
    assert order.owner.id == 1
    order.owner_id = 2


@pytest.mark.parametrize(
    "change",
    [
        by_loaded_relationship,
        by_relationship,
        by_relationship_when_expired,
        by_key,
        by_key_when_expired,
        by_key_beside_loaded_relationship,
    ],
)
def test_the_old_owner_and_the_new_one_are_told(session, told, change):
    """However the owner was changed, and whatever was loaded."""
    change(session)
    session.commit()
    assert told == BOTH


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"owner_id": 2}, {"of:2", "by:2", "named:Bob"}),
        ({"owner_id": None}, {"by:None"}),
        ({}, {"by:None"}),
    ],
)
def test_a_write_by_the_key_alone(session, told, order, expected):
    """The relationship was never set; without an owner there is no tag of one."""
    session.add(Order(id=8, **order))
    session.commit()
    assert told == expected
    told.clear()
    session.delete(session.get(Order, 8))
    session.commit()
    assert told == expected


@pytest.mark.parametrize("kind", ["plain", "a:b", "50%", "{slug}", "é", "{0}", "%3A"])
@pytest.mark.parametrize("slug", ["x", "{kind}", "a:b"])
def test_models_and_functions_make_the_same_tags(cache_app, session, kind, slug):
    """What separates fields is escaped by both, and braces within values are no fields."""

    @cached(key="{kind}:{slug}", tags=["item:{kind}:{slug}"])
    def price(kind, slug):
        return session.query(Item.price).filter_by(kind=kind, slug=slug).scalar()

    session.add(Item(id=2, kind=kind, slug=slug, price=1))
    session.commit()
    assert price(kind, slug) == 1
    session.get(Item, 2).price = 2
    session.commit()
    assert price(kind, slug) == 2


def test_rows_that_a_statement_lists_are_known(session, told):
    """`execute(update(Model), [...])` tells old and new values, `execute(insert(Model), [...])` the new ones."""
    session.execute(insert(Item), [{"kind": "n", "slug": "m"}, {"kind": "o:", "slug": "m"}])
    session.commit()
    assert told == {"item:n:m", "item:o%3A:m", "slug:m"}
    told.clear()
    session.execute(update(Item), [{"id": 1, "kind": "c"}])
    session.commit()
    assert told == {"item:a:b", "item:c:b", "slug:b"}
    told.clear()
    session.execute(insert(Order), [{"owner_id": 2}])
    session.commit()
    assert told == {"of:2", "by:2"}


@pytest.mark.parametrize("statement", [update(Item).values(price=1), delete(Item)])
def test_a_statement_that_matches_no_tag_is_logged(cache_app, session, told, log_events, statement):
    """Since what it changes stays in the cache."""
    session.execute(statement)
    session.commit()
    assert told == set()
    assert [event for event, _ in log_events] == ["cache_tags_unknown"]


def test_a_tag_that_fails_does_not_fail_the_write(cache_app, session, told, log_events):
    """It is logged; the other tags are told."""
    session.add(Broken(id=1))
    session.commit()
    assert told == {"broken:1"}
    assert [(event, fields["tag"]) for event, fields in log_events] == [
        ("cache_tags_failed", "first:{first}")
    ]


@pytest.fixture
def log_events(cache_app, monkeypatch):
    """What the app has logged as an error."""
    seen = []
    log = cache_app.extensions["backend_patterns"].log
    monkeypatch.setattr(type(log), "error", lambda _, event, **fields: seen.append((event, fields)))
    return seen


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        (("nope:{nope}",), "'nope:{nope}' names 'nope'"),
        (("{id}{name}",), "put something between"),
        ("thing:{id}", "takes a list"),
    ],
)
def test_tags_that_make_no_sense_are_refused_when_models_are_mapped(session, tags, problem):
    """And named: before anything is written."""

    class Separate(DeclarativeBase):
        pass

    thing = type(  # kept: what nobody holds may be gone before it is looked at
        "Thing",
        (Separate,),
        {
            "__tablename__": "things",
            "__cache_tags__": tags,
            "__annotations__": {"id": Mapped[int], "name": Mapped[str]},
            "id": mapped_column(primary_key=True),
            "name": mapped_column(),
            "__module__": __name__,
        },
    )
    with pytest.raises(SetupError, match=problem):
        configure_mappers()
    del thing
    Separate.registry.dispose()
