"""Values as bytes and back: equal, types included, or an error that names the type. PITFALLS C6."""

import math
import pickle
import socket
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from functools import partial
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, post_load, validate

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.cache.encoding import MAX_DEPTH, Encoding, is_shareable
from flask_backend_patterns.cache.near_cache import MISSING
from flask_backend_patterns.cache.uncacheable import UncacheableValueError

T = TypeVar("T")


class Color(Enum):
    RED = 1
    BLUE = "blue"
    ALSO_RED = 1  # noqa: PIE796 - an alias


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    ONE = "one"


class Right(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ONE = 1
    HUGE = 1 << 80


class Point(NamedTuple):
    x: Any
    y: Any = 0


Pair = namedtuple("Pair", ["left", "right"])  # noqa: PYI024 - the older way to make one


@dataclass(frozen=True)
class Owner:
    name: Any
    color: Color = Color.RED


@dataclass
class Item:
    id: int
    owner: Owner | None = None
    parts: list["Item"] = field(default_factory=list)
    total: int = field(init=False, default=0)

    def __post_init__(self):
        self.total += 1


@dataclass(slots=True, kw_only=True)
class Slotted:
    a: Any
    _b: Any = 2


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]


class Row(TypedDict):
    owner: Owner
    level: Level


class NoOffset(tzinfo):
    def utcoffset(self, _moment):
        return None


class FixedOffset(tzinfo):
    def utcoffset(self, _moment):
        return timedelta(hours=3)


ALL = (Color, Level, Word, Right, Bits, Point, Pair, Owner, Item, Slotted, Page)
ENCODING = Encoding.for_types(*ALL)


