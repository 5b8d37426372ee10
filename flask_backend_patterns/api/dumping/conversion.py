"""What marshmallow's own fields do to a value, with all that does not change from value to value done before.

A conversion is found by the very function that a field would run (`_serialize`), so that a subclass which overrides it,
or anything that it calls, is not mistaken for its base: such a field runs its own code.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from marshmallow import fields, missing
from marshmallow.utils import ensure_text_type

if TYPE_CHECKING:
    from .access import Convert, Step

Serialize: TypeAlias = "Callable[[Any], Any]"
DumpNested: TypeAlias = "Callable[[Any, Any, bool | None], Any]"


class Conversion(NamedTuple):
    """A field's `_serialize` that needs the value only: `plain` is the class whose instances it gives back as they are."""

    plain: type | None
    serialize: Serialize


class Compiler:
    """Makes the steps of one plan and notes which attributes of the fields they were made from.

    `dump_nested` dumps an object by the schema of a `Nested` field: `(schema, object, many)`.
    """

    def __init__(self, accessor: Callable[[Any, str, Any], Any], dump_nested: DumpNested) -> None:
        self._watched: dict[int, tuple[fields.Field[Any], tuple[str, ...]]] = {}  # by identity
        self._accessor = accessor
        self._dump_nested = dump_nested
        self._known: dict[Any, Callable[[Any], Conversion | None]] = {
            fields.Field._serialize: self._unchanged,  # noqa: SLF001 - the documented method to override
            fields.String._serialize: self._text,  # noqa: SLF001 - as above
            fields.UUID._serialize: self._uuid,  # noqa: SLF001 - as above
            fields.Number._serialize: self._number,  # noqa: SLF001 - as above
            fields.DateTime._serialize: self._temporal,  # noqa: SLF001 - as above; dates and times share it
            fields.Enum._serialize: self._enum,  # noqa: SLF001 - as above
            fields.List._serialize: self._list,  # noqa: SLF001 - as above
            fields.Nested._serialize: self._nested,  # noqa: SLF001 - as above
        }

    def step(self, attr: str, field: fields.Field[Any]) -> Step:
        """What dumping `field`, named `attr` in its schema, comes to."""
        self._watch(field, "attribute", "data_key")
        key = attr if field.data_key is None else field.data_key
        name = attr if field.attribute is None else field.attribute
        if not _reads_as_usual(field) or type(name) is not str or "." in name:
            return None, key, None, self._whole(attr, field)
        known = self.conversion(field)
        if known is None:
            return name, key, None, _own(attr, field)
        return name, key, known.plain, _with_default(field, known.serialize)

    def conversion(self, field: fields.Field[Any]) -> Conversion | None:
        """The conversion of `field`, None where only the field itself knows."""
        function = getattr(field._serialize, "__func__", None)  # noqa: SLF001 - as above
        build = self._known.get(function)
        return None if build is None else build(field)

    def readers(self) -> tuple[tuple[Callable[[Any], Any], fields.Field[Any]], ...]:
        """What to ask each field in order to see whether it still is what the steps were made from."""
        return tuple((attrgetter(*names), field) for field, names in self._watched.values())

    def _watch(self, field: fields.Field[Any], *names: str) -> None:
        _, before = self._watched.get(id(field), (field, ()))
        self._watched[id(field)] = (field, (*before, *names))

    def _whole(self, attr: str, field: fields.Field[Any]) -> Convert:
        accessor = self._accessor
        return lambda _value, obj: field.serialize(attr, obj, accessor=accessor)

    def _unchanged(self, _field: Any) -> Conversion:
        return Conversion(None, lambda value: value)

    def _text(self, _field: Any) -> Conversion:
        return Conversion(str, lambda value: None if value is None else ensure_text_type(value))

    def _uuid(self, _field: Any) -> Conversion:
        return Conversion(None, lambda value: None if value is None else str(value))

    def _number(self, field: Any) -> Conversion | None:
        self._watch(field, "as_string")
        kind = field.num_type
        if not _formats_as_usual(field) or kind not in (int, float) or field.as_string:
            return None
        return Conversion(kind, lambda value: None if value is None else kind(value))

    def _temporal(self, field: Any) -> Conversion:
        self._watch(field, "format")
        chosen = field.format or field.DEFAULT_FORMAT
        format_value = field.SERIALIZATION_FUNCS.get(chosen)
        if format_value:
            return Conversion(None, lambda value: None if value is None else format_value(value))
        return Conversion(None, lambda value: None if value is None else value.strftime(chosen))

    def _enum(self, field: Any) -> Conversion | None:
        self._watch(field, "by_value", "field")
        inner = self.conversion(field.field)
        if inner is None:
            return None
        serialize, read = inner.serialize, attrgetter("value" if field.by_value else "name")
        return Conversion(None, lambda value: None if value is None else serialize(read(value)))

    def _list(self, field: Any) -> Conversion | None:
        self._watch(field, "inner")
        inner = self.conversion(field.inner)
        if inner is None:
            return None
        plain, serialize = inner

        def serialize_list(value: Any) -> list[Any] | None:
            if value is None:
                return None
            return [each if type(each) is plain else serialize(each) for each in value]

        return Conversion(None, serialize_list)

    def _nested(self, field: Any) -> Conversion:
        dump = self._dump_nested

        def serialize_nested(value: Any) -> Any:
            schema = (
                field.schema
            )  # resolved when first needed, since schemas may name each other; raises even for None
            return None if value is None else dump(schema, value, schema.many or field.many)

        return Conversion(None, serialize_nested)


def _reads_as_usual(field: fields.Field[Any]) -> bool:
    """Whether `field` gets its value in the way that every field does: nothing overridden, on its class or itself."""
    own, kind = vars(field), type(field)
    return (
        bool(field._CHECK_ATTRIBUTE)  # noqa: SLF001 - False for fields that are computed from the whole object
        and kind.serialize is fields.Field.serialize
        and kind.get_value is fields.Field.get_value
        and "serialize" not in own
        and "get_value" not in own
    )


def _formats_as_usual(field: Any) -> bool:
    """Whether the number is `num_type(value)`, by the method that `Number._serialize` calls."""
    function = getattr(field._format_num, "__func__", None)  # noqa: SLF001 - the method to look for
    return function is fields.Number._format_num  # noqa: SLF001 - as above


def _default_of(field: fields.Field[Any]) -> Any:
    default = field.dump_default
    return default() if callable(default) else default


def _with_default(field: fields.Field[Any], serialize: Serialize) -> Convert:
    def convert(value: Any, _obj: Any) -> Any:
        if value is missing:
            value = _default_of(field)
            if value is missing:
                return missing
        return serialize(value)

    return convert


def _own(attr: str, field: fields.Field[Any]) -> Convert:
    """By the field's own `_serialize`, which may look at the object too."""
    serialize = field._serialize  # noqa: SLF001 - as above

    def convert(value: Any, obj: Any) -> Any:
        if value is missing:
            value = _default_of(field)
            if value is missing:
                return missing
        return serialize(value, attr, obj)

    return convert
