"""What the compiled dump may not lose: overrides, hooks, changes, ORM state, threads; and that it is worth having."""

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from marshmallow import Schema, fields, missing, post_dump, pre_dump
from marshmallow.exceptions import RegistryError
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Session,
    column_property,
    mapped_column,
    relationship,
)

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.api.dumping import compiled_dump


class Thing:
    def __init__(self, **values):
        self.__dict__.update(values)


class ThingSchema(Schema):
    id = fields.Integer()
    name = fields.String()


def same(schema, obj, **named):
    """The compiled dump of `obj`, after comparing it with marshmallow's."""
    expected = schema.dump(obj, **named)
    result = compiled_dump(schema)(obj, **named)
    assert (result, repr(result), type(result)) == (expected, repr(expected), type(expected))
    return result


# --- What is overridden runs ------------------------------------------------------------------------------------------


class WithPreDump(ThingSchema):
    @pre_dump
    def prepare(self, data, **kwargs):
        return {"id": 1, "name": f"pre {data['name']}"}


class WithPostDump(ThingSchema):
    @post_dump(pass_collection=True)
    def wrap(self, data, many, **kwargs):
        return {"many": many, "data": data}


class WithOwnDump(ThingSchema):
    def dump(self, obj, *, many=None):
        return "own dump"


class WithOwnSerialize(ThingSchema):
    def _serialize(self, obj, *, many=False):
        return f"own serialize, {many}"


class WithOwnAccess(ThingSchema):
    def get_attribute(self, obj, attr, default):
        return f"7{len(attr)}"


@pytest.mark.parametrize("kind", [WithPreDump, WithPostDump, WithOwnDump, WithOwnSerialize, WithOwnAccess])
def test_a_schema_with_hooks_or_overrides_is_left_to_marshmallow(kind):
    """Hooks run and overridden methods count; `is_compiled` says so; also when such a schema is nested."""
    schema, row = kind(), {"id": "3", "name": "n"}
    assert not compiled_dump(schema).is_compiled
    assert same(schema, row) != {"id": 3, "name": "n"}
    same(schema, [row, row], many=True)
    outer = Schema.from_dict({"one": fields.Nested(kind), "all": fields.List(fields.Nested(kind))})()
    assert compiled_dump(outer).is_compiled
    assert same(outer, {"one": row, "all": [row]})["one"] == schema.dump(row)


@pytest.mark.parametrize("name", ["dump", "_serialize", "get_attribute"])
def test_a_method_set_on_one_schema_object_counts(name):
    """An instance's own method is as good as a subclass'."""
    schema = ThingSchema()
    setattr(schema, name, lambda *_args, **_named: "12")
    assert not compiled_dump(schema).is_compiled
    same(schema, {"id": 1})


class Shouting(fields.String):
    def _serialize(self, value, attr, obj, **kwargs):
        return f"{super()._serialize(value, attr, obj, **kwargs)}! {attr} of {len(obj)}"


class Whole(fields.Integer):
    def serialize(self, attr, obj, accessor=None, **kwargs):
        return ("whole", attr, accessor(obj, "name", None), super().serialize(attr, obj, accessor, **kwargs))


class Fetching(fields.Integer):
    def get_value(self, obj, attr, accessor=None, default=missing):
        return super().get_value(obj, "name", accessor, default) * 2


class Cents(fields.Integer):
    def _format_num(self, value):
        return round(float(value) * 100)


class Roman(fields.Number):
    num_type = str


class Dotted(fields.DateTime):
    SERIALIZATION_FUNCS = {**fields.DateTime.SERIALIZATION_FUNCS, "iso": str}  # noqa: RUF012 - as in the base


class PerValue(fields.Enum):
    @property
    def by_value(self):
        return True

    @by_value.setter
    def by_value(self, value):
        pass


class Unset(fields.String):
    def _serialize(self, value, attr, obj, **kwargs):
        return missing


class Computed(fields.Raw):
    _CHECK_ATTRIBUTE = False

    def _serialize(self, value, attr, obj, **kwargs):
        return (value, sorted(obj))


class Elsewhere(fields.Nested):
    """Hands out something that dumps, though it is no schema."""

    class Dumper:
        many = False

        def dump(self, obj, many=None):
            return ("dumper", obj, many)

    @property
    def schema(self):
        return self.Dumper()


