"""Values as bytes and back, by MessagePack (msgspec): equal, types included, and never any code out of a store.

The first byte is the version of the format. Whatever MessagePack has no type for is an extension of its own (codes in
`scalars.py`, and below), so the bytes say what they are. Dataclasses, enums and named tuples come back only when the
function that is cached declares them.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import msgspec

from .declared_types import DeclaredTypes, is_named_tuple
from .near_cache import MISSING
from .scalars import MAX_INT, MIN_INT, PACK, UNPACK, pack_int, pack_str
from .uncacheable import UncacheableValueError, describe_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .declared_types import Shape
    from .near_cache import Missing

VERSION: Final = b"\x01"
MAX_DEPTH: Final = 64  # containers within containers

# Codes of MessagePack extensions, after those of scalars.py; their data is MessagePack again.
TUPLE, SET, FROZENSET, PAIRS, ENUM, NAMED_TUPLE, DATACLASS = 11, 12, 13, 14, 15, 16, 17

_NATIVE: Final = frozenset({type(None), bool, float, bytes})
_IMMUTABLE: Final = frozenset(
    {
        *(type(None), bool, int, float, str, bytes, Decimal, UUID),
        *(date, datetime, time, timedelta),
    }
)


class Encoding:
    """Turns what one function returns into bytes, and back. Thread-safe."""

    def __init__(self, declared: DeclaredTypes | None = None) -> None:
        self._declared = declared or DeclaredTypes()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._unpack).decode
        self._containers: dict[type, Callable[[Any, int], Any]] = {
            list: self._pack_items,
            dict: self._pack_dict,
            tuple: lambda value, depth: self._extension(TUPLE, self._pack_items(value, depth)),
            set: lambda value, depth: self._extension(SET, self._pack_items(value, depth)),
            frozenset: lambda value, depth: self._extension(FROZENSET, self._pack_items(value, depth)),
        }
        self._unpackers: dict[int, Callable[[Any], Any]] = {
            TUPLE: tuple,
            SET: set,
            FROZENSET: frozenset,
            PAIRS: lambda items: dict(zip(items[::2], items[1::2], strict=True)),
            ENUM: self._unpack_enum,
            NAMED_TUPLE: self._unpack_named_tuple,
            DATACLASS: self._unpack_dataclass,
        }

    @classmethod
    def for_types(cls, *annotations: Any) -> Self:
        """For values of these types (classes or annotations); the plain types of the table in the docs are always in."""
        return cls(DeclaredTypes.from_annotations(annotations))

    @classmethod
    def for_function(cls, function: Callable[..., Any], types: Iterable[Any] = ()) -> Self:
        """For what `function` is annotated to return, and `types`. To be made at its first call: names resolve then."""
        return cls(DeclaredTypes.from_function(function, types))

    @classmethod
    def for_schema(cls, schema: Any) -> SchemaEncoding:
        """For objects that a marshmallow schema (or its class) dumps to be stored and loads to be read."""
        return SchemaEncoding(schema)

    def encode(self, value: Any) -> bytes:
        """The bytes of `value`; `UncacheableValueError` when it could not come back equal."""
        return VERSION + self._encode(self._pack(value, 0))

    def decode(self, payload: bytes) -> Any | Missing:
        """The value; `MISSING` for bytes of another version, of undeclared classes, and for rubbish. Never raises."""
        if payload[:1] != VERSION:
            return MISSING
        try:
            return self._decode(payload[1:])
        except Exception:  # noqa: BLE001 - hostile bytes fail in any way; whatever they do, there is no value in them
            return MISSING

    # --- To MessagePack: what msgspec would turn into something else becomes an extension ---

    def _pack(self, value: Any, depth: int) -> Any:
        kind = type(value)  # exact: a subclass comes back as itself or not at all
        if kind in _NATIVE:
            return value
        if kind is str:
            return value if value.isascii() else pack_str(value)
        if kind is int:
            return value if MIN_INT <= value <= MAX_INT else pack_int(value)
        pack_scalar = PACK.get(kind)
        if pack_scalar is not None:
            return pack_scalar(value)
        if depth >= MAX_DEPTH:
            raise UncacheableValueError(f"nested deeper than {MAX_DEPTH} levels, or contains itself")
        pack_container = self._containers.get(kind)
        if pack_container is not None:
            return pack_container(value, depth + 1)
        shape = self._declared.by_class.get(kind)
        if shape is None:
            raise UncacheableValueError(describe_problem(value, self._declared.unresolved))
        return self._pack_instance(value, shape, depth + 1)

    def _extension(self, code: int, content: Any) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(code, self._encode(content))

    def _pack_items(self, items: Iterable[Any], depth: int) -> list[Any]:
        packed: list[Any] = []
        try:
            for item in items:
                packed.append(self._pack(item, depth))  # noqa: PERF401 - its length is the place of a fault
        except UncacheableValueError as error:
            error.add_place(len(packed))
            raise
        return packed

    def _pack_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if not all(map(_is_plain_key, value)):
            return self._extension(PAIRS, self._pack_pairs(value, depth))
        packed: dict[str, Any] = {}
        for key, item in value.items():
            try:
                packed[key] = self._pack(item, depth)
            except UncacheableValueError as error:
                error.add_place(key)
                raise
        return packed

    def _pack_pairs(self, value: dict[Any, Any], depth: int) -> list[Any]:
        pairs: list[Any] = []
        for key, item in value.items():
            try:
                pairs += (self._pack(key, depth), self._pack(item, depth))
            except UncacheableValueError as error:
                error.add_place(key)
                raise
        return pairs

    def _pack_instance(self, value: Any, shape: Shape, depth: int) -> msgspec.msgpack.Ext:
        if isinstance(value, Enum):
            member = self._pack(value.value, depth) if isinstance(value, Flag) else value.name
            return self._extension(ENUM, [shape.id, member])
        packed: list[Any] = [shape.id]
        for name in shape.fields:
            try:
                packed.append(self._pack(getattr(value, name), depth))
            except AttributeError:
                problem = f"{shape.cls.__qualname__}.{name} has never been set"
                raise UncacheableValueError(problem) from None
            except UncacheableValueError as error:
                error.add_place(name)
                raise
        return self._extension(NAMED_TUPLE if isinstance(value, tuple) else DATACLASS, packed)

    # --- From MessagePack: whatever is wrong is an exception of one kind or another ---

    def _unpack(self, code: int, data: memoryview) -> Any:
        unpack_scalar = UNPACK.get(code)
        if unpack_scalar is not None:
            return unpack_scalar(data)
        return self._unpackers[code](self._decode(data))

    def _unpack_enum(self, items: list[Any]) -> Any:
        shape_id, member = items
        cls = self._declared.by_id[shape_id].cls
        return cls(member) if issubclass(cls, Flag) else cls.__members__[member]

    def _unpack_named_tuple(self, items: list[Any]) -> Any:
        shape, values = self._shape_in(items)
        return tuple.__new__(shape.cls, values)  # as `_make` does

    def _unpack_dataclass(self, items: list[Any]) -> Any:
        """By its fields, as pickle and copy do: neither `__init__` nor `__post_init__` runs again."""
        shape, values = self._shape_in(items)
        instance = object.__new__(shape.cls)
        for name, value in zip(shape.fields, values, strict=True):
            object.__setattr__(instance, name, value)  # a frozen one, too
        return instance

    def _shape_in(self, items: list[Any]) -> tuple[Shape, list[Any]]:
        shape = self._declared.by_id[items[0]]
        values = items[1:]
        if len(values) != len(shape.fields):
            raise ValueError("not the fields of the class")
        return shape, values


class SchemaEncoding:
    """Stores what a marshmallow schema dumps; gives what it loads. One object, None, or a list or tuple of objects.

    What a hit gives is what `load` makes: objects with a `post_load`, else dicts. Fields that are only dumped stay away.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema() if isinstance(schema, type) else schema
        self._plain = Encoding()

    def encode(self, value: Any) -> bytes:
        """See `Encoding`; also an error when the schema cannot load what it has dumped."""
        from marshmallow import ValidationError

        dumped = self._apply(self._dump, value)
        try:
            self._apply(self._load, dumped)
        except ValidationError as error:
            name = type(self._schema).__qualname__
            raise UncacheableValueError(f"{name} cannot load what it dumps: {error}") from error
        return self._plain.encode(dumped)

    def decode(self, payload: bytes) -> Any | Missing:
        """See `Encoding`."""
        dumped = self._plain.decode(payload)
        try:
            return MISSING if dumped is MISSING else self._apply(self._load, dumped)
        except Exception:  # noqa: BLE001 - what another version of the schema has dumped may fail in any way
            return MISSING

    def _apply(self, convert: Callable[[Any], Any], value: Any) -> Any:
        if value is None:
            return None
        if type(value) in (list, tuple):
            return type(value)(convert(item) for item in value)
        return convert(value)

    def _dump(self, value: Any) -> Any:
        return self._schema.dump(value, many=False)

    def _load(self, dumped: Any) -> Any:
        from marshmallow import EXCLUDE

        return self._schema.load(dumped, many=False, unknown=EXCLUDE)


def is_shareable(value: Any) -> bool:
    """Whether all callers may be given the same object, since nobody can change it."""
    kind = type(value)
    if kind in _IMMUTABLE or isinstance(value, Enum):
        return True
    if kind in (tuple, frozenset) or is_named_tuple(kind):
        return all(map(is_shareable, value))
    if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # every dataclass has it
        return all(is_shareable(getattr(value, field.name, None)) for field in fields(kind))
    return False


def _is_plain_key(key: Any) -> bool:
    return type(key) is str and (key.isascii() or type(pack_str(key)) is str)
