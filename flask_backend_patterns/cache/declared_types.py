"""The classes whose instances a cached function may return: found in its annotation, never by a name out of a store."""

from __future__ import annotations

import dataclasses
import functools
import typing
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from .._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_ID_BYTES: Final = 8
_UNREADABLE: Final = (NameError, TypeError, AttributeError, SyntaxError)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A dataclass, a named tuple or an enum (no `fields`), and what stands for it in stored bytes.

    The id changes with the names of the fields, so what was stored by another version of the class is a miss.
    """

    cls: Any
    id: bytes
    fields: tuple[str, ...]


class DeclaredTypes:
    """Shapes by class and by id; `unresolved` is what kept an annotation from being read, if anything did."""

    def __init__(self) -> None:
        self.by_class: dict[type, Shape] = {}
        self.by_id: dict[bytes, Shape] = {}
        self.unresolved: str | None = None

    @classmethod
    def from_annotations(cls, annotations: Iterable[Any]) -> DeclaredTypes:
        """All classes that the annotations name, directly or through the fields of others.

        Raises `SetupError` for two classes that nothing tells apart.
        """
        found = cls()
        found._add(annotations)
        return found

    @classmethod
    def from_function(cls, function: Callable[..., Any], types: Iterable[Any] = ()) -> DeclaredTypes:
        """Those that its return annotation names, and `types`."""
        found = cls()
        found._add(types)
        found._add([found._return_of(function)])
        return found

    def _add(self, annotations: Iterable[Any]) -> None:
        waiting: list[Any] = list(annotations)
        seen: list[Any] = []
        while waiting:
            annotation = waiting.pop()
            if any(annotation is other for other in seen):
                continue
            seen.append(annotation)
            if isinstance(annotation, (str, typing.ForwardRef)):
                self.unresolved = f"the annotation {_text(annotation)!r} cannot be read where it stands"
            elif isinstance(annotation, type) and typing.get_origin(annotation) is None:
                waiting += self._add_class(annotation)
            else:
                waiting += _parts(annotation)

    def _add_class(self, cls: type) -> Iterator[Any]:
        """Declare the class, if it is one of ours; gives the annotations of its fields."""
        shape = _shape_of(cls)
        if shape is not None and cls not in self.by_class:
            other = self.by_id.setdefault(shape.id, shape)
            if other.cls is not cls:
                raise SetupError(
                    f"Two classes are called {cls.__module__}.{cls.__qualname__}; rename one of them."
                )
            self.by_class[cls] = shape
        if (shape is not None and shape.fields) or typing.is_typeddict(cls):
            yield from self._hints_of(cls)

    def _hints_of(self, cls: type) -> Iterable[Any]:
        try:
            return typing.get_type_hints(cls, include_extras=True).values()
        except _UNREADABLE as error:
            self.unresolved = f"an annotation of {cls.__qualname__} cannot be read: {error}"
            return ()

    def _return_of(self, function: Callable[..., Any]) -> Any:
        while isinstance(function, functools.partial):
            function = function.func
        function = getattr(function, "__func__", function)
        annotation = getattr(function, "__annotations__", {}).get("return")
        if annotation is None:
            return None

        def probe() -> None:
            """Bears the one annotation, so that those of the arguments need not be readable."""

        probe.__annotations__ = {"return": annotation}
        names = getattr(function, "__globals__", {})
        try:
            return typing.get_type_hints(probe, globalns=names, include_extras=True)["return"]
        except _UNREADABLE as error:
            self.unresolved = f"the return annotation cannot be read: {error}"
            return None


def is_named_tuple(cls: type) -> bool:
    """Whether `typing.NamedTuple` or `collections.namedtuple` made it."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def _text(annotation: str | typing.ForwardRef) -> str:
    return annotation if isinstance(annotation, str) else annotation.__forward_arg__


def _parts(annotation: Any) -> list[Any]:
    """What an annotation that is no class consists of."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return [type(argument) for argument in arguments]
    if origin is typing.Annotated:
        return [arguments[0]]
    if origin is not None:
        return [origin, *(part for part in arguments if not isinstance(part, (list, str)))]
    related = [
        getattr(annotation, name, None) for name in ("__value__", "__supertype__", "__bound__")
    ]  # of `type X = ...`, NewType, TypeVar
    return [part for part in (*related, *getattr(annotation, "__constraints__", ())) if part is not None]


@functools.lru_cache(maxsize=1024)
def _shape_of(cls: type) -> Shape | None:
    if issubclass(cls, Enum):
        return Shape(cls=cls, id=_id_of("enum", cls, ()), fields=())
    if is_named_tuple(cls):
        fields = cls._fields  # type: ignore[attr-defined]  # just looked at
        return Shape(cls=cls, id=_id_of("named tuple", cls, fields), fields=fields)
    if _is_rebuildable(cls):
        names = tuple(field.name for field in dataclasses.fields(cls))
        return Shape(cls=cls, id=_id_of("dataclass", cls, names), fields=names)
    return None


def _is_rebuildable(cls: type) -> TypeGuard[Any]:
    """Whether an instance is its fields: not so for one that is a dict, a list or an exception besides, or abstract."""
    if not dataclasses.is_dataclass(cls):
        return False
    try:
        object.__new__(cls)
    except TypeError:
        return False
    return True


def _id_of(kind: str, cls: type, fields: tuple[str, ...]) -> bytes:
    text = "\0".join((kind, cls.__module__, cls.__qualname__, *fields))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_ID_BYTES).digest()
