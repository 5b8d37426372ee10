"""What `@deprecated` accepts, what it says, and how many callers it can name."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from threading import Barrier
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_date

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.deprecation import (
    LAST_SECOND,
    MAX_CALLERS,
    OTHER_CALLERS,
    BoundedNames,
    Deprecated,
    add_headers,
    deprecated,
)
from flask_backend_patterns.guard import declarations_of

EAST = timezone(timedelta(hours=2))


def declared(**arguments) -> Deprecated:
    (declaration,) = declarations_of(deprecated(**arguments)(lambda: None))
    return declaration


def sent_by(declaration, *headers):
    sent = list(headers)
    add_headers(declaration, sent, {name.lower(): value for name, value in sent})
    return sent


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        (1688169599, 1688169599),
        (0, 0),
        (LAST_SECOND, LAST_SECOND),
        (date(2023, 6, 30), 1688083200),
        (datetime(2023, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC), 1688169599),
        (datetime(2023, 7, 1, 1, 59, 59, tzinfo=EAST), 1688169599),
    ],
)
def test_times_are_unix_seconds(since, seconds):
    """Datetimes of any zone, dates (their first second in UTC) and seconds; RFC 9745's own example among them."""
    assert declared(since=since).since == seconds
    assert declared(since=0, sunset=since).sunset == seconds
    assert sent_by(declared(since=since)) == [("Deprecation", f"@{seconds}")]


@given(st.integers(0, LAST_SECOND))
def test_the_sunset_is_an_http_date(seconds):
    """Any time can be said, and reads back as the same second (RFC 8594)."""
    headers = dict(sent_by(Deprecated(since=seconds, sunset=seconds)))
    assert headers["Deprecation"] == f"@{seconds}"
    assert parse_date(headers["Sunset"]) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"since": datetime(2024, 1, 1)}, "since=.* has no time zone"),  # noqa: DTZ001 - what is refused
        ({"since": 1, "sunset": datetime(2024, 1, 1)}, "sunset=.* has no time zone"),  # noqa: DTZ001 - as above
        ({"since": "2024-01-01"}, "expected a datetime, a date or Unix seconds"),
        ({"since": None}, "expected a datetime"),
        ({"since": True}, "expected a datetime"),
        ({"since": 1.5}, "expected a datetime"),
        ({"since": -1}, "from 1970 to 9999"),
        ({"since": 10**30}, "from 1970 to 9999"),
        ({"since": date(1969, 12, 31)}, "from 1970 to 9999"),
        ({"since": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))}, "from 1970 to 9999"),
        ({"since": 2, "sunset": 1}, "the sunset is before the deprecation"),
        ({"since": date(2024, 2, 1), "sunset": date(2024, 1, 1)}, "the sunset is before the deprecation"),
    ],
)
def test_wrong_times_are_refused_at_decoration(arguments, words):
    """The message names the argument and says what to do."""
    with pytest.raises(SetupError, match=words):
        deprecated(**arguments)


@pytest.mark.parametrize("name", ["link", "successor"])
@pytest.mark.parametrize(
    "url",
    ["", 7, b"/a", "/a b", "/a\r\nSet-Cookie: x=1", "/é", "</a>", '/a"b', "/\x7f", "/a\tb", "/{id}", "/\\"],
)
def test_malformed_urls_are_refused_at_decoration(name, url):
    """Nothing that could end the header's value, or begin another header, gets into it."""
    with pytest.raises(SetupError, match=f"{name}="):
        deprecated(since=1, **{name: url})


@pytest.mark.parametrize(
    "url", ["/docs#v2", "https://a.example/b?c=d&e=%20", "https://[::1]/", "v2", "urn:a:b"]
)
def test_urls_and_references_are_accepted(url):
    """Absolute or relative, as RFC 8288 has them."""
    assert sent_by(declared(since=1, successor=url))[1] == ("Link", f'<{url}>; rel="successor-version"')


