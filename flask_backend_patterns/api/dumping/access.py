"""How values are read from an object: chosen once for its class, instead of tried again for every value.

marshmallow asks each object for each value whether it has `__getitem__`, tries `obj[name]` and falls back to `obj.name`
(`marshmallow.utils.get_value`). What that comes to is known from the class, save for classes that answer attribute
access by code of their own; those are read by marshmallow's function.

The loops are written out for each way of reading: a function call for each value would cost as much as all the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import getattr_static
from types import WrapperDescriptorType
from typing import Any, TypeAlias

from marshmallow import missing
from marshmallow.utils import get_value
from sqlalchemy import Row, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper

# What the value turns into, or `missing` to leave it out; takes the value read (or `missing`) and the object.
Convert: TypeAlias = "Callable[[Any, Any], Any]"
# Name to read (None: `convert` reads by itself), key to write, the class whose values stay as they are, conversion.
Step: TypeAlias = "tuple[str | None, str, type | None, Convert]"
Fill: TypeAlias = "Callable[[Any, dict[str, Any]], None]"

NEVER_LOADED = object()  # no key of an instance's `__dict__`


def fill_for(kind: type, steps: tuple[Step, ...]) -> Fill:
    """The function that reads an object of class `kind` by `steps` into a dict; it does not hold on to the class."""
    if issubclass(kind, type) or not isinstance(kind.__getattribute__, WrapperDescriptorType):
        return _by_get_value(steps)
    if hasattr(kind, "__getitem__"):
        return _by_attributes(steps) if _takes_no_names(kind) else _by_items(steps)
    if hasattr(kind, "__getattr__"):  # it is asked for `__getitem__`, and may answer as it likes
        return _by_get_value(steps)
    if isinstance(inspect(kind, raiseerr=False), Mapper):
        return _by_loaded_attributes(kind, steps)
    return _by_attributes(steps)


def _takes_no_names(kind: Any) -> bool:
    """Whether `obj["name"]` is a TypeError for every name, as for (named) tuples and rows of SQLAlchemy."""
    return kind.__getitem__ in (tuple.__getitem__, Row.__getitem__)


# The loops below differ only in how a value is read: a call for each value is what they are there to save.


def _by_attributes(steps: tuple[Step, ...]) -> Fill:
    def fill(obj: Any, result: dict[str, Any]) -> None:
        for name, key, plain, convert in steps:
            value = missing if name is None else getattr(obj, name, missing)
            if type(value) is not plain:
                value = convert(value, obj)
                if value is missing:
                    continue
            result[key] = value

    return fill


def _by_items(steps: tuple[Step, ...]) -> Fill:
    def fill(obj: Any, result: dict[str, Any]) -> None:
        for name, key, plain, convert in steps:
            if name is None:
                value = missing
            else:
                try:
                    value = obj[name]
                except (KeyError, IndexError, TypeError, AttributeError):
                    value = getattr(obj, name, missing)
            if type(value) is not plain:
                value = convert(value, obj)
                if value is missing:
                    continue
            result[key] = value

    return fill


def _by_get_value(steps: tuple[Step, ...]) -> Fill:
    def fill(obj: Any, result: dict[str, Any]) -> None:
        for name, key, plain, convert in steps:
            value = missing if name is None else get_value(obj, name, missing)
            if type(value) is not plain:
                value = convert(value, obj)
                if value is missing:
                    continue
            result[key] = value

    return fill


def _by_loaded_attributes(kind: type, steps: tuple[Step, ...]) -> Fill:
    """For mapped classes: a loaded attribute lies in the instance's `__dict__`, where its descriptor would look too.

    What is not there (expired, deferred, a property) is read as an attribute.
    """
    with_stored = tuple(
        (name if _is_stored(kind, name) else NEVER_LOADED, name, key, plain, convert)
        for name, key, plain, convert in steps
    )

    def fill(obj: Any, result: dict[str, Any]) -> None:
        loaded = obj.__dict__
        for stored, name, key, plain, convert in with_stored:
            value = loaded.get(stored, missing)
            if value is missing and name is not None:
                value = getattr(obj, name, missing)
            if type(value) is not plain:
                value = convert(value, obj)
                if value is missing:
                    continue
            result[key] = value

    return fill


def _is_stored(kind: type, name: str | None) -> bool:
    attribute = None if name is None else getattr_static(kind, name, None)
    # Collections that are not loaded as a whole (dynamic, write-only) are no part of the `__dict__`.
    return (
        type(attribute) is InstrumentedAttribute
        and attribute.key == name
        and attribute.impl.supports_population
    )
