"""`watch_changes` called for the same sessions more than once, as an app factory does."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from flask_backend_patterns import watch_changes
from flask_backend_patterns.cache.session_work import work_of


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things_watched_twice"
    __cache_tags__ = ("thing:{id}",)
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.parametrize("times", [1, 3])
def test_a_session_that_is_watched_often_is_watched_once(times, monkeypatch):
    """Each change is noted once, and nothing is left open after the commit or the rollback."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    for _ in range(times):
        watch_changes(sessions)
    with sessions() as session:
        noted = []  # by the statement, and by the end of the flush
        session.add(Thing(id=1))
        work = work_of(session)
        monkeypatch.setattr(work, "note_write", lambda: noted.append("write"))
        session.flush()
        assert noted == ["write", "write"]
        monkeypatch.undo()
        session.commit()
        assert not work.has_changes()
        session.add(Thing(id=2))
        session.rollback()
        assert not work_of(session).has_changes()
    engine.dispose()


def test_what_is_written_on_its_connection_after_its_end_is_not_its_change():
    """As the transaction around a joined session does: `@idempotent` writes its record when the service is done."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    watch_changes(sessions)
    with engine.connect() as connection, connection.begin():
        session: Session = sessions(bind=connection, join_transaction_mode="create_savepoint")
        session.add(Thing(id=1))
        session.commit()
        connection.exec_driver_sql("INSERT INTO things_watched_twice VALUES (2)")
        assert not work_of(session).has_changes()
        session.close()
    engine.dispose()
