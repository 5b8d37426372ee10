"""Pages of lists and functions, and what `meta` and `links` say about them."""

import math
from collections import UserList, deque
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.paging import (
    CursorPage,
    CursorRequest,
    Page,
    PageRequest,
    Parameters,
    SortKey,
)

NAMES = Parameters()
SECRET = {"secret": b"s", "scope": "list"}


class Colour(Enum):
    RED = "z"
    BLUE = "a"


class Level(IntEnum):
    HIGH = 9
    LOW = 1


def page(items, number, limit=3, *, sort=(), parameters=NAMES, **style):
    request = PageRequest(page=number, offset=(number - 1) * limit, limit=limit, sort=sort)
    return Page(**style).fetch(items, request, parameters=parameters)


def walk(style, source, *, sort=(), limit=2):
    found, cursor = [], None
    while True:
        got = style.fetch(source, CursorRequest(limit=limit, sort=sort, cursor=cursor), **SECRET)
        found.append(got)
        cursor = got.meta["nextCursor"]
        if cursor is None:
            return found


PAGES = [
    # items, page, total: (items found, pages, next, prev, links)
    (7, 1, [0, 1, 2], 3, True, False, {"first": "1", "next": "2", "last": "3"}),
    (7, 2, [3, 4, 5], 3, True, True, {"first": "1", "prev": "1", "next": "3", "last": "3"}),
    (7, 3, [6], 3, False, True, {"first": "1", "prev": "2", "last": "3"}),
    (6, 2, [3, 4, 5], 2, False, True, {"first": "1", "prev": "1", "last": "2"}),
    (7, 9, [], 3, False, True, {"first": "1", "prev": "3", "last": "3"}),
    (0, 1, [], 0, False, False, {"first": "1", "last": "1"}),
    (0, 5, [], 0, False, True, {"first": "1", "prev": "1", "last": "1"}),
]


@pytest.mark.parametrize(("count", "number", "items", "pages", "has_next", "has_prev", "links"), PAGES)
def test_meta_and_links(count, number, items, pages, has_next, has_prev, links):
    """The keys of the contract in its order; beyond the end the page is empty and `prev` leads to the last page."""
    found = page(range(count), number)
    assert list(found.items) == items
    assert list(found.meta.items()) == [
        ("page", number),
        ("limit", 3),
        ("total", count),
        ("totalPages", pages),
        ("hasNext", has_next),
        ("hasPrev", has_prev),
    ]
    assert {name: change["page"] for name, change in found.links.items()} == links


def test_without_count():
    """No total, no last page; hasNext still tells the truth."""
    for number, has_next in ((1, True), (2, False), (3, False)):
        found = page(range(6), number, count=False)
        assert found.meta == {"page": number, "limit": 3, "hasNext": has_next, "hasPrev": number > 1}
        assert ("next" in found.links, "last" in found.links) == (has_next, False)
    assert page(range(6), 5, count=False).links["prev"] == {"page": "4"}


def test_offset_and_limit():
    """`offset` takes the place of `page`, also in the links; it need not be a multiple of the limit."""
    request = PageRequest(offset=4, limit=3)
    found = Page().fetch(range(9), request, parameters=Parameters(offset="skip"))
    assert list(found.items) == [4, 5, 6]
    assert found.meta == {"offset": 4, "limit": 3, "total": 9, "hasNext": True, "hasPrev": True}
    assert {name: change["skip"] for name, change in found.links.items()} == {
        "first": "0", "prev": "1", "next": "7", "last": "6",
    }  # fmt: skip


def test_cursor_meta_and_links():
    """The keys of the contract in its order; `first` is the URL without a cursor."""
    first, second = walk(CursorPage(key="id"), [{"id": 1}, {"id": 2}, {"id": 3}])
    assert list(first.meta) == ["limit", "nextCursor", "prevCursor", "hasNext", "hasPrev"]
    assert (first.meta["hasPrev"], first.meta["prevCursor"]) == (False, None)
    assert first.links == {"first": {"cursor": None}, "next": {"cursor": first.meta["nextCursor"]}}
    assert second.links == {"first": {"cursor": None}, "prev": {"cursor": second.meta["prevCursor"]}}


