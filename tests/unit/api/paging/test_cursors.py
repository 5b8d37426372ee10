"""Cursors carry values exactly, and nothing but a cursor of ours for this very list is taken."""

# ruff: noqa: DTZ001, DTZ901 - columns without a time zone hold naive moments
import base64
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.paging.cursor_values import read_value, write_value
from flask_backend_patterns.api.paging.cursors import CursorSigner, Position
from flask_backend_patterns.errors import BadRequestError


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Kind(StrEnum):
    A = "a"


def zones(moments):
    offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    return st.tuples(moments, offsets).map(lambda pair: pair[0].replace(tzinfo=pair[1]))


# `fold` tells apart two moments by the rules of a time zone; no database has it.
MOMENTS = st.datetimes().map(lambda moment: moment.replace(fold=0))
TIMES = st.times().map(lambda moment: moment.replace(fold=0))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.binary(),
    st.uuids(),
    st.dates(),
    MOMENTS,
    zones(MOMENTS),
    TIMES,
    zones(TIMES),
    st.timedeltas(),
)


def signer(*, secrets=(b"secret",), context="here", count=1, enums=None):
    return CursorSigner(secrets=secrets, context=context, enums=enums or [None] * count)


def is_refused(reader, cursor):
    with pytest.raises(BadRequestError) as caught:
        reader.read(cursor)
    return (caught.value.status, caught.value.code) == (400, "INVALID_CURSOR")


@given(VALUES)
@example(-0.0)
@example(float("-inf"))
@example(Decimal("1E+1000"))
@example(Decimal("sNaN"))
@example("\ud800\0")
@example(datetime.max)
@example(datetime.min.replace(tzinfo=UTC))
def test_every_value_comes_back_with_its_type(value):
    """Through JSON and back: same type, same value, to the last digit; NaN and half surrogates too."""
    back = read_value(json.loads(json.dumps(write_value(value))))
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_integers_of_any_size():
    """Also those of more digits than Python prints."""
    assert read_value(json.loads(json.dumps(write_value(-(10**5000))))) == -(10**5000)


@pytest.mark.parametrize("member", [Colour.RED, Size.LARGE, Kind.A])
def test_enum_members_come_back_as_members(member):
    """A member is written by name and needs its class to be read; another class does not know it."""
    assert read_value(write_value(member), type(member)) is member
    for other in (None, Colour if type(member) is not Colour else Size):
        with pytest.raises(ValueError):
            read_value(write_value(member), other)


@pytest.mark.parametrize("value", [object(), [1], {"a": 1}, 1j])
def test_what_cannot_be_carried_is_said_when_the_cursor_is_made(value):
    """A sort key of another type is the developer's mistake, and named."""
    with pytest.raises(SetupError, match=type(value).__name__):
        write_value(value)


@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from([">", ">=", "<", "<="]))
def test_a_position_comes_back(values, side):
    """A cursor needs no escaping in a URL, and gives its position back."""
    cursors = signer(count=len(values))
    cursor = cursors.write(Position(side, tuple(values)))
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    back = cursors.read(cursor)
    assert (back.side, repr(back.values)) == (side, repr(tuple(values)))


def test_any_changed_character_is_noticed():
    """Each character of a cursor, replaced by any other, cut off or added: INVALID_CURSOR."""
    cursors = signer(count=2)
    cursor = cursors.write(Position(">", ("x", 7)))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n\0é"
    for place, character in enumerate(cursor):
        for other in set(alphabet) - {character}:
            assert is_refused(cursors, cursor[:place] + other + cursor[place + 1 :])
        assert is_refused(cursors, cursor[:place])
    assert all(is_refused(cursors, cursor + other) for other in alphabet)


@given(st.text() | st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")))
@example("")
def test_made_up_cursors_are_refused(text):
    """Anything a client makes up is INVALID_CURSOR, never an error of ours."""
    assert is_refused(signer(), text)


@pytest.mark.parametrize("change", [{"context": "there"}, {"secrets": (b"other",)}, {"count": 2}])
def test_a_cursor_of_another_list_or_secret_is_refused(change):
    """Signed by another secret, for another list, or with another number of sort keys: INVALID_CURSOR."""
    assert is_refused(signer(**change), signer().write(Position(">", (1,))))


def test_secrets_can_be_changed():
    """The first secret signs, all verify; an empty one is refused."""
    old = signer(secrets=(b"old",)).write(Position(">", (1,)))
    both = signer(secrets=(b"new", b"old"))
    assert both.read(old).values == (1,)
    assert signer(secrets=(b"new",)).read(both.write(Position(">", (1,)))).values == (1,)
    for secrets in ((), (b"",), (b"new", b"")):
        with pytest.raises(SetupError, match="SECRET_KEY"):
            signer(secrets=secrets)


def test_a_member_that_is_gone_makes_the_cursor_invalid():
    """A cursor of an older release that names an enum member which no longer exists: 400, not 500."""
    cursor = signer(enums=[Colour]).write(Position(">", (Colour.RED,)))
    assert signer(enums=[Colour]).read(cursor).values == (Colour.RED,)
    assert is_refused(signer(enums=[Size]), cursor)


def test_equal_values_of_different_types_stay_apart():
    """1, 1.0, True and "1" are different cursors."""
    kinds = [1, 1.0, True, "1", Decimal(1), date(1, 1, 1), datetime(1, 1, 1), time(1), b"1", UUID(int=1)]
    assert len({signer().write(Position(">", (value,))) for value in kinds}) == len(kinds)