@pytest.mark.parametrize(
    ("arguments", "links"),
    [
        ({}, None),
        ({"sunset": 2}, None),
        ({"link": "/d"}, '</d>; rel="deprecation"'),
        ({"link": "/d", "sunset": 2}, '</d>; rel="deprecation", </d>; rel="sunset"'),
        ({"link": "/d", "successor": "/v2"}, '</d>; rel="deprecation", </v2>; rel="successor-version"'),
        ({"sunset": 2, "successor": "/v2"}, '</v2>; rel="successor-version"'),
    ],
)
def test_links_say_where_to_read_on(arguments, links):
    """One relation for each: RFC 9745, RFC 8594 and RFC 5829."""
    assert dict(sent_by(declared(since=1, **arguments))).get("Link") == links


def test_what_the_app_has_set_is_kept():
    """Its own `Deprecation` and `Sunset` stay alone, in any letter case; its links stay first."""
    own = [("deprecation", "@5"), ("SUNSET", "never"), ("link", '</next>; rel="next"')]
    assert sent_by(declared(since=1, sunset=2, link="/d"), *own) == [
        *own[:2],
        ("link", '</next>; rel="next", </d>; rel="deprecation", </d>; rel="sunset"'),
    ]


@pytest.mark.parametrize(
    "own", ['</own>; rel="deprecation"', "</own>;rel=deprecation", '<a>; REL = "Deprecation"; x=1, <b>']
)
def test_a_link_of_the_same_relation_is_not_said_twice(own):
    """The app's own link stands for that relation; the others are still added."""
    sent = sent_by(declared(since=1, link="/d", successor="/v2"), ("Link", own))
    assert sent[0] == ("Link", f'{own}, </v2>; rel="successor-version"')


def test_several_link_headers_are_left_as_they_are():
    """Ours join the last of them."""
    own = [("Link", '<a>; rel="next"'), ("Link", ""), ("X", "y")]
    sent = sent_by(declared(since=1, link="/d"), *own)
    assert sent[:3] == [own[0], ("Link", '</d>; rel="deprecation"'), own[2]]


def test_adding_twice_adds_once():
    """Two edges round one app, as when it is mounted in another, say it once."""
    declaration = declared(since=1, sunset=2, link="/d", successor="/v2")
    once = sent_by(declaration)
    assert sent_by(declaration, *once) == once


def test_the_route_is_documented_as_deprecated():
    """OpenAPI's `deprecated: true`, and the headers that are sent."""
    said = declared(since=1, sunset=2).documentation("GET")
    assert said.operation == {"deprecated": True}
    assert set(said.success_headers) == {"Deprecation", "Sunset"}
    assert said.success_headers["Deprecation"]["schema"]["examples"] == ["@1"]
    assert set(declared(since=1).documentation("GET").success_headers) == {"Deprecation"}


def test_an_app_without_the_feature_serves_the_view():
    """Nothing is refused where nobody enforces it: the guard skips what is not required (`test_guard.py`)."""
    assert not declared(since=1).required


@pytest.mark.parametrize("limit", [1, 3, MAX_CALLERS])
def test_no_more_callers_are_named_than_the_limit(limit):
    """The first come by their names for good; all others are `other`."""
    names = BoundedNames(limit)
    first = [f"caller {number}" for number in range(limit)]
    assert [names.bounded(name) for name in first] == first
    assert {names.bounded(f"late {number}") for number in range(1_000)} == {OTHER_CALLERS}
    assert [names.bounded(name) for name in first] == first


class Yielding(set):
    """Lets another thread run after it has said how many it has: the moment to lose count."""

    def __len__(self):
        size = super().__len__()
        sleep(0)
        return size


def test_the_limit_holds_for_threads():
    """8 threads with 100 callers each, all at once: exactly the limit is named."""
    names, barrier = BoundedNames(300), Barrier(8)
    names._names = Yielding()

    def name_all(number):
        barrier.wait()
        return [names.bounded(f"{number}-{turn}") for turn in range(100)]

    with ThreadPoolExecutor(8) as pool:
        labels = [label for found in pool.map(name_all, range(8)) for label in found]
    assert len(set(labels) - {OTHER_CALLERS}) == 300
    assert labels.count(OTHER_CALLERS) == 8 * 100 - 300
    assert all(re.fullmatch(r"\d-\d+|other", label) for label in labels)