@pytest.mark.parametrize("items", [list(range(5)), tuple(range(5)), range(5), UserList(range(5))])
def test_any_sequence(items):
    """Lists, tuples, ranges and their like, in their own order."""
    assert list(page(items, 2, limit=2).items) == [2, 3]


@pytest.mark.parametrize("source", [{1}, {}, iter([1]), "text", b"raw", None, deque([1]).__iter__()])
def test_other_sources_are_refused(source):
    """What cannot be counted and cut is the developer's mistake, and said so."""
    with pytest.raises(SetupError, match="Cannot paginate"):
        page(source, 1)
    with pytest.raises(SetupError, match="Cannot paginate"):
        CursorPage(key="id").fetch(source, CursorRequest(limit=1), **SECRET)


@pytest.mark.parametrize("make", [dict, SimpleNamespace])
def test_sort_sources(make):
    """Attributes or keys, dotted paths through None, and functions."""
    items = [
        make(id=number, owner=owner and make(name=owner), price=price)
        for number, owner, price in [(1, "b", 3), (2, None, 1), (3, "a", None), (4, "b", 2)]
    ]
    read = (lambda item: item["price"]) if make is dict else (lambda item: item.price)
    ids = lambda found: [item["id"] if make is dict else item.id for item in found]
    sorts = {"owner": "owner.name", "price": "price", "by": lambda item: -(read(item) or 0)}
    for sort, expected in (
        ([SortKey("owner")], [3, 1, 4, 2]),
        ([SortKey("owner"), SortKey("price")], [3, 4, 1, 2]),
        ([SortKey("price", descending=True)], [3, 1, 4, 2]),
        ([SortKey("by")], [1, 4, 2, 3]),
    ):
        request = PageRequest(page=1, offset=0, limit=9, sort=tuple(sort))
        assert ids(Page(sort=sorts).fetch(items, request).items) == expected
        pages = walk(CursorPage(sort=sorts, key="id"), items, sort=tuple(sort))
        assert [number for got in pages for number in ids(got.items)] == expected


def test_a_key_that_a_mapping_lacks_is_null():
    """A mapping without the key sorts with the NULLs: last."""
    items = [{"id": 1}, {"id": 2, "rank": 5}]
    request = PageRequest(page=1, offset=0, limit=5, sort=(SortKey("rank"),))
    found = Page(sort=["rank"]).fetch(items, request)
    assert [item["id"] for item in found.items] == [2, 1]


def test_the_order_of_enums():
    """Members go as declared, and as numbers or text when they are such; cursors carry them."""
    items = [
        {"id": 1, "colour": Colour.BLUE, "level": Level.HIGH},
        {"id": 2, "colour": Colour.RED, "level": Level.LOW},
    ]
    for name in ("colour", "level"):
        pages = walk(CursorPage(sort=[name], key="id"), items, sort=(SortKey(name),), limit=1)
        assert [got.items[0]["id"] for got in pages] == [2, 1]


def test_an_empty_page_leads_back():
    """What lay ahead, or behind, is gone: the page is empty, and the way back begins with the item of the cursor."""
    style, items = CursorPage(key="id"), [{"id": number} for number in range(6)]

    def follow(items, cursor=None):
        return style.fetch(items, CursorRequest(limit=3, cursor=cursor), **SECRET)

    first = follow(items)
    last = follow(items, first.meta["nextCursor"])
    ahead = follow(items[:3], first.meta["nextCursor"])
    assert (ahead.items, ahead.meta["hasNext"], ahead.meta["hasPrev"]) == ([], False, True)
    assert follow(items[:3], ahead.meta["prevCursor"]).items == items[:3]
    behind = follow(items[3:], last.meta["prevCursor"])
    assert (behind.items, behind.meta["hasNext"], behind.meta["hasPrev"]) == ([], True, False)
    found = follow(items[3:], behind.meta["nextCursor"])
    assert (found.items, found.meta["hasPrev"]) == (items[3:], False)


