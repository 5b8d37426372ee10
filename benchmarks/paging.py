"""Time of the first and of the last page of a list of 100,000 rows on PostgreSQL, by cursor and by page number."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from sqlalchemy import Index, Integer, String, create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_backend_patterns.api.paging import CursorPage, CursorRequest, Page, PageRequest, SortKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_backend_patterns.api.paging import Paged

MAX_RATIO = 1.5
ROWS = 100_000
LIMIT = 20
ROUNDS = 60
WARM_UP = 10


class Base(DeclarativeBase):
    """The one table."""


class Article(Base):
    """A row; `price` has 500 different values, `rank` also NULL in 1 % of the rows."""

    __tablename__ = "articles"
    __table_args__ = (
        Index("articles_by_price", "price", "id"),
        Index("articles_by_rank", "rank", "id"),
        Index("articles_mixed", "price", text("title DESC"), text("id DESC")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))
    price: Mapped[int]
    rank: Mapped[int | None] = mapped_column(Integer)


SORTS = {"price": Article.price, "rank": Article.rank, "title": Article.title}
# What is sorted by -> the sort keys. "nullable" ends in rows with NULL, "mixed" goes up and down.
ORDERS = {
    "price": (SortKey("price"),),
    "nullable": (SortKey("rank"),),
    "mixed": (SortKey("price"), SortKey("title", descending=True)),
}


def measure() -> dict[str, dict[str, float]]:
    """Milliseconds a page, median, of the session and our code together: first page, last page, and their ratio.

    The server is a fresh one and goes at the end; first and last pages are taken in turns.
    """
    from flask_backend_patterns.testing.postgres_server import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        engine = create_engine(server.url)
        with Session(engine) as session:
            fill(session)
            return {name: ratio(fetch) for name, fetch in pages(session).items()}
    finally:
        server.close()


def fill(session: Session) -> None:
    """Make the rows, and have the server look at them."""
    Base.metadata.create_all(session.get_bind())
    session.execute(
        insert(Article),
        [
            {
                "id": number,
                "title": f"title {number * 31 % 1000}",
                "price": number * 7919 % 500,
                "rank": None if number % 100 == 0 else number * 104_729 % ROWS,
            }
            for number in range(1, ROWS + 1)
        ],
    )
    session.commit()
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).execute(
        text("VACUUM ANALYZE articles")
    )
    session.commit()


def pages(session: Session) -> dict[str, Callable[[bool], Paged]]:
    """For each way of paging a function that fetches the last page, or the first."""
    ways: dict[str, Callable[[bool], Paged]] = {}
    for name, sort in ORDERS.items():
        ways[f"cursor, {name}"] = by_cursor(session, sort)
    by_number = Page(sort=SORTS)
    uncounted = Page(sort=SORTS, count=False)
    for name, style in (("page, with COUNT", by_number), ("page, without COUNT", uncounted)):
        ways[name] = by_page(session, style, ORDERS["price"])
    return ways


def by_page(session: Session, style: Page, sort: tuple[SortKey, ...]) -> Callable[[bool], Paged]:
    """The pages by number."""
    last = ROWS // LIMIT

    def fetch(is_last: bool) -> Paged:  # noqa: FBT001 - one of two pages
        page = last if is_last else 1
        request = PageRequest(page=page, offset=(page - 1) * LIMIT, limit=LIMIT, sort=sort)
        return style.fetch(select(Article), request, session=session)

    return fetch


def by_cursor(session: Session, sort: tuple[SortKey, ...]) -> Callable[[bool], Paged]:
    """The pages by cursor; the last one's is found by walking the last pages of a list of 1,000-row pages."""
    style = CursorPage(sort=SORTS, max_limit=1_000)

    def page(cursor: str | None, limit: int) -> Paged:
        request = CursorRequest(cursor=cursor, limit=limit, sort=sort)
        return style.fetch(select(Article), request, session=session, secret=b"benchmark", scope="articles")

    cursor = None
    for limit in [1_000] * (ROWS // 1_000 - 1) + [LIMIT] * (1_000 // LIMIT - 1):
        cursor = page(cursor, limit).meta["nextCursor"]
        session.expunge_all()
    return lambda is_last: page(cursor if is_last else None, LIMIT)


def ratio(fetch: Callable[[bool], Paged]) -> dict[str, float]:
    """First and last page in turns; medians in milliseconds."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(WARM_UP + ROUNDS):
        for is_last, times in taken.items():
            started = perf_counter()
            page = fetch(is_last)
            times.append((perf_counter() - started) * 1_000)
            if len(page.items) != LIMIT or page.meta["hasNext"] is is_last:
                raise RuntimeError(f"not the {'last' if is_last else 'first'} page: {page.meta}")
    first, last = (median(times[WARM_UP:]) for times in taken.values())
    return {"first_ms": first, "last_ms": last, "ratio": last / first}


def table(figures: dict[str, dict[str, float]]) -> bool:
    """Print them; whether the last page by cursor costs less than `MAX_RATIO` of the first."""
    print(f"\nPages of {LIMIT} of {ROWS:,} rows on PostgreSQL: ms a page, median of {ROUNDS}")
    for name, found in figures.items():
        print(
            f"  {name:<22}first {found['first_ms']:7.2f}   last {found['last_ms']:7.2f}   x{found['ratio']:.2f}"
        )
    kept = all(found["ratio"] < MAX_RATIO for name, found in figures.items() if name.startswith("cursor"))
    print(f"Budget, last page by cursor: less than x{MAX_RATIO} of the first: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    raise SystemExit(0 if table(measure()) else 1)
