"""What the query string of a list may say."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.paging import (
    CursorPage,
    CursorRequest,
    Page,
    PageRequest,
    Parameters,
    SortKey,
    WholeNumber,
)

SORT = ("price", "name")
STYLE = Page(sort=SORT, default_sort="-name")
NAMES = Parameters()
OWN_NAMES = Parameters(page="p", limit="size", sort="orderBy", order="dir", cursor="after")
BY_OFFSET = Parameters(offset="skip")
LARGEST = 2**63 - 1


def read(style, query, parameters=NAMES):
    return style.parse(Schema.from_dict(style.fields(parameters))().load(query), parameters)


def refusal(style, query, parameters=NAMES):
    with pytest.raises(ValidationError) as caught:
        read(style, query, parameters)
    return caught.value.messages


def test_defaults():
    """Nothing asked: page 1 of 20, by the default sort."""
    assert read(STYLE, {}) == PageRequest(
        page=1, offset=0, limit=20, sort=(SortKey("name", descending=True),)
    )
    assert read(CursorPage(limit=5), {}) == CursorRequest(limit=5)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sort": "price"}, "price"),
        ({"sort": "-price,name"}, "-price,name"),
        ({"sort": "price", "order": "desc"}, "-price"),
        ({"sort": "price", "order": "asc"}, "price"),
        ({"sort": "-price,name", "order": "asc"}, "-price,name"),
        ({"sort": "price,-name", "order": "desc"}, "-price,-name"),
        ({"order": "desc"}, "-name"),
    ],
)
@pytest.mark.parametrize("style", [STYLE, CursorPage(sort=SORT, default_sort="-name")])
def test_sort_and_order(style, query, expected):
    """`-` is descending; `order` gives the direction of the keys without it."""
    assert ",".join(map(str, read(style, query).sort)) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", ",", "-", "--price", "prize", "price,", "price,price", "price,-price", "price, name", "Price"],
)
def test_a_wrong_sort_lists_what_is_allowed(wrong):
    """Unknown, repeated and empty keys: the message has the allow-list."""
    [message] = refusal(STYLE, {"sort": wrong})["sort"]
    assert "price, name" in message


@pytest.mark.parametrize("wrong", ["", "up", "DESC", "-1"])
def test_a_wrong_order_is_refused(wrong):
    """Either `asc` or `desc`."""
    assert set(refusal(STYLE, {"order": wrong})) == {"order"}


NOT_NUMBERS = [
    "",
    "x",
    "1.0",
    "1e3",
    "1_0",
    " 1",
    "1 ",
    "+1",
    "\u0661",
    "\uff11",
    "0x1",
    "1\n",
    "--1",
    "9" * 5000,
]


@pytest.mark.parametrize("wrong", NOT_NUMBERS)
@pytest.mark.parametrize(("style", "name"), [(STYLE, "page"), (STYLE, "limit"), (CursorPage(), "limit")])
def test_only_ascii_digits_are_numbers(style, name, wrong):
    """What Python would take for a number is not enough; nothing is silently changed."""
    assert set(refusal(style, {name: wrong})) == {name}


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ({"page": "0"}, Parameters()),
        ({"page": "-1"}, Parameters()),
        ({"limit": "0"}, Parameters()),
        ({"limit": "101"}, Parameters()),
        ({"page": str(2**63 // 100)}, Parameters()),
        ({"page": str(2**64)}, Parameters()),
        ({"skip": "-1"}, BY_OFFSET),
        ({"skip": str(LARGEST)}, BY_OFFSET),
    ],
)
def test_out_of_range_is_refused(query, parameters):
    """Numbers beyond the bounds, and pages whose end no 64-bit offset reaches."""
    assert set(refusal(STYLE, query, parameters)) == set(query)


@given(st.integers(1, 100), st.data())
def test_the_deepest_page_still_fits(limit, data):
    """Whatever page and limit are accepted: offset and end stay within 64 bits, in both ways of counting."""
    validator = STYLE.fields()["page"].validators[0]
    page = data.draw(st.integers(validator.max - 3, validator.max))
    request = read(STYLE, {"page": str(page), "limit": str(limit)})
    assert request.offset == (page - 1) * limit
    assert request.offset + request.fetch_limit <= LARGEST
    deepest = STYLE.fields(BY_OFFSET)["skip"].validators[0].max
    assert deepest + 101 <= LARGEST


def test_own_names():
    """Each parameter can be called something else; ours are then unknown."""
    assert read(STYLE, {"p": "3", "size": "5", "orderBy": "price", "dir": "desc"}, OWN_NAMES) == PageRequest(
        page=3, offset=10, limit=5, sort=(SortKey("price", descending=True),)
    )
    assert read(CursorPage(), {"after": "x"}, OWN_NAMES).cursor == "x"
    assert set(refusal(STYLE, {"page": "1", "sort": "price"}, OWN_NAMES)) == {"page", "sort"}


def test_offset_and_limit():
    """With an offset there is no page number."""
    assert read(STYLE, {"skip": "7"}, BY_OFFSET) == PageRequest(
        offset=7, limit=20, sort=(SortKey("name", descending=True),)
    )
    assert set(refusal(STYLE, {"page": "1"}, BY_OFFSET)) == {"page"}


def test_nothing_to_sort_by_means_no_such_parameter():
    """A list without sort keys does not know `sort` and `order`."""
    assert set(Page().fields()) == {"page", "limit"}
    assert set(CursorPage().fields()) == {"cursor", "limit"}


WRONG_STYLES = [
    ({"limit": 0}, "limit=0"),
    ({"limit": 101}, "max_limit"),
    ({"sort": ("a",), "default_sort": "b"}, "default_sort"),
    ({"sort": ("a",), "default_sort": "a,a"}, "default_sort"),
    ({"sort": ("-a",)}, "-a"),
    ({"sort": ("a,b",)}, "a,b"),
    ({"sort": ("",)}, "''"),
]


@pytest.mark.parametrize(("options", "says"), WRONG_STYLES)
@pytest.mark.parametrize("style", [Page, CursorPage])
def test_a_style_that_makes_no_sense_is_refused_when_made(style, options, says):
    """The error names the option."""
    with pytest.raises(SetupError, match=says):
        style(**options)


@pytest.mark.parametrize("depth", [0, -1, 2**63])
def test_the_depth_of_pages_can_be_bounded(depth):
    """`max_page` is what a client may ask for at most."""
    assert set(refusal(Page(max_page=3), {"page": "4"})) == {"page"}
    assert read(Page(max_page=3), {"page": "3"}).page == 3
    with pytest.raises(SetupError, match="max_page"):
        Page(max_page=depth)


@pytest.mark.parametrize(
    "names",
    [{"page": "limit"}, {"sort": ""}, {"offset": "limit"}, {"filter": "{name}"}, {"filter": "{operator}"}],
)
def test_parameters_need_names_of_their_own(names):
    """Two parameters of one name, or of none, are refused when declared."""
    with pytest.raises(SetupError, match="Parameters"):
        Parameters(**names)


@given(st.dictionaries(st.sampled_from(["page", "limit", "sort", "order", "cursor", "x"]), st.text()))
@example({"page": "-0"})
def test_any_query_string_is_read_or_refused(query):
    """Whatever a client sends: a request within the bounds, or a ValidationError."""
    for style in (STYLE, CursorPage(sort=SORT)):
        try:
            request = read(style, query)
        except ValidationError:
            continue
        assert 1 <= request.limit <= 100
        assert {key.name for key in request.sort} <= set(SORT)


@pytest.mark.parametrize("value", [True, 1.0, None, [1]])
def test_a_whole_number_is_no_boolean_and_no_fraction(value):
    """In JSON too."""
    with pytest.raises(ValidationError):
        WholeNumber().deserialize(value)
    assert WholeNumber().deserialize(12) == 12