NUMBERS = st.none() | st.integers(0, 3) | st.just(float("nan")) | st.floats(0, 3)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=9), st.booleans(), st.booleans(), st.integers(1, 4))
def test_a_walk_visits_all_with_null_and_nan_last(pairs, first_down, second_down, limit):
    """NULL is the largest, then NaN; each item once, in any mixed order, there and back."""
    items = [{"id": number, "a": a, "b": b} for number, (a, b) in enumerate(pairs)]
    style, sort = CursorPage(sort=["a", "b"], key="id"), (SortKey("a", first_down), SortKey("b", second_down))
    pages = walk(style, items, sort=sort, limit=limit)
    found = [item for got in pages for item in got.items]
    assert sorted(item["id"] for item in found) == list(range(len(items)))
    level = lambda value: 2 if value is None else 1 if math.isnan(value) else 0
    levels = [level(item["a"]) for item in found]
    assert levels == sorted(levels, reverse=first_down)
    back, got = [], pages[-1]
    while got.meta["hasPrev"]:
        got = style.fetch(
            items, CursorRequest(limit=limit, sort=sort, cursor=got.meta["prevCursor"]), **SECRET
        )
        back.insert(0, got.items)
    assert back == [got.items for got in pages[:-1]]


@dataclass
class Thing:
    id: int
    rank: int | None


def keyset(things):
    """What a user might write for a search index: honours all of the request."""

    def fetch(request):
        flip = lambda key: key.descending ^ request.backward
        [key] = request.sort
        place = lambda rank, number: ((rank is None, rank or 0), number)
        ordered = sorted(things, key=lambda thing: place(thing.rank, thing.id), reverse=flip(key))
        if request.after is not None:
            mark = place(request.after["rank"], request.after["id"])
            at = [place(thing.rank, thing.id) for thing in ordered]
            ordered = [
                thing
                for thing, here in zip(ordered, at, strict=True)
                if (here < mark if flip(key) else here > mark) or (request.inclusive and here == mark)
            ]
        return ordered[: request.fetch_limit]

    return fetch


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 9])
def test_cursors_over_a_function(descending, limit):
    """A function that honours `after`, `backward`, `inclusive` and `fetch_limit` is walked as a list is."""
    things = [Thing(number, (None, 1, 0)[number % 3]) for number in range(7)]
    style, sort = CursorPage(sort=["rank"], key="id"), (SortKey("rank", descending),)
    pages = walk(style, keyset(things), sort=sort, limit=limit)
    expected = walk(style, things, sort=sort, limit=limit)
    assert [got.items for got in pages] == [got.items for got in expected]
    assert [got.meta["hasPrev"] for got in pages] == [False] + [True] * (len(pages) - 1)
    before = style.fetch(
        keyset(things), CursorRequest(limit=limit, sort=sort, cursor=pages[-1].meta["prevCursor"]), **SECRET
    ) if len(pages) > 1 else pages[0]  # fmt: skip
    assert before.items == pages[-2 if len(pages) > 1 else 0].items


def test_pages_of_a_function():
    """Items alone (one more tells of a next page), or items and their total; the request has offset, limit and sort."""
    asked = []

    def alone(request):
        asked.append(request)
        return list(range(10))[request.offset : request.offset + request.fetch_limit]

    found = page(alone, 2, limit=4)
    assert (list(found.items), found.meta) == (
        [4, 5, 6, 7],
        {"page": 2, "limit": 4, "hasNext": True, "hasPrev": True},
    )
    assert (asked[0].offset, asked[0].limit, asked[0].fetch_limit) == (4, 4, 5)
    found = page(lambda request: ([8, 9], 10), 5, limit=2)
    assert (found.meta["total"], found.meta["totalPages"], found.meta["hasNext"]) == (10, 5, False)
    with pytest.raises(SetupError, match="generator"):
        page(lambda request: (number for number in ()), 1)
