"""Reads groups of settings from `app.config`: typed, range-checked, every fault collected before any is reported."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class SetupError(RuntimeError):
    """The extension is used in a way that cannot work; the message says what to do instead."""


class ConfigError(SetupError):
    """One or more settings are wrong; `problems` holds a sentence for each of them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("Wrong settings:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


def setting(
    default: Any,
    *,
    doc: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
    secret: bool = False,
) -> Any:
    """A dataclass field that is a setting; bounds are inclusive, `secret` keeps the value out of errors and reprs."""
    rules = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices, "secret": secret}
    return dataclasses.field(default=default, metadata=rules, repr=not secret)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingsGroup:
    """Settings that share a key prefix; the key of a field is `PREFIX` and its name in capitals."""

    PREFIX: ClassVar[str]

    @classmethod
    def config_keys(cls) -> dict[str, dataclasses.Field[Any]]:
        """The configuration key of every field."""
        return {cls.PREFIX + field.name.upper(): field for field in dataclasses.fields(cls)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; what is wrong is appended to `problems`, and the default stands in for it."""
        hints = typing.get_type_hints(cls)
        values: dict[str, Any] = {}
        for key, field in cls.config_keys().items():
            if key not in config:
                continue
            try:
                value = _convert(config[key], hints[field.name])
                _check(value, field.metadata)
            except ValueError as error:
                shown = "wrong (not shown here)" if field.metadata["secret"] else repr(config[key])
                problems.append(f"{key} is {shown}; {error}")
            else:
                values[field.name] = value
        return cls(**values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSettings(SettingsGroup):
    """The settings of a feature that can be left out."""

    enabled: bool = setting(default=True, doc="False leaves the feature out entirely.")


def unknown_keys(config: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """A sentence for every `BACKEND_` key that is not known, with the nearest known name."""
    known = sorted(known)
    problems = []
    for key in config:
        if not key.startswith("BACKEND_") or key in known:
            continue
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        problems.append(f"{key} is not a setting; did you mean {nearest[0]}?")
    return problems


def _convert(value: Any, hint: Any) -> Any:
    """Turn a configured value into the field's type; raises `ValueError` with what was expected."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        inner = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else _convert(value, inner[0])
    if hint in (int, float):
        return _convert_number(value, hint)
    if typing.get_origin(hint) is tuple:
        return _convert_names(value)
    convert = {bool: _convert_bool, str: _convert_text, Any: _imported}.get(hint, _convert_callable)
    return convert(value)


def _convert_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # `from_prefixed_env` reads a token of digits as a number
    if not isinstance(value, str):
        raise ValueError("expected a string")
    if not value.isprintable():
        raise ValueError("expected a string without control characters")
    return value


def _convert_bool(value: Any) -> bool:
    word = str(value).lower()  # True, 1, "true", "1" alike
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("expected True or False")


def _convert_number(value: Any, kind: type[int | float]) -> float:
    wanted = "a whole number" if kind is int else "a number"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected {wanted}")
    if kind is int and isinstance(value, float):
        raise ValueError(f"expected {wanted}")
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"expected {wanted}") from None


def _convert_names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(item, str) for item in value):
        return tuple(map(_convert_text, value))
    raise ValueError("expected a list of strings, or one string separated by commas")


def _convert_callable(value: Any) -> Callable[..., Any]:
    value = _imported(value, "a function")
    if not isinstance(value, Callable):  # type: ignore[arg-type]  # the ABC works, mypy wants a concrete type
        raise ValueError("expected a function")
    return typing.cast("Callable[..., Any]", value)


def _imported(value: Any, wanted: str = "an object") -> Any:
    """What `package.module:name` names; anything but a string is what it is."""
    if not isinstance(value, str):
        return value
    module, _, name = value.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError):
        raise ValueError(f"expected {wanted}, or 'package.module:name' that can be imported") from None


def _check(value: Any, rules: Mapping[str, Any]) -> None:
    if value is None:
        return
    if rules["choices"] is not None and value not in rules["choices"]:
        raise ValueError("expected one of " + ", ".join(map(repr, rules["choices"])))
    # `not >=` rather than `<`, so that NaN is out of range
    if rules["minimum"] is not None and not value >= rules["minimum"]:
        raise ValueError(f"expected at least {rules['minimum']}")
    if rules["maximum"] is not None and not value <= rules["maximum"]:
        raise ValueError(f"expected at most {rules['maximum']}")
