"""Which filters a list takes, what their parameters accept, and how lists are filtered."""

# ruff: noqa: DTZ001 - columns without a time zone hold naive moments
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import ClassVar

import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask_smorest.spec import delimited_list2param
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, SmallInteger, String, Table, types

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.filtering import Filter, FilterSet
from flask_backend_patterns.api.filtering.operators import OPERATORS
from flask_backend_patterns.api.paging import CursorPage, CursorRequest, Parameters
from flask_backend_patterns.errors import BadRequestError


class Colour(Enum):
    RED = "r"
    BLUE = "b"


NAMES = Parameters()
TABLE = Table(
    "things",
    MetaData(),
    Column("small", SmallInteger),
    Column("number", Integer),
    Column("big", BigInteger),
    Column("name", String(10)),
    Column("colour", types.Enum(Colour)),
    Column("word", types.Enum("up", "down", name="words")),
    Column("moment", DateTime(timezone=True)),
    Column("wall", DateTime()),
    Column("day", types.Date),
)
ALL = "eq ne lt lte gt gte in between isnull"


class Things(FilterSet):
    number = Filter(fields.Integer(), TABLE.c.number, ALL)
    small = Filter(fields.Integer(validate=validate.Range(min=0)), TABLE.c.small)
    big = Filter(fields.Integer(), TABLE.c.big)
    free = Filter(fields.Integer(), None, "eq in")
    name = Filter(fields.String(), TABLE.c.name, ALL + " contains startswith")
    ratio = Filter(fields.Float(), None, ALL)
    amount = Filter(fields.Decimal(), None, ALL)
    moment = Filter(fields.DateTime(), TABLE.c.moment, ALL)
    wall = Filter(fields.DateTime(), TABLE.c.wall, "gte")
    day = Filter(fields.Date(), TABLE.c.day, ALL)
    at = Filter(fields.Time(), None, "eq")
    colour = Filter(fields.Enum(Colour), TABLE.c.colour, "eq in")
    word = Filter(fields.String(), TABLE.c.word)
    uid = Filter(fields.UUID(), None, "eq")
    flag = Filter(fields.Boolean(), None, "eq")


def load(query, filters=Things, parameters=NAMES):
    return filters.parse(Schema.from_dict(filters.fields(parameters))().load(query), parameters)


def value_of(name, text, filters=Things):
    return load({name: text}, filters).values[name]


def is_refused(query, filters=Things):
    with pytest.raises(ValidationError) as caught:
        load(query, filters)
    return set(caught.value.messages) == set(query)


def test_only_what_is_declared():
    """A parameter for each declared operator, `eq` under the bare name, and none besides."""

    class Few(FilterSet):
        price = Filter(fields.Integer(), None, "eq gte in")
        name = Filter(fields.String(), None, "contains")
        other = "not a filter"

    assert list(Few.fields()) == ["price", "price_gte", "price_in", "name_contains"]
    for unknown in ("price_lt", "price_eq", "name", "other", "price__gte", "declared"):
        assert is_refused({unknown: "1"}, Few)


