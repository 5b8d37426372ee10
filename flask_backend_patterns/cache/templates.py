"""Compiles what says the key and the tags of a call: templates (`"item:{item_id}"`), or callables of its arguments."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from .._config import SetupError
from .keys import UnstableKeyError, stable_text

# Takes a call's positional and keyword arguments.
Builder: TypeAlias = "Callable[[tuple[Any, ...], Mapping[str, Any]], str]"
TagsBuilder: TypeAlias = "Callable[[tuple[Any, ...], Mapping[str, Any]], tuple[str, ...]]"
Template: TypeAlias = "str | Callable[..., str]"
Tags: TypeAlias = "Sequence[Template] | Callable[..., Sequence[str]]"

_BIG: Final = (
    1 << 63
)  # longer integers are written in hex: Python refuses to write very long ones as decimals
_NAMED_BY_VALUE: Final = (str, int)  # what a member of an Enum is called by in a template


class Arguments:
    """The parameters of a function: puts the arguments of a call into their order, without `inspect` for each call."""

    def __init__(self, signature: inspect.Signature, *, where: str) -> None:
        self.where = where
        self._signature = signature
        self.names = tuple(signature.parameters)
        self._parameters = tuple(signature.parameters.values())
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        # A call that gives just these, all by position, is in order already.
        self._plain_count = len(self.names) if all(p.kind in plain for p in self._parameters) else -1

    def in_order(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        """A value for each parameter, defaults included. Raises the function's own `TypeError` for a wrong call."""
        if not kwargs and len(args) == self._plain_count:
            return args
        if self._plain_count >= 0 and len(args) <= self._plain_count:
            values = [*args]
            used = 0
            for parameter in self._parameters[len(args) :]:
                name = parameter.name
                if name in kwargs and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                    values.append(kwargs[name])
                    used += 1
                elif parameter.default is not inspect.Parameter.empty:
                    values.append(parameter.default)
                else:
                    break
            if used == len(kwargs) and len(values) == self._plain_count:
                return tuple(values)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments[name] for name in self.names)


