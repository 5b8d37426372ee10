"""Keys of arguments: PITFALLS C5."""

import dataclasses
import datetime as dt
import enum
import subprocess
import sys
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns import SetupError
from flask_backend_patterns.cache import UnstableKeyError, cached
from flask_backend_patterns.cache.keys import MAX_KEY_CHARACTERS, bounded, stable_text


class Colour(enum.Enum):
    RED = "1"


class Size(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: object = None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.floats(allow_nan=False), st.uuids(),
    st.decimals(allow_nan=False), st.dates(), st.datetimes(), st.times(), st.timedeltas(), st.sampled_from([*Colour, *Size]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.text(), inner),
        st.builds(Point, st.integers(), inner),
    ),
    max_leaves=8,
)


def typed(value):
    """What tells values apart: their types count too, all the way down."""
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return (kind, tuple(map(typed, value)))
    if isinstance(value, dict):
        return (kind, frozenset((key, typed(item)) for key, item in value.items()))
    if isinstance(value, Point):
        return (kind, typed(value.x), typed(value.y))
    return (kind, str(value) if isinstance(value, Decimal | float | dt.time | dt.datetime) else value)


@given(st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_two_lists_of_arguments_have_one_key_exactly_when_they_are_equal(first, second):
    """Whatever is in them: separators, quotes, other types of the same look."""
    assert (stable_text(first) == stable_text(second)) == (typed(first) == typed(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", "b,c"), ("a,b", "c")),
        (("'", "a"), ("'a",)),
        ((1,), ("1",)),
        ((1,), (True,)),
        ((1,), (1.0,)),
        ((None,), ("None",)),
        ((Size.ONE,), (1,)),
        ((Colour.RED,), ("1",)),
        ((b"a",), ("a",)),
        (((1, 2),), ([1, 2],)),
        (({1},), (frozenset({1}),)),
        ((Point(1),), ((1, None),)),
        ((dt.datetime(2020, 1, 1, tzinfo=dt.UTC),), (dt.date(2020, 1, 1),)),
        ((0.0,), (-0.0,)),
    ],
)
def test_what_looks_alike_differs(cache_app, first, second):
    """Through `@cached`, where the key is made of all arguments."""

    @cached()
    def function(*args):
        return len(args)

    assert function.key(*first) != function.key(*second)


def test_order_of_sets_and_dicts_does_not_matter():
    """Hashes of text differ from process to process, so their order does."""
    program = (
        "from flask_backend_patterns.cache.keys import stable_text;"
        "print(stable_text([set('abcdefgh'), frozenset('xyz'), dict.fromkeys('hgfedcba', 1)]))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


class Service:
    @cached()
    def without_key(self, item_id):
        return item_id

    @cached(key="item:{item_id}")
    def with_key(self, item_id):
        return item_id


@pytest.mark.parametrize("argument", [object(), lambda: 1, iter([]), Service(), [object()], {"a": object()}])
def test_an_argument_without_a_stable_key_is_named(cache_app, argument):
    """At the call, with the remedy."""

    @cached()
    def function(first, thing):
        return first

    with pytest.raises(UnstableKeyError, match=r"'thing' .*key="):
        function(1, argument)


def test_self_is_an_argument(cache_app):
    """C5: two objects never share a result by accident; with a key that leaves `self` out they do on purpose."""
    with pytest.raises(UnstableKeyError, match=r"'self' cannot be part of a key"):
        Service().without_key(1)
    assert Service().with_key(1) == 1
    assert Service().with_key.key(1) == "item:1"


def test_what_contains_itself_is_an_error():
    """And so is what is nested a thousand deep; neither ends the process."""
    loop = []
    loop.append(loop)
    with pytest.raises(UnstableKeyError, match="deeply"):
        stable_text(loop)


@pytest.mark.parametrize(
    "value", [1 << 20_000, -(1 << 20_000), "x" * 100_000, "\ud800", "\0\n", uuid.UUID(int=1)], ids=range(6)
)
def test_huge_and_odd_arguments_have_bounded_keys(cache_app, value):
    """Within what every store takes, and different for different values."""

    @cached()
    def function(value):
        return 1

    assert len(function.key(value)) < 2 * MAX_KEY_CHARACTERS
    function.key(value).encode()
    assert function.key(value) != function.key([value])
    assert function(value) == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_stay_apart_when_they_are_shortened(first, second):
    """By a hash of the whole."""
    long_first, long_second = first * 300, second * 300
    assert (bounded(long_first) == bounded(long_second)) == (long_first == long_second)
    assert bounded(bounded(long_first)) == bounded(long_first)


TEMPLATES = [
    ("item:{item_id}", (5,), {}, "item:5"),
    ("item:{item_id}", (), {"item_id": 5}, "item:5"),
    ("item:{item_id}:{language}", (5,), {}, "item:5:en"),
    ("fixed", (1,), {}, "fixed"),
    ("{{{item_id}}}", (1,), {}, "{1}"),
    ("c:{item_id}", (Colour.RED,), {}, "c:1"),
    ("d:{item_id}", (dt.date(2020, 1, 2),), {}, "d:2020-01-02"),
    ("n:{item_id}", (None,), {}, "n:None"),
]


@pytest.mark.parametrize(("template", "args", "kwargs", "key"), TEMPLATES)
def test_templates_are_filled_from_the_arguments(template, args, kwargs, key):
    """By name, however they are given, defaults included."""

    @cached(key=template)
    def function(item_id, language="en"):
        return 1

    assert function.key(*args, **kwargs) == key


def test_attributes_in_templates():
    """`{user.id}`."""

    @cached(key="orders:{point.x}:{point.y}")
    def function(point):
        return 1

    assert function.key(Point(1, "a")) == "orders:1:a"


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_values_of_a_template_do_not_run_into_each_other(first, second):
    """("a", "b:c") and ("a:b", "c") differ."""

    @cached(key="{a}:{b}")
    def function(a, b):
        return 1

    assert (function.key(*first) == function.key(*second)) == (first == second)


@pytest.mark.parametrize(
    "options",
    [
        {"key": "item:{id}"},
        {"key": "item:{item_id!r}"},
        {"key": "item:{item_id:>5}"},
        {"key": "item:{item_id[0]}"},
        {"key": "item:{}"},
        {"key": "item:{item_id"},
        {"key": ""},
        {"key": "{item_id}{other}"},
        {"key": 5},
        {"tags": ["{id}"]},
        {"tags": "items"},
        {"ttl": 0},
        {"ttl": float("nan")},
        {"stale": -1},
        {"none_ttl": -1},
        {"jitter": 1},
    ],
)
def test_a_wrong_declaration_is_an_error_at_once(options):
    """Not at the first call."""
    with pytest.raises(SetupError):

        @cached(**options)
        def function(item_id, other=1):
            return 1


def test_a_wrong_call_is_the_functions_own_error(cache_app):
    """Also when the result is kept already."""

    @cached(key="{a}")
    def function(a, *, b=1):
        return 1

    function(1)
    for args, kwargs in [((), {}), ((1, 2), {}), ((1,), {"c": 1}), ((1,), {"a": 1})]:
        with pytest.raises(TypeError):
            function(*args, **kwargs)