def test_inheritance():
    """A subclass has the filters of its bases, may replace them, and may drop one by None."""

    class Base(FilterSet):
        a = Filter(fields.Integer())
        b = Filter(fields.Integer())
        c = Filter(fields.Integer())

    class Other(FilterSet):
        d = Filter(fields.Integer())

    class Both(Base, Other):
        a = Filter(fields.String(), None, "contains")
        b: ClassVar[None] = None

    assert set(Both.fields()) == {"a_contains", "c", "d"}
    assert set(Base.fields()) == {"a", "b", "c"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_own_names(operator):
    """The form of a filter's name can be changed, and a name can be one that Python does not take."""

    class Own(FilterSet):
        made = Filter(fields.String(), None, operator, name="made-at")

    expected = "made-at" if operator == "eq" else f"made-at[{operator}]"
    parameters = Parameters(filter="{name}[{operator}]")
    assert list(Own.fields(parameters)) == [expected]
    text = {"isnull": "true", "between": "a,b"}.get(operator, "a")
    assert list(load({expected: text}, Own, parameters).values) == [expected]


def test_mistakes_in_a_declaration_are_refused_when_declared():
    """Unknown operators, no operators, text operators on what is no text, and two filters of one name."""
    for operators in ("eq like", "", "regex", "eq,ne"):
        with pytest.raises(SetupError, match="expected some of eq ne"):
            Filter(fields.Integer(), None, operators)
    for field, column in (
        (fields.Integer(), None),
        (fields.String(), TABLE.c.word),
        (fields.UUID(), None),
    ):
        for operator in ("contains", "startswith"):
            with pytest.raises(SetupError, match=operator):
                Filter(field, column, operator)
    with pytest.raises(SetupError, match="String field"):
        Filter(fields.String(), TABLE.c.number)
    with pytest.raises(SetupError, match="price_gte"):

        class Twice(FilterSet):
            price = Filter(fields.Integer(), None, "gte")
            price_gte = Filter(fields.Integer(), None, "eq")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("number", "-5", -5),
        ("number_in", "1,2,2", [1, 2, 2]),
        ("number_between", "1,5", [1, 5]),
        ("number_isnull", "true", True),
        ("number_isnull", "false", False),
        ("big", str(-(2**63)), -(2**63)),
        ("free", str(2**63 - 1), 2**63 - 1),
        ("name", " a%_\\ ", " a%_\\ "),
        ("name", "", ""),
        ("name_in", "a, b", ["a", " b"]),
        ("ratio", "-1.5e-3", -0.0015),
        ("amount", "1.10", Decimal("1.10")),
        ("moment", "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("moment", "2026-01-01T00:00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("wall_gte", "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1)),
        ("day", "2026-02-28", date(2026, 2, 28)),
        ("at", "10:00", time(10)),
        ("colour", "RED", Colour.RED),
        ("word", "up", "up"),
        ("flag", "true", True),
    ],
)
def test_values_are_typed(name, text, expected):
    """By the declared field, and moments by whether the column has a time zone; without one UTC is meant."""
    assert value_of(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[(name, text) for name in ("number", "free", "ratio", "amount") for text in ("", "x", "1_0", " 1", "+1", "\u0661", "0x1", "nan", "inf", "1\n")],
        *[("number", text) for text in ("1.0", "1e3", "9" * 5000, str(2**31), str(-(2**31) - 1))],
        *[("small", text) for text in ("-1", str(2**15))],
        *[("big", text) for text in (str(2**63), str(-(2**63) - 1))],
        ("free", str(2**63)),
        ("number_in", ""),
        ("number_in", "1,x"),
        ("name_in", "a,,b"),
        ("number_in", ",".join(["1"] * 101)),
        ("number_between", "1"),
        ("number_between", "1,2,3"),
        ("number_isnull", ""),
        ("number_isnull", "maybe"),
        ("ratio", "1e999"),
        ("amount", "1e1001"),
        ("amount", "1e-1001"),
        *[(name, text) for name in ("name", "name_in", "name_contains") for text in ("\0", "a\0b", "\ud800")],
        ("moment", "0001-01-01T00:00:00+14:00"),
        ("moment", "9999-12-31T23:59:59-14:00"),
        ("moment", "yesterday"),
        ("day", "2026-02-30"),
        ("at", "10:00+01:00"),
        ("colour", "r"),
        ("word", "sideways"),
        ("uid", "x"),
        ("flag", "2"),
    ],
)  # fmt: skip
def test_what_no_database_could_take_is_refused(name, text):
    """Values beyond the column's type, text that cannot be stored, numbers in other scripts: a ValidationError."""
    assert is_refused({name: text})


@given(
    st.dictionaries(st.sampled_from(list(Things.fields())), st.text() | st.text("0123456789-.,eE:TZ+ruefals"))
)
def test_any_query_string_is_read_or_refused(query):
    """Whatever a client sends: filters, or a ValidationError; and the filters can be applied."""
    try:
        found = load(query)
    except ValidationError:
        return
    assert list(found.select_from([])) == []
    assert len(found.values) == len(query)


def test_a_default_belongs_to_the_plain_parameter():
    """A field's default, or that it is required, counts for `eq` and not for the other operators."""

    class Defaults(FilterSet):
        status = Filter(fields.String(load_default="paid"), None, "eq ne in")

    class Required(FilterSet):
        shop = Filter(fields.Integer(required=True), None, "eq in")

    assert load({}, Defaults).values == {"status": "paid"}
    assert load({"status": "new"}, Defaults).values == {"status": "new"}
    with pytest.raises(ValidationError) as caught:
        load({}, Required)
    assert set(caught.value.messages) == {"shop"}


