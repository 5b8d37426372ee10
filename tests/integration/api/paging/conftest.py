"""A table with a column of every kind that can be sorted by, and what it is related to; on SQLite and PostgreSQL."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from sqlalchemy import REAL, DateTime, ForeignKey, LargeBinary, Numeric, String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_backend_patterns.api.paging import CursorPage, CursorRequest, Paged


class Base(DeclarativeBase):
    pass


class Status(Enum):
    NEW = "new"
    PAID = "paid"
    SENT = "sent"


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    items: Mapped[list["Item"]] = relationship(back_populates="owner")


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    group: Mapped[int] = mapped_column("grp")
    price: Mapped[int | None]
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    ratio: Mapped[float | None] = mapped_column(REAL)
    weight: Mapped[float | None]
    share: Mapped[Decimal | None] = mapped_column(Numeric)
    rough: Mapped[float | None] = mapped_column(Numeric(30, 20, asdecimal=False))
    real: Mapped[Decimal | None] = mapped_column(REAL(asdecimal=True))
    made_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    day: Mapped[date | None]
    at: Mapped[time | None]
    took: Mapped[timedelta | None]
    token: Mapped[uuid.UUID | None]
    status: Mapped[Status | None]
    flag: Mapped[bool | None]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="items")
    tags: Mapped[list["Tag"]] = relationship(back_populates="item", cascade="all", passive_deletes=True)


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"))
    word: Mapped[str]
    item: Mapped[Item] = relationship(back_populates="tags")


SORTS = {
    name: getattr(Item, name)
    for name in (
        *(
            "name",
            "group",
            "price",
            "amount",
            "ratio",
            "weight",
            "share",
            "rough",
            "real",
            "made_at",
            "seen_at",
            "day",
            "at",
            "took",
        ),
        *("token", "status", "flag", "raw", "id"),
    )
}


@dataclass
class Shop:
    """The models, and how to walk through a list of them."""

    Item: Any = Item
    Owner: Any = Owner
    Tag: Any = Tag
    Status: Any = Status
    sorts: Any = None
    utc: Any = UTC
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @staticmethod
    def walk(
        style: CursorPage,
        source: Any,
        *,
        sort: Any = (),
        limit: int = 3,
        turn: Callable[[Paged], None] | None = None,
        **options: Any,
    ) -> list[Paged]:
        """All pages from the first by `nextCursor`."""
        cursor, pages = None, []
        while True:
            page = style.fetch(
                source,
                CursorRequest(limit=limit, sort=tuple(sort), cursor=cursor),
                secret=b"secret",
                scope="items",
                **options,
            )
            pages.append(page)
            assert len(pages) < 200, "the walk does not end"
            if turn is not None:
                turn(page)
            cursor = page.meta["nextCursor"]
            assert page.meta["hasNext"] is (cursor is not None)
            if cursor is None:
                return pages

    @staticmethod
    def walk_back(
        style: CursorPage, source: Any, page: Paged, *, sort: Any = (), limit: int = 3, **options: Any
    ) -> list[Paged]:
        """All pages before `page` by `prevCursor`, in the order of the list."""
        pages: list[Paged] = []
        while page.meta["hasPrev"]:
            request = CursorRequest(limit=limit, sort=tuple(sort), cursor=page.meta["prevCursor"])
            page = style.fetch(source, request, secret=b"secret", scope="items", **options)
            pages.insert(0, page)
            assert len(pages) < 200, "the walk does not end"
        return pages


@pytest.fixture
def shop() -> Shop:
    return Shop(sorts=SORTS)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    """The SQL sent from here on."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)