def is_same(one, other):  # noqa: PLR0911 - one for each kind
    """Equal, of the same types all the way down; NaN is NaN, and order of dicts counts."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (math.isnan(one) and math.isnan(other))
        )
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, (datetime, time)):
        return (
            one.replace(tzinfo=None) == other.replace(tzinfo=None)
            and one.fold == other.fold
            and one.utcoffset() == other.utcoffset()
            and one.tzname() == other.tzname()
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(other) and all(any(is_same(item, found) for found in other) for item in one)
    if hasattr(one, "__dataclass_fields__"):
        return all(is_same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)
    return one == other


def type_name(value):
    return type(value).__name__  # texts of sets and objects differ from process to process


def round_trip(value, encoding=ENCODING):
    payload = encoding.encode(value)
    assert type(payload) is bytes
    return encoding.decode(payload)


ZONES = [
    UTC,
    timezone(timedelta(hours=-5)),
    timezone(timedelta(seconds=3601), "odd"),
    ZoneInfo("Europe/Berlin"),
]
LONDON = ZoneInfo("Europe/London")

EXAMPLES = [
    *(None, True, False, 0, 1, -1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, -(256**3)),
    *(0.0, -0.0, 1.0, 1e308, math.nan, math.inf, -math.inf, 5e-324),
    *("", "a", "ключ", "\0", "\ud800", "a\udfff\U0001f600", "\ud83d\ude00", "x" * 70_000, b"", b"\xc1" * 300),
    *(
        date.min,
        date.max,
        datetime(1, 1, 1),  # noqa: DTZ001 - naive ones, too
        datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001 - naive ones, too
        time.min,
        time.max,
        timedelta.min,
        timedelta.max,
    ),
    *(datetime(2026, 7, 1, 12, 0, 0, 1, tzinfo=zone) for zone in ZONES),
    *(time(12, 30, tzinfo=zone) for zone in ZONES),
    *(datetime(2026, 10, 25, 1, 30, tzinfo=LONDON, fold=fold) for fold in (0, 1)),
    *(datetime(2026, 3, 29, 1, 30, tzinfo=LONDON), datetime(2026, 1, 1, fold=1), time(1, fold=1)),  # noqa: DTZ001 - naive
    *map(
        Decimal, ["1.10", "-0", "NaN", "-NaN7", "sNaN12", "Infinity", "-Infinity", "1E+999999", "1E-999999"]
    ),
    Decimal("1" * 5000),
    *(UUID(int=0), UUID(int=2**128 - 1)),
    *(Color.RED, Color.BLUE, Color.ALSO_RED, Level.LOW, Word.ONE, Right.READ | Right.WRITE, Right(0)),
    *(Bits.ONE | Bits.HUGE, Bits(8), [Level.LOW, 1, True, 1.0]),
    *([], [[]], (), ((),), ([],), set(), {1, "1"}, frozenset(), frozenset({(1, 2), frozenset({3})}), {}),
    {"b": 1, "a": {"c": [1, (2, {3})]}},
    {
        1: "int",
        "1": "str",
        (1, 2): [3],
        None: None,
        b"x": 0,
        Color.RED: 1,
        frozenset({1}): 2,
        2.5: 3,
        "\ud800": 4,
    },
    {date(2026, 1, 1): Decimal(1), Point(1, 2): UUID(int=5), Owner("a"): Owner("b"), True: False},
    *(Point(1, Point([2], None)), Pair(1, (2,)), Owner({"a": (1,)}), Slotted(a=(1,)), Page((Owner("x"),))),
    Item(1, Owner("ann"), [Item(2), Item(3, Owner("bob", Color.BLUE))]),
]


@pytest.mark.parametrize("value", EXAMPLES, ids=type_name)
def test_values_come_back_equal_and_of_the_same_type(value):
    """Alone, and within others."""
    assert is_same(round_trip(value), value)
    assert is_same(round_trip([{"a": (value,)}]), [{"a": (value,)}])


HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC), allow_imaginary=True)
    | st.times()
    | st.timedeltas()
    | st.decimals().filter(lambda value: not value.is_snan())  # it has no hash
    | st.uuids()
    | st.sampled_from([*Color, *Level, *Word, *Right]),
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(inner, max_size=4)
        | st.builds(Point, inner, inner)
        | st.builds(Owner, inner, st.sampled_from(Color))
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=4)
        | st.builds(lambda a, b: Slotted(a=a, _b=b), inner, inner)
        | st.builds(lambda items: Page(tuple(items)), st.lists(inner, max_size=3))
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_any_value_comes_back_equal(value):
    """Whatever is made of the types that can be stored."""
    assert is_same(round_trip(value), value)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hostile_bytes_are_a_miss_or_a_value_and_never_an_exception(data):
    """Random bytes behind our version byte, and true payloads cut, extended and changed in places."""
    payload = (
        bytearray(ENCODING.encode(data.draw(VALUES))) if data.draw(st.booleans()) else bytearray(b"\x01")
    )
    payload += data.draw(st.binary(max_size=30))
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6)
    ):
        payload[place % len(payload)] = byte
    ENCODING.decode(bytes(payload[: data.draw(st.integers(0, len(payload)))]))


EXTENSION = msgspec.msgpack.Ext
RUBBISH = [
    *(
        b"",
        b"\x00",
        b"\x02\xc0",
        b"\x01",
        b"\x01\xc0\xc0",
        b"\x01\xc1",
        b"\x01\xdd\xff\xff\xff\xff",
        b"\x80\x04.",
    ),
    *(
        b"\x01" + b"\x91" * 200_000,
        b"\x01" + b"\x81\xa1a" * 100_000,
        b"\x01\x81\x80\xc0",
        pickle.dumps(Owner("x")),
    ),
    *(b"\x01" + msgspec.msgpack.encode(EXTENSION(code, b"\xff")) for code in range(-128, 128) if code != 1),
    *(b"\x01" + msgspec.msgpack.encode(EXTENSION(code, b"\x90")) for code in (14, 15, 16, 17)[1:]),
    b"\x01"
    + msgspec.msgpack.encode(EXTENSION(6, msgspec.msgpack.encode(["2026-01-01", 0, "../../etc/passwd"]))),
    b"\x01" + msgspec.msgpack.encode(EXTENSION(6, msgspec.msgpack.encode(["2026-01-01", 0, "Europe"]))),
    b"\x01" + msgspec.msgpack.encode(EXTENSION(15, msgspec.msgpack.encode([b"12345678", "RED"]))),
    b"\x01" + msgspec.msgpack.encode(EXTENSION(17, msgspec.msgpack.encode(["os.system", "true"]))),
    b"\x01" + msgspec.msgpack.encode(EXTENSION(12, msgspec.msgpack.encode([[1]]))),
]


def test_rubbish_is_a_miss():
    """Other versions, other formats (pickle among them), cut, nested without end, classes that nobody declared."""
    for payload in RUBBISH:
        assert ENCODING.decode(payload) is MISSING, payload[:40]


def test_extensions_within_extensions_without_end_are_a_miss():
    """No crash of the interpreter."""
    payload = b"\xc0"
    for _ in range(20_000):
        payload = b"\xc9" + len(payload).to_bytes(4) + b"\x0b" + payload
    assert ENCODING.decode(b"\x01" + payload) is MISSING


def test_classes_come_from_declarations_only():
    """Bytes of a declared class are a miss where it is not declared, and after its fields have changed."""
    payload = ENCODING.encode(Owner("ann"))
    assert Encoding().decode(payload) is MISSING
    first = make_dataclass("Same", [("a", int)])
    second = make_dataclass("Same", [("a", int), ("b", int)])
    assert Encoding.for_types(second).decode(Encoding.for_types(first).encode(first(1))) is MISSING
    with pytest.raises(SetupError, match="Two classes are called"):
        Encoding.for_types(first, make_dataclass("Same", [("a", int)]))


def test_neither_init_nor_post_init_runs_when_a_dataclass_comes_back():
    """Its fields are what they were, also those that `__post_init__` counts up."""
    assert round_trip(Item(1)).total == 1


def undeclared(annotation, value):
    with pytest.raises(UncacheableValueError) as raised:
        Encoding.for_types(annotation).encode(value)
    return str(raised.value)


class PlainObject:
    pass


class Text(str):
    __slots__ = ()


@dataclass
class Mapping(dict):
    a: int = 0


@dataclass
class Unset:
    a: int = field(init=False)


def generate():
    yield 1


REFUSED = [
    (
        Owner("x"),
        "Owner is a dataclass that the return annotation does not name; annotate the function, or give types=[Owner]",
    ),
    ({"items": [{"owner": Owner("x")}]}, "items.0.owner: Owner is a dataclass"),
    ([(1, {2: Color.RED})], "0.1.2: Color is an enum"),
    ({"a": Point(1)}, "a: Point is a named tuple"),
    ({"a": {Point(1): 2}}, "a.Point(x=1, y=0): Point is a named tuple"),
    (PlainObject(), "PlainObject cannot be stored; make a dataclass or a dict of it, or give schema="),
    ([object()], "0: object cannot be stored"),
    (OrderedDict(a=1), "OrderedDict would come back as a plain dict"),
    (defaultdict(int), "defaultdict would come back as a plain dict"),
    (Text("a"), "Text would come back as a plain str"),
    (Mapping(), "Mapping"),
    (bytearray(b"x"), "bytearray can change; make bytes of it"),
    (memoryview(b"x"), "memoryview can change"),
    (generate(), "generator can be used only once; make a list of it"),
    (range(3), "range cannot be stored"),
    (1j, "complex cannot be stored"),
    (Exception("x"), "Exception cannot be stored"),
    (print, "builtin_function_or_method cannot be stored"),
    (Owner, "type cannot be stored"),
    (time(1, tzinfo=NoOffset()), "NoOffset is a time zone without an offset here"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_what_cannot_come_back_equal_is_an_error_that_names_type_and_place(value, message):
    """Never something else silently; each says what to do."""
    assert undeclared(Any, value).startswith(message)


def test_a_socket_and_a_field_that_was_never_set_are_errors():
    """The latter names the field."""
    with socket.socket() as opened, pytest.raises(UncacheableValueError, match="socket cannot be stored"):
        Encoding().encode(opened)
    assert undeclared(Unset, [Unset()]) == "0: Unset.a has never been set"


def test_what_contains_itself_is_an_error():
    """Depth is bounded, and the bound can be reached."""
    cyclic: list[Any] = []
    cyclic.append({"again": cyclic})
    message = undeclared(Any, cyclic)
    assert "contains itself" in message
    assert len(message) < 200
    nested: Any = 1
    for _ in range(MAX_DEPTH):
        nested = (nested,)
    assert round_trip(nested) == nested
    undeclared(Any, [nested])


def test_other_classes_of_zones_come_back_as_their_offset():
    """The moment and the time on the clock are kept."""
    moment = datetime(2026, 1, 1, 12, tzinfo=FixedOffset())
    found = round_trip(moment)
    assert (found, found.utcoffset(), found.replace(tzinfo=None)) == (
        moment,
        timedelta(hours=3),
        datetime(2026, 1, 1, 12),  # noqa: DTZ001 - the time on the clock
    )


OwnerId = NewType("OwnerId", Owner)
Bound = TypeVar("Bound", bound=Owner)
Limited = TypeVar("Limited", Owner, int)
ANNOTATIONS = [
    *(
        Owner,
        Owner | None,
        Optional[Owner],  # noqa: UP045 - the older way to say it
        list[Owner],
        dict[str, list[Owner]],
        tuple[Owner, ...],
        Page[Owner],
    ),
    *(Annotated[Owner, []], OwnerId, Bound, Limited, Item, Row, type[Owner]),
]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_annotations_declare_what_they_name(annotation):
    """However deep, through the fields of dataclasses, named tuples and typed dicts; enums of fields, too."""
    encoding = Encoding.for_types(annotation)
    assert round_trip(Owner("x", Color.BLUE), encoding) == Owner("x", Color.BLUE)


def test_a_literal_declares_its_enum():
    """`Literal[Color.RED]` may be that member."""
    assert round_trip(Color.RED, Encoding.for_types(Literal[Color.RED, "x"])) is Color.RED


def get_items() -> "list[Item]": ...
async def fetch_item() -> Item | None: ...
def get_hidden() -> "list[Hidden]": ...  # noqa: F821 - cannot be read at run time, which is the point
def get_bare(): ...


class Service:
    def get_owner(self) -> Owner: ...


@pytest.mark.parametrize(
    "function", [get_items, fetch_item, partial(get_items), Service().get_owner, Service.get_owner]
)
def test_a_function_declares_what_it_returns(function):
    """Read as late as names resolve: plain, async, partial, methods."""
    encoding = Encoding.for_function(function)
    assert round_trip(Owner("x"), encoding) == Owner("x")


def test_types_are_declared_beside_an_annotation_that_cannot_be_read():
    """The error says why it could not; `types=` does instead."""
    with pytest.raises(UncacheableValueError, match=r"Owner is a dataclass .*cannot be read: name 'Hidden'"):
        Encoding.for_function(get_hidden).encode(Owner("x"))
    assert round_trip(Owner("x"), Encoding.for_function(get_hidden, types=[Owner])) == Owner("x")
    assert round_trip([1], Encoding.for_function(get_bare)) == [1]


class Account:
    def __init__(self, name, age):
        self.name, self.age = name, age

    def __eq__(self, other):
        return vars(self) == vars(other)

    __hash__ = None


class AccountSchema(Schema):
    name = fields.String(required=True)
    age = fields.Decimal()
    shown = fields.Function(lambda account: account.name.upper())

    @post_load
    def make(self, data, **_):
        return Account(**data)


class Strict(Schema):
    name = fields.String(validate=validate.Length(min=3))


@pytest.mark.parametrize("schema", [AccountSchema, AccountSchema(), AccountSchema(many=True)])
@pytest.mark.parametrize(
    "value",
    [None, [], Account("ann", Decimal("1.10")), [Account("ann", Decimal(1))], (Account("b", Decimal(2)),)],
    ids=["none", "empty", "one", "list", "tuple"],
)
def test_objects_are_stored_by_a_schema(schema, value):
    """Dumped to be stored, loaded to be read; fields that are only dumped do not stand in the way."""
    encoding = Encoding.for_schema(schema)
    assert encoding.decode(encoding.encode(value)) == value


def test_a_schema_that_cannot_load_what_it_dumps_is_an_error():
    """Said when it is stored, not a miss for ever; what another schema has dumped is a miss."""
    encoding = Encoding.for_schema(Strict)
    with pytest.raises(UncacheableValueError, match="Strict cannot load what it dumps"):
        encoding.encode({"name": "ab"})
    assert encoding.decode(Encoding().encode({"name": "ab"})) is MISSING
    assert encoding.decode(Encoding().encode(7)) is MISSING
    assert encoding.decode(b"rubbish") is MISSING


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "a",
        b"",
        1.5,
        Decimal(1),
        date(2026, 1, 1),
        (1, (2,)),
        frozenset({1}),
        Color.RED,
        Point(1),
        Owner("x"),
    ],
    ids=type_name,
)
def test_what_nobody_can_change_may_be_shared(value):
    """One object for all callers."""
    assert is_shareable(value)


@pytest.mark.parametrize(
    "value",
    [[], {}, set(), ([],), Point([]), Owner({}), Item(1), Slotted(a=1), object(), bytearray()],
    ids=type_name,
)
def test_what_can_be_changed_is_not_shared(value):
    """Nor what holds it."""
    assert not is_shareable(value)
