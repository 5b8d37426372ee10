"""Cursors visit every row exactly once in the order asked for, there and back, whatever the order and the values."""

# ruff: noqa: DTZ001 - columns without a time zone hold naive moments
import random
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Query, aliased, joinedload, selectinload

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.paging import CursorPage, CursorRequest, Page, PageRequest, SortKey
from flask_backend_patterns.errors import BadRequestError

EXAMPLES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EPOCH = datetime(2026, 1, 1)
# Few different values, so that most rows tie on most keys; beside them the extremes of each type.
VALUES = {
    "name": ["a", "A", "ä", "%", "", "b\u0301", "\U0001f600", "\uffff", "\x7f"],
    "group": [0, 1, 2],
    "price": [None, None, -1, 0, 1, -(2**31), 2**31 - 1],
    "amount": [
        None,
        *map(Decimal, ("0.1", "0.3", "-0.0001", "99999999.9999", "12345678.1234", "12345678.1235")),
    ],
    "ratio": [
        None,
        0.1,
        0.2,
        0.3,
        -0.0,
        3.4028234663852886e38,
        1.401298464324817e-45,
        float("inf"),
        16777217.0,
    ],
    "weight": [None, 0.1, 0.1 + 0.2, 0.3, 1e308, -1e-308, float("-inf"), float("nan"), 2.0**53 + 2],
    "share": [
        None,
        Decimal("0.123456789012345"),
        Decimal("0.2"),
        Decimal("1e-30"),
        Decimal("NaN"),
        Decimal(10) ** 25,
    ],
    "rough": [None, 0.1, 0.12345678901234567, 1e9 / 3],
    "real": [
        None,
        Decimal("0.1"),
        Decimal("0.12345678"),
        Decimal("1e-20"),
        Decimal("2e-20"),
        Decimal("1e10"),
    ],
    "made_at": [None, EPOCH, EPOCH + timedelta(microseconds=1), datetime(1, 1, 2), datetime(9999, 12, 30)],
    "seen_at": [
        None,
        EPOCH.replace(tzinfo=UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
    ],
    "day": [None, date(1, 1, 1), date(2026, 2, 28), date(9999, 12, 31)],
    "at": [None, time(1), time(1, 0, 0, 1), time(23, 59, 59, 999999)],
    "took": [None, timedelta(0), timedelta(microseconds=1), timedelta(days=9000)],
    "token": [None, *(uuid.UUID(int=number) for number in (0, 1, 2**64, 2**128 - 1))],
    "status": [None, "NEW", "PAID", "SENT"],
    "flag": [None, False, True],
    "raw": [None, b"", b"\0", b"a", b"\xff"],
}


def row_from(seed):
    chance = random.Random(seed)
    return {name: chance.choice(values) for name, values in VALUES.items()}


ROWS = st.integers(0, 12).flatmap(
    lambda count: st.lists(st.integers(0, 2**32).map(row_from), min_size=count, max_size=count)
)
SORT_KEYS = st.integers(0, 3).flatmap(
    lambda count: st.lists(
        st.builds(SortKey, st.sampled_from([*VALUES, "id"]), st.booleans()),
        min_size=count,
        max_size=count,
        unique_by=lambda key: key.name,
    )
)


def fill(session, shop, rows):
    session.rollback()
    session.execute(delete(shop.Item))
    session.expunge_all()
    if rows:
        rows = [
            row | {"id": number, "status": row["status"] and shop.Status[row["status"]]}
            for number, row in enumerate(rows, 1)
        ]
        session.execute(insert(shop.Item), rows)
    session.flush()


@EXAMPLES
@given(rows=ROWS, sort=SORT_KEYS, limit=st.integers(1, 4))
def test_a_walk_there_and_back_visits_the_sorted_rows(session, shop, rows, sort, limit):
    """For any rows (NULLs, ties, extremes), any mixed order and any limit: all rows once, sorted as in a list; the same back."""
    fill(session, shop, rows)
    style, source = CursorPage(sort=shop.sorts), select(shop.Item)
    in_memory = CursorPage(sort=shop.sorts, key="id")
    items = list(session.scalars(source))

    pages = shop.walk(style, source, sort=sort, limit=limit, session=session)
    expected = shop.walk(in_memory, items, sort=sort, limit=limit)
    assert [page.items for page in pages] == [page.items for page in expected]
    assert sorted(item.id for page in pages for item in page.items) == sorted(item.id for item in items)

    back = shop.walk_back(style, source, pages[-1], sort=sort, limit=limit, session=session)
    assert [page.items for page in back] == [page.items for page in pages[:-1]]
    numbered = Page(sort=shop.sorts)
    by_number = [
        numbered.fetch(
            source, PageRequest(limit=limit, offset=limit * place, page=place + 1, sort=sort), session=session
        )
        for place in range(len(pages))
    ]
    assert [page.items for page in by_number] == [page.items for page in pages]
    assert {page.meta["total"] for page in by_number} == {len(rows)}
    if rows:
        assert not pages[0].meta["hasPrev"]
        assert all(page.meta["hasPrev"] for page in pages[1:])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_each_type_is_carried_exactly(session, shop, name, descending):
    """Cursors made of the extremes of each type, twice each: no row repeats, none is missing."""
    fill(session, shop, [_row(**{name: value}) for value in VALUES[name] * 2])
    pages = shop.walk(
        CursorPage(sort=shop.sorts),
        select(shop.Item),
        sort=(SortKey(name, descending),),
        limit=2,
        session=session,
    )
    found = [item.id for page in pages for item in page.items]
    assert sorted(found) == list(range(1, 2 * len(VALUES[name]) + 1))


@EXAMPLES
@given(rows=ROWS, sort=SORT_KEYS, limit=st.integers(1, 3), seed=st.integers(0, 9))
def test_rows_that_stay_are_visited_once_while_others_go(session, shop, rows, sort, limit, seed):
    """Rows are deleted between pages, those that cursors were made of too: what stays is visited once; the flags stay honest."""
    fill(session, shop, rows)
    chance = random.Random(seed)
    gone, style, source = set(), CursorPage(sort=shop.sorts), select(shop.Item)
    existing = lambda: set(session.scalars(select(shop.Item.id)))

    def lose_some(page):
        if not page.meta["hasNext"]:
            return
        victims = [number for number in existing() if chance.random() < 0.3]
        gone.update(victims)
        session.execute(
            delete(shop.Item).where(shop.Item.id.in_(victims)),
            execution_options={"synchronize_session": False},
        )

    seen = []
    pages = shop.walk(style, source, sort=sort, limit=limit, session=session,
                      turn=lambda page: (seen.extend(item.id for item in page.items), lose_some(page)))  # fmt: skip
    assert len(seen) == len(set(seen))
    assert existing() <= set(seen)
    back = shop.walk_back(style, source, pages[-1], sort=sort, limit=limit, session=session)
    last = {item.id for item in pages[-1].items}
    assert sorted(item.id for page in back for item in page.items) == sorted(existing() - last)
    assert all(page.items for page in back)


@pytest.mark.parametrize("null_first", [False, True])
def test_a_walk_over_null_in_the_leading_column(session, shop, null_first):
    """Rows with NULL come last ascending and first descending on both databases, and no page is short because of it."""
    fill(session, shop, [_row(price=price) for price in (5, None, 3, None, 3, None)])
    sort = (SortKey("price", descending=null_first),)
    pages = shop.walk(CursorPage(sort=shop.sorts), select(shop.Item), sort=sort, limit=4, session=session)
    prices = [[item.price for item in page.items] for page in pages]
    assert prices == ([[None, None, None, 5], [3, 3]] if null_first else [[3, 3, 5, None], [None, None]])


def _row(**values):
    row = dict.fromkeys(VALUES)
    return row | {"name": "x", "group": 0} | values


def test_the_steady_page_is_one_statement(session, shop, statements):
    """A page costs one statement, with the honest hasPrev; a second one only when the row of the cursor is gone."""
    fill(session, shop, [_row(group=number) for number in range(9)])
    sort, style = (SortKey("group"),), CursorPage(sort=shop.sorts)
    fetch = lambda cursor: style.fetch(
        select(shop.Item),
        CursorRequest(limit=3, sort=sort, cursor=cursor),
        secret=b"s",
        scope="",
        session=session,
    )
    first = fetch(None)
    statements.clear()
    second = fetch(first.meta["nextCursor"])
    assert (len(statements), second.meta["hasPrev"]) == (1, True)
    session.execute(delete(shop.Item).where(shop.Item.group <= 2))
    statements.clear()
    again = fetch(first.meta["nextCursor"])
    assert (len(statements), again.meta["hasPrev"], again.meta["prevCursor"]) == (2, False, None)
    assert again.items == second.items


def test_an_empty_page_leads_back(session, shop):
    """What a cursor pointed to was deleted: the page is empty, and its prevCursor leads to the rows that are left."""
    fill(session, shop, [_row() for _ in range(6)])
    style = CursorPage()
    request = CursorRequest(limit=3)
    first = style.fetch(select(shop.Item), request, secret=b"s", scope="", session=session)
    session.execute(delete(shop.Item).where(shop.Item.id > 3))
    follow = lambda cursor: style.fetch(
        select(shop.Item), CursorRequest(limit=3, cursor=cursor), secret=b"s", scope="", session=session
    )
    empty = follow(first.meta["nextCursor"])
    assert (empty.items, empty.meta["hasNext"], empty.meta["hasPrev"]) == ([], False, True)
    back = follow(empty.meta["prevCursor"])
    assert [item.id for item in back.items] == [1, 2, 3]
    session.execute(delete(shop.Item))
    nothing = follow(empty.meta["prevCursor"])
    assert (nothing.items, nothing.meta["hasNext"], nothing.meta["hasPrev"]) == ([], False, False)


SOURCES = {
    "entity": lambda shop: (select(shop.Item), {}),
    "joined eager collection": lambda shop: (select(shop.Item).options(joinedload(shop.Item.tags)), {}),
    "selectin collection": lambda shop: (select(shop.Item).options(selectinload(shop.Item.tags)), {}),
    "columns": lambda shop: (select(shop.Item.name, shop.Item.id), {"key": shop.Item.id}),
    "columns by name": lambda shop: (
        select(shop.Item.group.label("group"), shop.Item.id.label("number")),
        {"key": "number"},
    ),
    "two entities": lambda shop: (select(shop.Item, shop.Owner).outerjoin(shop.Item.owner), {}),
    "far side first": lambda shop: (
        select(shop.Owner, shop.Item).select_from(shop.Item).outerjoin(shop.Item.owner),
        {},
    ),
    "distinct": lambda shop: (select(shop.Item).join(shop.Item.tags).distinct(), {}),
    "grouped": lambda shop: (
        select(shop.Item.id, func.count(shop.Tag.id).label("tags"))
        .outerjoin(shop.Item.tags)
        .group_by(shop.Item.id, shop.Item.group),
        {"key": shop.Item.id},
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("descending", [False, True])
def test_every_kind_of_select(session, shop, kind, descending):
    """Entities with eager loading, columns, several entities, outer joins, DISTINCT and GROUP BY: each row once, no key columns left in it."""
    fill(session, shop, [_row(group=number % 3, price=number % 2 or None) for number in range(10)])
    session.execute(delete(shop.Owner))
    session.execute(insert(shop.Owner), [{"id": 1, "email": "a@x"}, {"id": 2, "email": "b@x"}])
    session.execute(insert(shop.Tag), [{"item_id": 1 + number % 10, "word": "w"} for number in range(25)])
    for item in session.scalars(select(shop.Item)):
        item.owner_id = (None, 1, 2)[item.id % 3]
    session.flush()
    source, options = SOURCES[kind](shop)
    sorts = {"group": "group" if kind == "columns by name" else shop.Item.group}
    style = CursorPage(sort=sorts, **options)
    sort = (SortKey("group", descending),)
    pages = shop.walk(style, source, sort=sort, session=session)
    rows = [row for page in pages for row in page.items]
    expected = session.execute(source).unique().all()
    plain = [tuple(row) if hasattr(row, "_mapping") else (row,) for row in rows]
    assert sorted(map(str, plain)) == sorted(str(tuple(row)) for row in expected)
    assert len(pages) == 4
    back = shop.walk_back(style, source, pages[-1], sort=sort, session=session)
    assert [page.items for page in back] == [page.items for page in pages[:-1]]
    counted = Page(sort=sorts, **options).fetch(
        source, PageRequest(limit=3, offset=0, page=1, sort=sort), session=session
    )
    assert (counted.meta["total"], counted.items) == (10, pages[0].items)


def test_sorting_by_joined_columns_and_expressions(session, shop):
    """A column of an outer joined table is NULL where nothing is joined, though declared otherwise; labels work too."""
    fill(session, shop, [_row(name=name) for name in ("b", "A", "c", "B", "a")])
    session.execute(insert(shop.Owner), [{"id": 7, "email": "z@x"}, {"id": 8, "email": "y@x"}])
    owners = {1: 7, 3: 8, 4: 7}
    for item in session.scalars(select(shop.Item)):
        item.owner_id = owners.get(item.id)
    session.flush()
    other = aliased(shop.Owner)
    style = CursorPage(sort={"owner": other.email, "lower": func.lower(shop.Item.name).label("lowered")})
    source = select(shop.Item).outerjoin(shop.Item.owner.of_type(other))
    walk = lambda *sort: [
        item.id
        for page in shop.walk(style, source, sort=sort, limit=2, session=session)
        for item in page.items
    ]
    assert walk(SortKey("owner"), SortKey("lower", descending=True)) == [3, 4, 1, 5, 2]
    assert walk(SortKey("owner", descending=True), SortKey("lower")) == [2, 5, 1, 4, 3]
    assert walk(SortKey("lower")) == [2, 5, 1, 4, 3]


def test_sorting_groups_by_an_aggregate(session, shop):
    """A count of each group is compared after grouping, not before."""
    fill(session, shop, [_row(group=number * number % 7) for number in range(20)])
    counted = func.count(shop.Item.id).label("items")
    source = select(shop.Item.group.label("group"), counted).group_by(shop.Item.group)
    style = CursorPage(sort={"items": "items"}, key="group")
    pages = shop.walk(style, source, sort=(SortKey("items", descending=True),), limit=1, session=session)
    assert [tuple(row) for page in pages for row in page.items] == [(4, 6), (2, 6), (1, 5), (0, 3)]


def test_cursors_come_from_the_rows_not_from_stale_entities(session, shop):
    """The session holds an older state of an entity than the database: the walk goes on from the row's place."""
    fill(session, shop, [_row(group=number) for number in range(6)])
    held = list(session.scalars(select(shop.Item)))
    table = shop.Item.__table__
    session.execute(table.update().values(grp=10 - table.c.grp))
    pages = shop.walk(
        CursorPage(sort=shop.sorts), select(shop.Item), sort=(SortKey("group"),), limit=2, session=session
    )
    assert [item.id for page in pages for item in page.items] == [6, 5, 4, 3, 2, 1]
    assert held[0].group == 0


def test_legacy_queries_are_selects_too(session, shop):
    """`Model.query` brings its own session."""
    fill(session, shop, [_row() for _ in range(4)])
    query = session.query(shop.Item).filter(shop.Item.id > 1)
    assert isinstance(query, Query)
    assert [item.id for page in shop.walk(CursorPage(), query, limit=2) for item in page.items] == [2, 3, 4]
    page = Page().fetch(query, PageRequest(limit=2, offset=0, page=1))
    assert ([item.id for item in page.items], page.meta["total"]) == ([2, 3], 3)


REFUSED = {
    "ORDER BY": (lambda shop: select(shop.Item).order_by(shop.Item.name), "sort="),
    "LIMIT": (lambda shop: select(shop.Item).limit(3), "LIMIT"),
    "OFFSET": (lambda shop: select(shop.Item).offset(3), "OFFSET"),
    "no key": (lambda shop: select(shop.Item.name), "key="),
    "a union": (lambda shop: select(shop.Item.id).union(select(shop.Item.id)), "Cannot paginate"),
    "a set": (lambda shop: {1, 2}, "Cannot paginate"),
    "a list without key": (lambda shop: [1, 2], "key="),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_paginated_says_why(session, shop, kind):
    """A select that is sorted or cut already, one without a unique key, anything else: an error that tells what to do."""
    make, says = REFUSED[kind]
    with pytest.raises(SetupError, match=says):
        CursorPage().fetch(make(shop), CursorRequest(limit=3), secret=b"s", scope="", session=session)
    if "key" not in says:
        with pytest.raises(SetupError, match=says):
            Page().fetch(make(shop), PageRequest(limit=3, offset=0, page=1), session=session)


def test_a_cursor_of_another_sort_list_or_filter_is_refused(session, shop):
    """A cursor belongs to one list, sort and secret; elsewhere it is a 400 INVALID_CURSOR."""
    fill(session, shop, [_row(group=number) for number in range(6)])
    style = CursorPage(sort=shop.sorts)
    sort = (SortKey("group"),)

    def fetch(cursor=None, *, sort=sort, secret=b"s", scope="items"):
        request = CursorRequest(limit=2, sort=sort, cursor=cursor)
        return style.fetch(select(shop.Item), request, secret=secret, scope=scope, session=session)

    cursor = fetch().meta["nextCursor"]
    assert [item.id for item in fetch(cursor).items] == [3, 4]
    assert [item.id for item in fetch(cursor, secret=[b"new", b"s"]).items] == [3, 4]
    changes = (
        {"sort": (SortKey("group", descending=True),)},
        {"sort": ()},
        {"secret": b"t"},
        {"scope": "others"},
    )
    for change in changes:
        with pytest.raises(BadRequestError) as caught:
            fetch(cursor, **change)
        assert (caught.value.status, caught.value.code) == (400, "INVALID_CURSOR")