def key_of_arguments(name: str, arguments: Arguments) -> Builder:
    """The key of a function without `key=`: its name and its arguments."""

    def build(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        values = arguments.in_order(args, kwargs)
        texts = []
        for position, value in enumerate(values):
            try:
                texts.append(stable_text(value))
            except UnstableKeyError as error:
                raise _unstable(arguments, arguments.names[position], error) from None
        return f"{name}({','.join(texts)})"

    return build


def key_builder(template: Template, arguments: Arguments) -> Builder:
    """The key by a template or a callable; `SetupError` for a template that cannot be filled from the arguments."""
    if not isinstance(template, str):
        if not callable(template):
            raise SetupError(f"{arguments.where}: {template!r} is neither a template nor a function.")
        return _called(template, arguments)
    literals, fields = _parsed(template, arguments)
    if not fields:
        text = literals[0]
        return lambda _args, _kwargs: text
    if len(fields) == 1:
        return _with_one_field(literals, fields[0], arguments)
    return _with_fields(literals, fields, arguments)


def tags_builder(tags: Tags, arguments: Arguments) -> TagsBuilder:
    """The tags by templates, or by one callable that gives them all."""
    if isinstance(tags, str):
        raise SetupError(f"{arguments.where}: tags takes a list: tags=[{tags!r}].")
    if callable(tags):
        call = tags
        return lambda args, kwargs: _checked_tags(call(*args, **kwargs), arguments)
    builders = tuple(key_builder(tag, arguments) for tag in tags)
    if all(isinstance(tag, str) and not _parsed(tag, arguments)[1] for tag in tags):
        fixed = tuple(build((), {}) for build in builders)
        return lambda _args, _kwargs: fixed
    if len(builders) == 1:
        only = builders[0]
        return lambda args, kwargs: (only(args, kwargs),)
    return lambda args, kwargs: tuple([build(args, kwargs) for build in builders])


def fixed_tags(tags: Tags, arguments: Arguments) -> tuple[str, ...] | None:
    """The tags that every call has, when none depends on arguments; else None."""
    if callable(tags) or any(not isinstance(tag, str) or _parsed(tag, arguments)[1] for tag in tags):
        return None
    return tags_builder(tags, arguments)((), {})


def fields_of(template: str, *, where: str) -> list[str]:
    """The names in a template, each with its attributes (`user.id`). `SetupError` when it cannot be read."""
    return _split(template, where)[1]


def literals_and_fields(template: str, *, where: str) -> tuple[list[str], list[str]]:
    """The texts around the fields, and their names, each with its attributes (`user.id`). `SetupError` if unreadable."""
    literals, names = _split(template, where)
    for literal in literals[1:-1]:
        if not literal:
            raise SetupError(f"{where}: put something between the fields of {template!r}, such as a colon.")
    return literals, names


def shape_of(template: Template, *, where: str) -> str | None:
    """What is the same for templates that can give the same keys, whatever their fields are called; None for functions."""
    return "{}".join(_split(template, where)[0]) if isinstance(template, str) else None


class _Field:
    """A parameter by its position, and the attributes to follow from it."""

    __slots__ = ("name", "path", "position")

    def __init__(self, name: str, arguments: Arguments) -> None:
        first, *self.path = name.split(".")
        if first not in arguments.names:
            known = ", ".join(arguments.names) or "none"
            raise SetupError(
                f"{arguments.where}: there is no argument {first!r} for {{{name}}}; known: {known}."
            )
        self.name = name
        self.position = arguments.names.index(first)

    def text(self, values: Sequence[Any], arguments: Arguments) -> str:
        value = values[self.position]
        for attribute in self.path:
            value = getattr(value, attribute)
        return text_in_template(value, self.name, arguments.where)


def text_in_template(value: Any, name: str, where: str) -> str:
    """`value` as people write it: text as it is, numbers, dates and ids by `str`, a member of an Enum by its value."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # just looked at
    if kind is int:
        return str(value) if -_BIG < value < _BIG else hex(value)
    if isinstance(value, Enum):
        return str(value.value if isinstance(value.value, _NAMED_BY_VALUE) else value.name)
    try:
        stable = stable_text(value)
    except UnstableKeyError as error:
        raise UnstableKeyError(
            f"{where}: {{{name}}} cannot be part of a key: {error}; name an attribute of it, as in {{{name}.id}}, or "
            "give a function."
        ) from None
    return stable if isinstance(value, (tuple, list, set, frozenset, dict, bytes, type)) else str(value)


def _with_one_field(literals: list[str], field: _Field, arguments: Arguments) -> Builder:
    before, after = literals
    position, in_order = field.position, arguments.in_order
    if field.path:
        return lambda args, kwargs: before + field.text(in_order(args, kwargs), arguments) + after

    def build(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        value = in_order(args, kwargs)[position]
        kind = type(value)
        if kind is int or kind is str:
            return (
                f"{before}{value}{after}"
                if kind is str or -_BIG < value < _BIG
                else before + hex(value) + after
            )
        return before + text_in_template(value, field.name, arguments.where) + after

    return build


def _with_fields(literals: list[str], fields: list[_Field], arguments: Arguments) -> Builder:
    fill = filler(literals)
    in_order = arguments.in_order

    def build(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        values = in_order(args, kwargs)
        return fill([field.text(values, arguments) for field in fields])

    return build


def filler(literals: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """Puts texts between `literals`, one of which stands before, between and after them.

    What separates several is escaped within them, so that ("a", "b:c") and ("a:b", "c") differ.
    """
    first, *rest = literals
    marks = {"%", *(text[:1] for text in rest[:-1])} if len(rest) > 1 else set()
    escapes = str.maketrans({mark: f"%{ord(mark):02X}" for mark in marks if mark})

    def fill(texts: Sequence[str]) -> str:
        parts = [first]
        for text, literal in zip(texts, rest, strict=True):
            parts += (text.translate(escapes) if escapes else text, literal)
        return "".join(parts)

    return fill


def _called(function: Callable[..., Any], arguments: Arguments) -> Builder:
    def build(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        key = function(*args, **kwargs)
        if not isinstance(key, str) or not key:
            raise UnstableKeyError(
                f"{arguments.where}: the function for a key or tag returned {key!r}; expected a text."
            )
        return key

    return build


def _checked_tags(tags: Any, arguments: Arguments) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise UnstableKeyError(
            f"{arguments.where}: the function for tags returned {tags!r}; expected a list of texts."
        )
    return tuple(tags)


def _parsed(template: str, arguments: Arguments) -> tuple[list[str], list[_Field]]:
    literals, names = literals_and_fields(template, where=arguments.where)
    return literals, [_Field(name, arguments) for name in names]


def _split(template: str, where: str) -> tuple[list[str], list[str]]:
    """The literal texts before, between and after the fields, and the fields' names."""
    if not template:
        raise SetupError(f"{where}: a key or tag is empty.")
    literals, names = [""], []
    try:
        for literal, name, specification, conversion in string.Formatter().parse(template):
            literals[-1] += literal
            if name is None:
                continue
            if specification or conversion or not all(part.isidentifier() for part in name.split(".")):
                raise SetupError(
                    f"{where}: {{{name}}} in {template!r} is not a name, or a name and its attributes."
                )
            names.append(name)
            literals.append("")
    except ValueError as error:
        raise SetupError(f"{where}: {template!r} is no template: {error}.") from error
    return literals, names


def _unstable(arguments: Arguments, name: str, error: UnstableKeyError) -> UnstableKeyError:
    return UnstableKeyError(
        f"{arguments.where}: the argument {name!r} cannot be part of a key: {error}; say what tells calls apart, as in "
        f'key="...:{{{name}.id}}", or give key= a function.'
    )