@pytest.mark.parametrize(
    "make",
    [
        Shouting,
        Whole,
        Fetching,
        Cents,
        Roman,
        Unset,
        Computed,
        lambda: Elsewhere(ThingSchema),
        lambda: fields.List(Shouting()),
        lambda: fields.List(Cents()),
        lambda: fields.Dict(values=Shouting()),
        lambda: fields.Tuple([Shouting()]),
        lambda: with_own(fields.String(), "_serialize", lambda *_args, **_named: "own"),
        lambda: with_own(fields.String(), "serialize", lambda *_args, **_named: "own"),
        lambda: with_own(fields.String(), "get_value", lambda *_args, **_named: "own"),
        lambda: with_own(fields.Integer(), "_format_num", lambda _value: "own"),
    ],
)
@pytest.mark.parametrize("value", ["3", 4, ["5"], None])
def test_an_overridden_field_runs_its_own_code(make, value):
    """A field that overrides anything of how it dumps, on its class or on itself, gives its own result."""
    schema = Schema.from_dict({"id": make(), "name": fields.String(dump_default=1)})()
    assert compiled_dump(schema).is_compiled
    for row in ({"id": value, "name": "7"}, {"name": "7"}):
        try:
            schema.dump(row)
        except (TypeError, ValueError, AttributeError) as error:
            with pytest.raises(type(error)):
                compiled_dump(schema)(row)
        else:
            same(schema, row)


def with_own(field, name, function):
    setattr(field, name, function)
    return field


def test_an_override_is_seen_in_the_result():
    """The comparison above is not between two plain results."""
    schema = Schema.from_dict({"id": Shouting(), "name": Cents(), "unset": Unset(), "keys": Computed()})()
    row = {"id": 1, "name": "1.5", "unset": "x"}
    assert same(schema, row) == {"id": "1! id of 3", "name": 150, "keys": (None, ["id", "name", "unset"])}


def test_a_subclass_with_other_formats_or_by_value_is_followed():
    """Class attributes that marshmallow's own `_serialize` reads are read from the subclass."""
    import datetime as dt
    import enum

    colour = enum.Enum("Colour", {"RED": "r"})
    schema = Schema.from_dict({"at": Dotted(), "colour": PerValue(colour)})()
    row = {"at": dt.datetime(2024, 5, 6, 7, 8, tzinfo=dt.UTC), "colour": colour.RED}
    assert same(schema, row) == {"at": "2024-05-06 07:08:00+00:00", "colour": "r"}


def test_the_schemas_own_dict_class_is_used():
    """`dict_class` makes the results."""

    class Own(dict):
        pass

    class OwnSchema(ThingSchema):
        dict_class = Own

    assert type(same(OwnSchema(), {"id": 1})) is Own
    assert type(same(OwnSchema(), [{"id": 1}], many=True)[0]) is Own


# --- Changes after the first dump -------------------------------------------------------------------------------------


def change_default(schema):
    schema.fields["name"].dump_default = lambda: "later"


def change_key(schema):
    schema.fields["id"].data_key = "ID"


def change_attribute(schema):
    schema.fields["id"].attribute = "other"


def change_number(schema):
    schema.fields["id"].as_string = True


def change_inner_format(schema):
    schema.fields["dates"].inner.format = "%d"


def take_out(schema):
    del schema.dump_fields["id"]


def put_in(schema):
    schema.dump_fields["extra"] = fields.Constant(9)


def reorder(schema):
    schema.dump_fields["id"] = schema.dump_fields.pop("id")


def narrow(schema):
    schema.only = {"id"}
    schema._init_fields()


@pytest.mark.parametrize(
    "change",
    [
        change_default,
        change_key,
        change_attribute,
        change_number,
        change_inner_format,
        take_out,
        put_in,
        reorder,
        narrow,
    ],
)
@pytest.mark.parametrize("is_held", [True, False])
def test_a_change_of_the_fields_is_noticed(change, is_held):
    """A plan that was compiled (and may be held by its user) before the change gives what marshmallow now gives."""
    import datetime as dt

    schema = Schema.from_dict(
        {"id": fields.Integer(), "name": fields.String(), "dates": fields.List(fields.Date())}
    )()
    row = {"id": 1, "other": 2, "dates": [dt.date(2024, 5, 6)]}
    plan = compiled_dump(schema)
    before = plan(row)
    change(schema)
    dump = plan if is_held else compiled_dump(schema)
    assert repr(dump(row)) == repr(schema.dump(row)) != repr(before)
    assert compiled_dump(schema) is compiled_dump(schema)
    assert repr(dump([row], many=True)) == repr(schema.dump([row], many=True))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_schema_gets_a_plan_of_its_own(duplicate):
    """`copy`, `deepcopy` and pickle work on a schema that has dumped, and the copy's fields are its own."""
    schema = ThingSchema()
    plan = compiled_dump(schema)
    plan({"id": 1})
    other = duplicate(schema)
    assert compiled_dump(other) is not plan
    other.only = {"name"}
    other._init_fields()
    assert same(other, {"id": 1, "name": "n"}) == {"name": "n"}
    assert same(schema, {"id": 1, "name": "n"}) == {"id": 1, "name": "n"}
    assert compiled_dump(schema) is plan


