"""What roles grant, in one form that answers fast: `orders:read`, `orders:*`, `*`, `orders:read:own`.

A permission is words (`a-z 0-9 _ . -`) joined by `:`. In a grant, `*` stands for one word, at the end for one or more,
so that `*` alone grants everything; `:own` at the very end limits it to what belongs to the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OWN_SUFFIX = ":own"
WILDCARD = "*"
MAX_REMEMBERED = 1_024  # answers for each `Permissions`, and `Permissions` parsed

_WORD = r"[a-z0-9_.\-]+"
_PERMISSION = re.compile(rf"{_WORD}(?::{_WORD})*", re.ASCII)
_GRANT = re.compile(rf"(?:\*|{_WORD})(?::(?:\*|{_WORD}))*", re.ASCII)


class Reach(IntEnum):
    """On which things a permission is held; the smaller of two is the narrower."""

    NONE = 0
    OWN = 1
    ALL = 2


def is_permission(text: object) -> bool:
    """Whether `text` can be asked for: no `*`, and no `own` among its words, which says whose and not what."""
    return isinstance(text, str) and _PERMISSION.fullmatch(text) is not None and "own" not in text.split(":")


def is_grant(text: object) -> bool:
    """Whether `text` can be granted: a permission, with or without `*` and a last `:own`."""
    if not isinstance(text, str) or _GRANT.fullmatch(text) is None:
        return False
    return "own" not in text.removesuffix(OWN_SUFFIX).split(":")


@dataclass(frozen=True, slots=True, order=True)
class _Grant:
    """One grant: the words of its permission (`*` among them) and how far it reaches."""

    words: tuple[str, ...]
    reach: Reach

    @classmethod
    def parse(cls, text: str) -> Self:
        permission = text.removesuffix(OWN_SUFFIX)
        return cls(tuple(permission.split(":")), Reach.ALL if permission == text else Reach.OWN)

    @property
    def is_open(self) -> bool:
        return self.words[-1] == WILDCARD

    def __str__(self) -> str:
        return ":".join(self.words) + (OWN_SUFFIX if self.reach is Reach.OWN else "")

    def matches(self, words: tuple[str, ...]) -> bool:
        fits = len(words) >= len(self.words) if self.is_open else len(words) == len(self.words)
        # An open grant may be shorter: its last `*` takes all the words that are left.
        return fits and all(
            mine in (WILDCARD, theirs) for mine, theirs in zip(self.words, words, strict=False)
        )

    def common(self, other: _Grant) -> _Grant | None:
        """The grant of exactly what both grant; None where they have nothing in common."""
        if len(self.words) > len(other.words):
            return other.common(self)
        if len(self.words) < len(other.words) and not self.is_open:
            return None
        words = []
        for mine, theirs in zip_longest(self.words, other.words, fillvalue=WILDCARD):
            if mine != theirs and WILDCARD not in (mine, theirs):
                return None
            words.append(theirs if mine == WILDCARD else mine)
        return _Grant(tuple(words), min(self.reach, other.reach))


@dataclass(frozen=True, slots=True, repr=False)
class Permissions:
    """What somebody may do; immutable, hashable, shared by threads. Iterating gives the grants, sorted.

    Made by `Permissions.parse`; what is granted is what every one of its layers grants.
    """

    _layers: frozenset[frozenset[_Grant]]
    _known: dict[str, Reach] = field(default_factory=dict, compare=False)

    @staticmethod
    def parse(grants: Iterable[str]) -> Permissions:
        """The permissions that `grants` stand for; `ValueError` names the first that is malformed."""
        if isinstance(grants, str):
            raise ValueError(f"expected a list of permissions, not the string {grants!r}")
        wanted = tuple(grants)
        for grant in wanted:
            if not is_grant(grant):
                raise ValueError(
                    f"{grant!r} is not a permission; write it like 'orders:read' or 'orders:*:own'"
                )
        return _parsed(frozenset(wanted))

    def reach(self, permission: str) -> Reach:
        """How far `permission` is held; NONE for what is no permission, at most OWN for its `:own` form."""
        reach = self._known.get(permission)
        return self._find(permission) if reach is None else reach

    def narrowed(self, scopes: Iterable[str]) -> Permissions:
        """What both these and `scopes` grant; scopes that are no permissions (`openid`: one word) just grant nothing."""
        layer = _parsed(frozenset(filter(is_grant, scopes)))._layers  # noqa: SLF001 - of its own class
        return self if layer <= self._layers else _layered(self._layers | layer)

    def _find(self, permission: str) -> Reach:
        if not is_grant(permission) or WILDCARD in permission:
            return Reach.NONE
        asked = _Grant.parse(permission)
        reach = min(asked.reach, *(_reach_in(layer, asked.words) for layer in self._layers))
        if len(self._known) >= MAX_REMEMBERED:  # nobody asks for so many, unless they are made up
            self._known.clear()
        self._known[permission] = reach
        return reach

    def __iter__(self) -> Iterator[str]:
        first, *others = self._layers
        for other in others:
            first = _common(first, other)
        return iter(sorted(map(str, first)))

    def __bool__(self) -> bool:
        return all(self._layers)

    def __repr__(self) -> str:
        return f"Permissions({', '.join(self)})"


def _reach_in(layer: frozenset[_Grant], words: tuple[str, ...]) -> Reach:
    return max((grant.reach for grant in layer if grant.matches(words)), default=Reach.NONE)


def _common(layer: frozenset[_Grant], other: frozenset[_Grant]) -> frozenset[_Grant]:
    return frozenset(both for mine in layer for theirs in other if (both := mine.common(theirs)) is not None)


@lru_cache(maxsize=MAX_REMEMBERED)
def _parsed(grants: frozenset[str]) -> Permissions:
    return Permissions(frozenset({frozenset(map(_Grant.parse, grants))}))


def _layered(layers: frozenset[frozenset[_Grant]]) -> Permissions:
    return Permissions(layers) if all(layers) else NO_PERMISSIONS


# Nothing is granted.
NO_PERMISSIONS = Permissions.parse(())