def test_the_openapi_document():
    """Each parameter with its type, format, bounds and a sentence; lists are separated by commas."""
    plugin = MarshmallowPlugin()
    spec = APISpec("t", "1", "3.1.0", plugins=[plugin])
    plugin.converter.add_parameter_attribute_function(delimited_list2param)  # as flask-smorest does
    spec.path(
        "/",
        operations={"get": {"parameters": [{"in": "query", "schema": Schema.from_dict(Things.fields())}]}},
    )
    documented = {each["name"]: each for each in spec.to_dict()["paths"]["/"]["get"]["parameters"]}
    assert set(documented) == set(Things.fields())
    number = documented["number"]["schema"]
    assert (number["type"], number["minimum"], number["maximum"]) == ("integer", -(2**31), 2**31 - 1)
    assert documented["small"]["schema"]["minimum"] == 0
    assert documented["number_in"]["explode"] is False
    assert documented["number_in"]["schema"]["items"]["type"] == "integer"
    assert documented["number_isnull"]["schema"]["type"] == "boolean"
    assert documented["moment_gte"]["schema"]["format"] == "date-time"
    assert documented["number_gte"]["description"] == "Only items whose `number` is this or more."
    assert all("description" in each for each in documented.values())


ROWS = [
    {"id": 1, "number": 1, "name": "Ab%c", "moment": datetime(2026, 1, 1, tzinfo=UTC), "colour": Colour.RED},
    {"id": 2, "number": 5, "name": "ab", "moment": datetime(2026, 1, 2), "colour": Colour.BLUE},
    {"id": 3, "number": None, "name": None, "moment": None, "colour": None},
]
MATCHES = [
    ({"number": "1"}, [1]),
    ({"number_ne": "1"}, [2]),
    ({"number_lt": "5"}, [1]),
    ({"number_lte": "5"}, [1, 2]),
    ({"number_gt": "1"}, [2]),
    ({"number_gte": "1"}, [1, 2]),
    ({"number_in": "5,7"}, [2]),
    ({"number_between": "1,4"}, [1]),
    ({"number_between": "4,1"}, []),
    ({"number_isnull": "true"}, [3]),
    ({"number_isnull": "false"}, [1, 2]),
    ({"name_contains": "b%"}, [1]),
    ({"name_contains": ""}, [1, 2]),
    ({"name_startswith": "a"}, [2]),
    ({"moment_gte": "2026-01-01T12:00:00Z"}, [2]),
    ({"moment": "2026-01-01T00:00:00"}, [1]),
    ({"moment_in": "2026-01-02T01:00:00+01:00"}, [2]),
    ({"colour_in": "RED,BLUE"}, [1, 2]),
    ({"number_gte": "1", "name_contains": "A"}, [1]),
    ({}, [1, 2, 3]),
]


@pytest.mark.parametrize(("query", "expected"), MATCHES)
@pytest.mark.parametrize("make", [dict, SimpleNamespace])
def test_lists_are_filtered_as_selects_are(query, expected, make):
    """Each operator on attributes and keys; None matches nothing but isnull; moments with and without a zone compare."""
    found = load(query).select_from([make(**row) for row in ROWS])
    assert [item["id"] if isinstance(item, dict) else item.id for item in found] == expected


def test_the_attribute_of_an_item():
    """The one that is named, dotted paths too; else the column's; else the filter's name."""

    class Paths(FilterSet):
        a = Filter(fields.Integer(), attribute="owner.age")
        b = Filter(fields.Integer(), TABLE.c.number)
        c = Filter(fields.Integer())

    item = {"owner": {"age": 1}, "number": 2, "c": 3}
    for query in ({"a": "1"}, {"b": "2"}, {"c": "3"}):
        assert load(query, Paths).select_from([item, {"owner": None}]) == [item]


def test_cursors_are_bound_to_the_filters():
    """A cursor made under other filters is refused; their order in the query string does not matter."""
    style = CursorPage(key="id")
    fetch = lambda query, cursor=None: style.fetch(
        ROWS, CursorRequest(limit=1, cursor=cursor), filters=load(query), secret=b"s", scope=""
    )
    cursor = fetch({"number_gte": "1", "number_lte": "9"}).meta["nextCursor"]
    assert [item["id"] for item in fetch({"number_lte": "9", "number_gte": "1"}, cursor).items] == [2]
    for other in ({"number_gte": "1"}, {"number_gte": "1", "number_lte": "8"}, {}):
        with pytest.raises(BadRequestError):
            fetch(other, cursor)


def test_a_filter_without_a_column_cannot_filter_a_select():
    """Said by an error that tells what is missing."""
    from sqlalchemy import select

    with pytest.raises(SetupError, match="column"):
        load({"free": "1"}).apply(select(TABLE))
