"""A compiled dump is `schema.dump`: proven over every field class of marshmallow, what fits and what does not."""

import datetime as dt
import enum
import ipaddress
import re
import types
import uuid
from collections import ChainMap, defaultdict, namedtuple
from decimal import ROUND_UP, Decimal
from inspect import isabstract

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, missing
from sqlalchemy import PickleType
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.local import LocalProxy

from flask_backend_patterns.api.dumping import compiled_dump

# `items`, `count` and `index` are methods of dicts, tuples and rows too.
NAMES = ("name", "items", "count", "index")


class Colour(enum.Enum):
    RED = "r"
    NIL = None
    ODD = b"\xff"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Described(Schema):
    """What fields of the class `Method` call."""

    def describe(self, obj):
        return f"a {type(obj).__name__}"

    def fail(self, obj):
        raise LookupError("no description")


class Inner(Schema):
    count = fields.Integer()
    name = fields.String(data_key="Name", dump_default="?")


class Thing:
    def __init__(self, values):
        self.__dict__.update(values)


def bound(**arguments):
    """A strategy of the arguments of a field, so that each example makes fields of its own."""
    return st.fixed_dictionaries(arguments)


def temporal(*formats):
    return bound(format=st.sampled_from([None, "iso", "iso8601", "%Y|%H", *formats]))


naive, aware = st.datetimes(), st.datetimes(timezones=st.just(dt.UTC))
numbers = st.integers() | st.floats() | st.decimals() | st.text("0123456789.e-", max_size=6) | st.booleans()
DATETIME = temporal("rfc", "rfc822", "timestamp", "timestamp_ms"), naive | aware
ADDRESSES = bound(exploded=st.booleans()), st.ip_addresses()
INTERFACES = (
    bound(exploded=st.booleans()),
    st.ip_addresses().map(lambda address: ipaddress.ip_interface(f"{address}/8")),
)
TEXT = bound(), st.text() | st.binary()
simple_inner = st.sampled_from([fields.String, fields.Integer, fields.Date, fields.Raw, fields.Decimal])
inner_values = st.text(max_size=3) | st.integers() | st.dates()
rows = st.fixed_dictionaries(
    {}, optional={"count": numbers, "name": st.text(max_size=3), "items": st.none()}
) | st.fixed_dictionaries({}, optional={"count": st.integers()}).map(Thing)
schemas = st.sampled_from(
    [Inner, Inner(), Inner(only=["name"]), Inner(many=True), lambda: Inner(exclude=["name"]), "Inner"]
)

# class -> (its arguments, values that fit)
DOMAIN = {
    fields.Field: (bound(), numbers),
    fields.Raw: (bound(), numbers),
    fields.Nested: (
        bound(nested=schemas, many=st.sampled_from([None, False, True])),
        rows | st.lists(rows, max_size=2),
    ),
    fields.Pluck: (
        bound(nested=st.just(Inner), field_name=st.sampled_from(["name", "count"]), many=st.booleans()),
        rows | st.lists(rows, max_size=2),
    ),
    fields.List: (
        bound(
            cls_or_instance=simple_inner
            | st.sampled_from([fields.Nested, fields.Enum, fields.List]).map(
                lambda kind: {
                    fields.Nested: fields.Nested(Inner),
                    fields.Enum: fields.Enum(Colour),
                    fields.List: fields.List(fields.Integer(as_string=True)),
                }[kind]
            )
        ),
        st.lists(inner_values | rows | st.sampled_from(Colour) | st.none(), max_size=3)
        | st.lists(st.lists(numbers, max_size=2), max_size=2)
        | st.tuples(inner_values),
    ),
    fields.Tuple: (
        bound(tuple_fields=st.lists(simple_inner, max_size=2)),
        st.lists(inner_values, max_size=3),
    ),
    fields.Mapping: None,  # abstract
    fields.Dict: (
        bound(keys=st.none() | simple_inner, values=st.none() | simple_inner),
        st.dictionaries(inner_values, inner_values, max_size=2),
    ),
    fields.String: TEXT,
    fields.Url: TEXT,
    fields.Email: TEXT,
    fields.UUID: (bound(), st.uuids() | st.uuids().map(str)),
    fields.Number: None,  # abstract
    fields.Integer: (bound(as_string=st.booleans(), strict=st.booleans()), numbers),
    fields.Float: (bound(as_string=st.booleans(), allow_nan=st.booleans()), numbers),
    fields.Decimal: (
        bound(
            places=st.none() | st.integers(-2, 4),
            rounding=st.sampled_from([None, ROUND_UP]),
            as_string=st.booleans(),
            allow_nan=st.booleans(),
        ),
        numbers,
    ),
    fields.Boolean: (bound(), st.booleans() | numbers),
    fields.DateTime: DATETIME,
    fields.NaiveDateTime: DATETIME,
    fields.AwareDateTime: DATETIME,
    fields.Time: (temporal(), st.times()),
    fields.Date: (temporal(), st.dates() | naive),
    fields.TimeDelta: (
        bound(precision=st.sampled_from(["weeks", "days", "hours", "seconds", "microseconds"])),
        st.timedeltas(),
    ),
    fields.IP: ADDRESSES,
    fields.IPv4: ADDRESSES,
    fields.IPv6: ADDRESSES,
    fields.IPInterface: INTERFACES,
    fields.IPv4Interface: INTERFACES,
    fields.IPv6Interface: INTERFACES,
    fields.Enum: (
        bound(enum=st.just(Colour), by_value=st.sampled_from([False, True, fields.Raw]))
        | bound(
            enum=st.just(Level),
            by_value=st.sampled_from(
                [False, True, fields.String, fields.Decimal(as_string=True), fields.Integer]
            ),
        ),
        st.sampled_from([*Colour, *Level]),
    ),
    fields.Method: (bound(serialize=st.sampled_from([None, "describe", "fail"])), st.none()),
    fields.Function: (
        bound(serialize=st.sampled_from([None, lambda obj: type(obj).__name__, lambda obj: obj.nowhere])),
        st.none(),
    ),
    fields.Constant: (bound(constant=st.sampled_from([None, 7, missing])), st.none()),
}
CONCRETE = [kind for kind in DOMAIN if DOMAIN[kind] is not None]


