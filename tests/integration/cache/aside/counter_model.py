"""One number in a database, with a tag."""

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from flask_backend_patterns import watch_changes


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counters"
    __cache_tags__ = ("t",)
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


def watched(database, **listeners):
    """The engine, and sessions whose changes are watched; `listeners` are called before ours."""
    from sqlalchemy import event

    engine = create_engine(database)
    sessions = sessionmaker(engine)
    for name, listener in listeners.items():
        event.listen(sessions, name, listener)
    watch_changes(sessions)
    return engine, sessions


def count(sessions, number):
    """Set it, in a transaction of its own."""
    with sessions() as session:
        session.get(Counter, 1).number = number
        session.commit()
