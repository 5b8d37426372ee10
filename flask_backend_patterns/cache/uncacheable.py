"""What is said of a value that cannot be stored."""

from __future__ import annotations

import dataclasses
from enum import Enum
from inspect import isasyncgen, iscoroutine, isgenerator
from typing import Any

_MAX_PLACES = 12


class UncacheableValueError(TypeError):
    """A value that cannot be stored and come back equal: names its type, where it stands, and what to do.

    `path` is dotted, `items.0.owner`; empty for the value itself.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.function_name = ""  # whose value it is, where that is known
        self._places: list[str] = []

    @property
    def path(self) -> str:
        """Where in the value it stands."""
        places = self._places[::-1]
        if len(places) > _MAX_PLACES:
            places = [*places[:_MAX_PLACES], "..."]
        return ".".join(places)

    def add_place(self, place: object) -> None:
        """Called by each container on the way out, with the key or number of what it holds."""
        self._places.append(str(place))

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}" if self._places else self.problem
        return f"{self.function_name}: {text}" if self.function_name else text


def describe_problem(value: Any, unresolved: str | None) -> str:
    """Why `value` cannot be stored; `unresolved` is what kept an annotation from being read."""
    cls = type(value)
    name = cls.__qualname__
    kind = _declarable_kind(value)
    if kind is not None:
        reason = f" ({unresolved})" if unresolved else ""
        return (
            f"{name} is {kind} that the return annotation does not name{reason}; annotate the function, "
            f"or give types=[{name}]"
        )
    if isgenerator(value) or isasyncgen(value) or iscoroutine(value):
        return f"{name} can be used only once; make a list of it"
    if isinstance(value, (bytearray, memoryview)):
        return f"{name} can change; make bytes of it"
    for base in (dict, list, tuple, set, frozenset, str, bytes, int, float):
        if isinstance(value, base):
            return f"{name} would come back as a plain {base.__name__}; make one of it"
    return f"{name} cannot be stored; make a dataclass or a dict of it, or give schema="


def _declarable_kind(value: Any) -> str | None:
    if isinstance(value, Enum):
        return "an enum"
    if isinstance(value, tuple) and hasattr(value, "_fields") and hasattr(value, "_make"):
        return "a named tuple"
    return "a dataclass" if dataclasses.is_dataclass(type(value)) else None