class _Str(str):
    __slots__ = ()


class _Int(int):
    pass


anything = st.sampled_from(
    [
        *(
            None,
            missing,
            True,
            False,
            0,
            -1,
            2**70,
            1.5,
            float("nan"),
            float("inf"),
            Decimal("sNaN"),
            Decimal("1E+999"),
        ),
        *(
            "",
            "é\x00\ud800",
            "12",
            _Str("own"),
            _Int(5),
            b"\xff",
            b"ok",
            [],
            [None],
            {},
            {"count": "3"},
            (1, "b"),
        ),
        *(
            dt.datetime(1, 1, 1, tzinfo=dt.UTC),
            dt.date(1, 1, 1),
            dt.time(1),
            dt.timedelta(1),
            uuid.UUID(int=3),
        ),
        *(Colour.RED, Colour.NIL, Level.HIGH, object, len, Thing({"count": 4}), ipaddress.ip_address("::1")),
    ]
)
defaults = st.sampled_from([missing, None, "default", 3, lambda: 5, lambda: missing, lambda: 1 // 0])


class Dynamic:
    """Answers attribute access by code of its own, `__getitem__` included."""

    def __init__(self, values):
        self._values = values

    def __getattr__(self, name):
        try:
            return object.__getattribute__(self, "_values")[name]
        except KeyError:
            raise AttributeError(name) from None


class Watching:
    def __init__(self, values):
        self._values = values

    def __getattribute__(self, name):
        values = object.__getattribute__(self, "_values")
        return values[name] if name in values else object.__getattribute__(self, name)


class Both(dict):
    """A mapping with attribute access."""

    __getattr__ = dict.get


class OddItems(Thing):
    """Fails on `[]` in each way that sends marshmallow to the attribute, or gives something else there."""

    def __getitem__(self, name):
        if name == "items":
            return "by item"
        raise {"name": KeyError, "count": IndexError, "index": AttributeError}.get(name, TypeError)(name)


class WithProperties(Thing):
    @property
    def name(self):
        return self.__dict__["name"]  # a KeyError, which goes through

    @property
    def count(self):
        return self.items  # an AttributeError where there are none


class Base(DeclarativeBase):
    pass


class Entity(Base):
    __tablename__ = "entities"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[object] = mapped_column(PickleType)
    items: Mapped[object] = mapped_column(PickleType)
    count: Mapped[object] = mapped_column("total", PickleType)

    @property
    def index(self):
        return self.items


def entity(values):
    return Entity(**{name: value for name, value in values.items() if name != "index"})


def row(values):
    return IteratorResult(SimpleResultMetaData(list(values)), iter([tuple(values.values())])).one()


SHAPES = {
    "dict": dict,
    "defaultdict": lambda values: defaultdict(int, values),
    "mapping": types.MappingProxyType,
    "chain map": ChainMap,
    "mapping with attributes": Both,
    "object": Thing,
    "properties": WithProperties,
    "named tuple": lambda values: namedtuple("Pair", values)(**values),  # noqa: PYI024 - made from data
    "row": row,
    "row mapping": lambda values: row(values)._mapping,
    "entity": entity,
    "dynamic": Dynamic,
    "watching": Watching,
    "odd items": OddItems,
    "class": lambda values: type("Made", (), dict(values)),
    "proxy": lambda values: LocalProxy(lambda: Thing(values)),
    "list": lambda values: list(values.values()),
    "text": lambda values: "text",
    "nothing": lambda values: None,
}


def outcome(call, *arguments, **named):
    """What came out, NaN equal to NaN and 1 not to True; or the exception's class and text."""
    try:
        result = call(*arguments, **named)
        shown = type(result), repr(result)
    except Exception as error:  # noqa: BLE001 - to be compared
        shown = type(error), str(error)
    return shown[0], re.sub(r"0x[0-9a-f]+", "0x", shown[1])  # some objects are made when asked for


def make_field(draw, kind, name):
    arguments, _ = DOMAIN[kind]
    named = dict(draw(arguments))
    common = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "attribute": st.sampled_from([*NAMES, "name.count", "items.nowhere.x", ""]),
                "data_key": st.just(f"{name} key"),
                "dump_default": defaults,
            },
        )
    )
    if kind in (fields.Method, fields.Function):
        common.pop("attribute", None)  # they read no attribute
    else:
        named["dump_only"] = True  # several may read one attribute
    return kind(**named, **common)


