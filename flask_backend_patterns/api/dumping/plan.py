"""The plan of a schema: compiled once, kept with the schema, made anew when the schema's fields change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from marshmallow import Schema
from marshmallow.decorators import POST_DUMP, PRE_DUMP

from ..._config import SetupError
from .access import fill_for
from .conversion import Compiler

if TYPE_CHECKING:
    from .access import Fill

PLAN_KEY = (
    "_backend_dump_plan"  # in the schema's own `__dict__`: the two go together when nothing else holds them
)
OVERRIDABLE = ("dump", "_serialize", "get_attribute")


class DumpPlan:
    """`plan(obj, many=...)` gives what `schema.dump(obj, many=...)` gives, exceptions included.

    Fields put in, taken out, renamed (`data_key`, `attribute`) or given another `format` or `dump_default` after the first
    dump are noticed. Methods replaced on an instance or a class after the first dump are not.
    Threads may share a plan.
    """

    __slots__ = ("_fields", "_fills", "_read", "_readers", "_schema", "_steps", "is_compiled")

    def __init__(self, schema: Schema) -> None:
        compiler = Compiler(schema.get_attribute, _dump_nested)
        self._schema = schema
        #: False where `schema.dump` does it all: it has hooks, or overrides how it dumps.
        self.is_compiled = not (_has_dump_hooks(schema) or _overrides_dumping(schema))
        self._fields = list(schema.dump_fields.items()) if self.is_compiled else []
        self._steps = tuple(compiler.step(name, field) for name, field in self._fields)
        self._readers = compiler.readers()
        self._read = self._read_fields()
        self._fills: WeakKeyDictionary[type, Fill] = WeakKeyDictionary()

    def __call__(self, obj: Any, *, many: bool | None = None) -> Any:
        """Dump one object to a dict, or an iterable of them to a list; `many=None` is the schema's own setting."""
        if not self.is_compiled:
            return self._schema.dump(obj, many=many)
        if not self._is_current():
            return self._renewed()(obj, many=many)
        many = self._schema.many if many is None else bool(many)
        make = self._schema.dict_class
        if many and obj is not None:
            return self._dump_many(obj, make)
        result = make()
        self._fill_of(type(obj))(obj, result)
        return result

    def _dump_many(self, objects: Any, make: type[dict[str, Any]]) -> list[dict[str, Any]]:
        results = []
        kind: type | None = None
        for obj in objects:
            if type(obj) is not kind:
                kind = type(obj)
                fill = self._fill_of(kind)
            result = make()
            fill(obj, result)
            results.append(result)
        return results

    def _fill_of(self, kind: type) -> Fill:
        fill = self._fills.get(kind)
        if fill is None:
            fill = self._fills[kind] = fill_for(kind, self._steps)
        return fill

    def _is_current(self) -> bool:
        """Whether the schema still is what the plan was made from."""
        return list(self._schema.dump_fields.items()) == self._fields and self._read_fields() == self._read

    def _read_fields(self) -> list[Any]:
        return [read(field) for read, field in self._readers]

    def _renewed(self) -> DumpPlan:
        plan = compiled_dump(self._schema)
        if plan is self or not plan._is_current():  # noqa: SLF001 - of its own class
            plan = vars(self._schema)[PLAN_KEY] = DumpPlan(self._schema)
        return plan

    def belongs_to(self, schema: Schema) -> bool:
        """Whether it was made for this very schema; a copy of a schema copies its `__dict__`."""
        return self._schema is schema

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self  # still the plan of the original, so that the copy gets its own

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a pickled schema leaves its plan behind


def compiled_dump(schema: Schema) -> DumpPlan:
    """The plan of `schema`, compiled when first asked for; raises `SetupError` for anything but a schema's instance.

    It is kept on the schema, so it lives as long. Threads that ask at once may each compile one; they are alike.
    """
    if not isinstance(schema, Schema):
        raise SetupError(f"compiled_dump takes an instance of a marshmallow Schema, not {schema!r}.")
    plan: DumpPlan | None = vars(schema).get(PLAN_KEY)
    if plan is None or not plan.belongs_to(schema):
        plan = vars(schema)[PLAN_KEY] = DumpPlan(schema)
    return plan


def _dump_nested(schema: Any, obj: Any, many: bool | None) -> Any:  # noqa: FBT001 - one of our own calls
    # A subclass of `Nested` may hand out anything that dumps
    dump = compiled_dump(schema) if isinstance(schema, Schema) else schema.dump
    return dump(obj, many=many)


def _has_dump_hooks(schema: Schema) -> bool:
    return any(schema._hooks.get(tag) for tag in (PRE_DUMP, POST_DUMP))  # noqa: SLF001 - not to be seen otherwise


def _overrides_dumping(schema: Schema) -> bool:
    kind, own = type(schema), vars(schema)
    return any(name in own or getattr(kind, name) is not getattr(Schema, name) for name in OVERRIDABLE)