def test_a_plan_lives_no_longer_than_its_schema():
    """Neither the schema nor the classes it has dumped are kept alive."""
    schema, kind = ThingSchema(), type("Local", (Thing,), {})
    compiled_dump(schema)(kind(id=1))
    dead_kind = weakref.ref(kind)
    del kind
    gc.collect()
    assert dead_kind() is None
    dead_schema = weakref.ref(schema)
    del schema
    gc.collect()
    assert dead_schema() is None


@pytest.mark.parametrize("wrong", [ThingSchema, None, {"id": 1}])
def test_only_a_schema_object_can_be_compiled(wrong):
    """A class, which is easily passed by mistake, is refused with words."""
    with pytest.raises(SetupError, match="takes an instance"):
        compiled_dump(wrong)


# --- Each value is read once, in order --------------------------------------------------------------------------------


def test_each_attribute_is_read_once_and_in_order():
    """Properties with effects, and values that can be iterated once, give what they give marshmallow."""
    reads = []

    class Noisy:
        def __getattr__(self, name):
            reads.append(name)
            raise AttributeError(name)

        @property
        def id(self):
            reads.append("id")
            return 1

        @property
        def tags(self):
            reads.append("tags")
            return (str(tag) for tag in range(3))

    schema = Schema.from_dict(
        {"id": fields.Integer(), "none": fields.Raw(), "tags": fields.List(fields.String())}
    )()
    expected, marshmallow_reads = schema.dump(Noisy()), reads[:]
    reads.clear()
    assert compiled_dump(schema)(Noisy()) == expected == {"id": 1, "tags": ["0", "1", "2"]}
    assert reads == marshmallow_reads


class Guarded:
    id = 1

    def __getattribute__(self, name):
        if name == "__getitem__":
            raise LookupError("not even asked")
        return object.__getattribute__(self, name)


class Generic:
    id, name = 1, "attribute"

    def __getitem__(self, key):
        return 3

    def __class_getitem__(cls, key):
        return 2


@pytest.mark.parametrize("obj", [Generic, Generic(), list[int], int])
def test_classes_are_read_as_by_marshmallow(obj):
    """A class is asked by `[]` only where marshmallow asks it, generic ones included."""
    same(ThingSchema(), obj)


def test_a_class_that_guards_its_attributes_is_asked_as_by_marshmallow():
    """What `__getattribute__` raises when it is asked for `__getitem__` goes through."""
    for dump in (ThingSchema().dump, compiled_dump(ThingSchema())):
        with pytest.raises(LookupError, match="not even asked"):
            dump(Guarded())


def test_the_first_fault_is_the_one_raised():
    """A value that cannot be dumped comes before a property that fails after it, and nothing more is read."""
    reads = []

    class Failing:
        id = "no number"

        @property
        def name(self):
            reads.append("name")
            raise LookupError

    with pytest.raises(ValueError, match="no number"):
        compiled_dump(ThingSchema())(Failing())
    assert reads == []


def test_a_generator_of_rows_is_dumped():
    """`many` takes any iterable, mixed classes among them; what cannot be iterated is the same TypeError."""
    rows = [{"id": 1}, Thing(id=2), None, {"id": "3"}, Thing(name=4)]
    assert compiled_dump(ThingSchema())(iter(rows), many=True) == ThingSchema().dump(rows, many=True)
    with pytest.raises(TypeError):
        compiled_dump(ThingSchema())(5, many=True)
    assert same(ThingSchema(), None, many=True) == {}


# --- Nesting ----------------------------------------------------------------------------------------------------------


class Node(Schema):
    name = fields.String()
    children = fields.List(fields.Nested("Node"))
    parent = fields.Nested(lambda: Node(only=("name", "parent.name")))
    names = fields.Pluck("Node", "name", many=True, attribute="children", dump_only=True)


def test_a_schema_may_nest_itself():
    """Recursion through `Nested`, with `only` along the way."""
    root = {"name": "root", "parent": {"name": "up", "parent": {"name": "top", "parent": None}}}
    tree = {"name": "a", "parent": root, "children": [{"name": "b", "children": [{"name": 3}]}]}
    dumped = same(Node(), tree)
    assert dumped["parent"] == {"name": "root", "parent": {"name": "up"}}
    assert dumped["children"][0]["children"][0] == {"name": "3"}


def test_endless_nesting_ends_as_in_marshmallow():
    """A cycle in the data is a RecursionError, not a crash."""
    loop = {"name": "x"}
    loop["children"] = [loop]
    with pytest.raises(RecursionError):
        Node(only=("children",)).dump(loop)
    with pytest.raises(RecursionError):
        compiled_dump(Node(only=("children",)))(loop)