@st.composite
def examples(draw, kind):
    """A schema with a field of class `kind` and some others, and rows of one or several shapes."""
    kinds = [kind, *draw(st.lists(st.sampled_from(CONCRETE), max_size=len(NAMES) - 1))]
    names = draw(st.permutations(NAMES))[: len(kinds)]
    schema = Described.from_dict(
        {name: make_field(draw, one, name) for name, one in zip(names, kinds, strict=True)}
    )(many=draw(st.booleans()), exclude=draw(st.sets(st.sampled_from(names[1:]))) if names[1:] else ())
    fitting = {name: DOMAIN[one][1] for name, one in zip(names, kinds, strict=True)}
    values = st.fixed_dictionaries(
        {}, optional={name: fitting.get(name, anything) | anything for name in NAMES}
    )
    shape = st.sampled_from(sorted(SHAPES))
    objects = draw(st.lists(st.tuples(shape, values), max_size=3))
    return schema, [SHAPES[name](one) for name, one in objects]


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_field_dumps_as_in_marshmallow(kind, data):
    """The same result, or the same exception, for every field class, option, value and shape of object; many or one."""
    schema, objects = data.draw(examples(kind))
    dump = compiled_dump(schema)
    assert dump.is_compiled
    for many in (True, None):
        assert outcome(dump, objects, many=many) == outcome(schema.dump, objects, many=many)
    for obj in objects:
        assert outcome(dump, obj, many=False) == outcome(schema.dump, obj, many=False)
        assert outcome(dump, obj) == outcome(schema.dump, obj)


def test_every_field_class_is_in_the_domain():
    """A class that a new marshmallow brings fails here until this file knows it; abstract ones are noted as such."""
    public = {
        kind
        for kind in vars(fields).values()
        if isinstance(kind, type) and issubclass(kind, fields.Field) and not kind.__name__.startswith("_")
    }
    assert public == set(DOMAIN)
    assert {kind for kind in DOMAIN if isabstract(kind)} == set(DOMAIN) - set(CONCRETE)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_is_read_as_by_marshmallow(shape):
    """Each shape gives the values that marshmallow finds, those of methods that bear a field's name included."""
    schema = Schema.from_dict({name: fields.Raw() for name in (*NAMES, "nowhere")})()
    obj = SHAPES[shape]({"name": "n", "items": 3, "index": None, "count": 4})
    assert outcome(compiled_dump(schema), obj) == outcome(schema.dump, obj)
    assert outcome(compiled_dump(schema), [obj, obj], many=True) == outcome(
        schema.dump, [obj, obj], many=True
    )
