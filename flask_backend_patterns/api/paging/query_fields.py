"""The marshmallow fields that read `?page= &limit= &sort= &order= &cursor=`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate

from ..._config import SetupError

# What both databases take as OFFSET and LIMIT.
MAX_WHOLE_NUMBER = 2**63 - 1
WHOLE_NUMBER = re.compile(r"-?[0-9]+")
DIRECTIONS = ("asc", "desc")


class WholeNumber(fields.Integer):
    """An integer in ASCII digits; Python itself takes `1_0`, spaces and the digits of every script."""

    def _validated(self, value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number and not (isinstance(value, str) and WHOLE_NUMBER.fullmatch(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort: a name of the allow-list and its direction."""

    name: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name


class SortField(fields.Field[tuple[SortKey, ...]]):
    """`-price,name`: names of an allow-list, each at most once, `-` for descending."""

    def __init__(self, allowed: Collection[str], *, default: str | None) -> None:
        one = "|".join(map(re.escape, allowed))
        metadata: dict[str, Any] = {
            "type": "string",
            "description": (
                "Sort by these keys, separated by commas, `-` before a key for descending: "
                f"{', '.join(f'`{name}`' for name in allowed)}."
            ),
            # No key twice, then keys and commas.
            "pattern": f"^(?!(?:.*,)?-?({one}),(?:.*,)?-?\\1(?:,|$))-?(?:{one})(?:,-?(?:{one}))*$",
        }
        if default is not None:
            metadata["default"] = default
        super().__init__(metadata=metadata)
        self._allowed = tuple(allowed)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[SortKey, ...]:
        del attr, data
        keys = sort_keys(value) if isinstance(value, str) else ()
        names = [key.name for key in keys]
        if not keys or not set(names) <= set(self._allowed) or len(set(names)) != len(names):
            raise ValidationError(
                f"Must be some of: {', '.join(self._allowed)}; separated by commas, each at most once, "
                "with - before it for descending."
            )
        return keys


def sort_keys(text: str) -> tuple[SortKey, ...]:
    """`-price,name` in parts, names unchecked."""
    return tuple(SortKey(part.removeprefix("-"), part.startswith("-")) for part in text.split(","))


def declared_sort(allowed: Collection[str], default: str | None) -> tuple[SortKey, ...]:
    """The default sort of a style; raises `SetupError` when it, or a name, cannot be written in a query string."""
    unfit = [name for name in allowed if not name or name.startswith("-") or "," in name]
    if unfit:
        raise SetupError(f"sort: {', '.join(map(repr, unfit))} cannot be a key; it must not be empty, begin "
                         "with '-' or contain a comma.")  # fmt: skip
    if default is None:
        return ()
    keys = sort_keys(default)
    unknown = sorted({key.name for key in keys} - set(allowed))
    if unknown or len({key.name for key in keys}) != len(keys):
        raise SetupError(f"default_sort={default!r}: expected some of {sorted(allowed)}, each at most once.")
    return keys


def limit_field(default: int, maximum: int) -> WholeNumber:
    """How many items a page holds; raises `SetupError` for bounds that make no sense."""
    if not 1 <= default <= maximum < MAX_WHOLE_NUMBER // 2:
        raise SetupError(f"limit={default}, max_limit={maximum}: expected 1 <= limit <= max_limit.")
    return WholeNumber(
        load_default=default,
        validate=validate.Range(1, maximum),
        metadata={"description": "How many items a page holds."},
    )


def sort_fields(
    allowed: Collection[str], default: Iterable[SortKey], *, sort: str, order: str
) -> dict[str, fields.Field[Any]]:
    """The fields for sorting under their wire names; none when there is nothing to sort by."""
    if not allowed:
        return {}
    return {
        sort: SortField(allowed, default=",".join(map(str, default)) or None),
        order: fields.String(
            validate=validate.OneOf(DIRECTIONS),
            metadata={"description": "Direction of the sort keys that have no `-` before them."},
        ),
    }


def wanted_sort(
    keys: Sequence[SortKey] | None, order: str | None, default: tuple[SortKey, ...]
) -> tuple[SortKey, ...]:
    """The sort asked for; `order` turns the keys without `-`, those of the default too."""
    chosen = default if keys is None else tuple(keys)
    if order != "desc":
        return chosen
    return tuple(SortKey(key.name, descending=True) for key in chosen)