def test_an_unknown_nested_schema_is_the_same_error():
    """A name that is not registered is refused when the field is dumped, even for None, and not before."""
    schema = Schema.from_dict({"id": fields.Integer(), "one": fields.Nested("NoSuchSchema")})()
    assert same(schema, {"id": 1}) == {"id": 1}
    for value in (None, {}):
        with pytest.raises(RegistryError):
            schema.dump({"one": value})
        with pytest.raises(RegistryError):
            compiled_dump(schema)({"one": value})


# --- Entities ---------------------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str | None] = mapped_column("shop_title")
    notes: Mapped[str | None] = mapped_column(deferred=True)
    twice: Mapped[int] = column_property(id * 2)  # noqa: A003 - the column above
    items: Mapped[list["Item"]] = relationship(back_populates="shop", order_by="Item.id")
    stream: DynamicMapped["Item"] = relationship(viewonly=True, order_by="Item.id")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "shop"}  # noqa: RUF012 - SQLAlchemy's way

    @property
    def label(self):
        return f"{self.title} ({self.id})"

    @hybrid_property
    def is_long(self):
        if self.title:  # on the class this is a TypeError
            return len(self.title) > 3
        return False


class Kiosk(Shop):
    __mapper_args__ = {"polymorphic_identity": "kiosk"}  # noqa: RUF012 - SQLAlchemy's way

    @property
    def notes(self):
        return "a kiosk has none"


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    name: Mapped[str]
    shop: Mapped[Shop] = relationship(back_populates="items")


class ItemSchema(Schema):
    id = fields.Integer()
    name = fields.String()
    where = fields.String(attribute="shop.title")


class ShopSchema(Schema):
    id = fields.Integer()
    title = fields.String()
    notes = fields.String()
    twice = fields.Integer()
    label = fields.String()
    is_long = fields.Boolean()
    nowhere = fields.String()
    items = fields.List(fields.Nested(ItemSchema))
    stream = fields.Nested(ItemSchema, many=True)


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        items = [Item(name="nail"), Item(name="\ud7ffé")]
        session.add_all([Shop(title="Iron", notes="n", items=items), Shop(title=None), Kiosk(title="K")])
        session.commit()
        yield session
    engine.dispose()


@pytest.mark.parametrize("state", ["loaded", "expired", "one expired", "fresh", "changed", "detached"])
def test_entities_dump_as_in_marshmallow(session, state):
    """Loaded, expired, deferred and changed attributes, properties, hybrids, relationships, inheritance."""

    def shops():
        session.rollback()
        session.expunge_all()
        found = session.scalars(select(Shop).order_by(Shop.id)).all()
        for shop in found:
            if state == "expired":
                session.expire(shop)
            elif state == "one expired":
                session.expire(shop, ["title"])
            elif state == "changed":
                shop.title = "new"
                shop.__dict__.update(label="not this", nowhere="there", stream=["not this"])
            elif state == "detached":
                assert len(shop.items) + len(shop.label) + len(shop.notes or "") > 0
                session.expunge(shop)
        return [*found, Shop(id=9)] if state == "fresh" else found

    names = set(ShopSchema().fields) - ({"stream"} if state in ("detached", "fresh") else set())
    schema = ShopSchema(only=names, many=True)
    expected = schema.dump(shops())
    assert compiled_dump(schema)(shops()) == expected
    assert [compiled_dump(schema)(shop, many=False) for shop in shops()] == expected
    if state == "loaded":
        assert expected[0]["items"][0] == {"id": 1, "name": "nail", "where": "Iron"}
        assert (expected[0]["twice"], expected[0]["is_long"], len(expected[0]["stream"])) == (2, True, 2)
        assert expected[2]["notes"] == "a kiosk has none"


def test_rows_of_a_query_dump_as_in_marshmallow(session):
    """Rows and their mappings, labels and whole entities in them."""
    schema = Schema.from_dict(
        {"id": fields.Integer(), "title": fields.String(), "Shop": fields.Nested(ShopSchema(only=["id"]))}
    )(many=True)
    rows = session.execute(select(Shop, Shop.id, Shop.title.label("title")).order_by(Shop.id)).all()
    assert same(schema, rows)[0] == {"id": 1, "title": "Iron", "Shop": {"id": 1}}
    same(schema, [row._mapping for row in rows])


# --- Threads and speed ------------------------------------------------------------------------------------------------


def test_threads_may_share_a_schema():
    """8 threads that compile and dump at once, while the classes of the rows vary, all get the right rows."""
    schema, barrier = Node(), Barrier(8)

    def dump(number):
        barrier.wait()
        kinds = [type(f"Kind{number}", (Thing,), {}), Thing, dict]
        return [
            compiled_dump(schema)(kinds[turn % 3](name=turn, children=[{"name": number}]))
            for turn in range(300)
        ]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(dump, range(8)))
    for number, dumped in enumerate(results):
        child = {"name": str(number)}
        assert dumped == [
            {"name": str(turn), "children": [child], "names": [str(number)]} for turn in range(300)
        ]
