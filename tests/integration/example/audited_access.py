"""Who may call a route, from what the audit prints and the table of roles alone.

Written apart from the package: it shares no code with what it is held against, and refuses columns it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

# Columns that say nothing about who may call.
NOT_ABOUT_CALLERS = {"credentials", "limit", "idempotency", "conditional", "deprecation", "cache", "vary_on"}
OWN = ":own"


class Verdict(Enum):
    """What a caller gets."""

    IN = "in"
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404


class Reach(Enum):
    """How far a permission goes."""

    NONE = 0
    OWN = 1
    ALL = 2


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a caller: `counts` is False for credentials that are wrong, None without any.

    `scopes` narrow what the role grants; None for credentials without. `is_fresh` for who has logged in just now.
    """

    counts: bool | None
    role: str | None = None
    scopes: tuple[str, ...] | None = None
    is_fresh: bool = False


def expected(
    columns: Mapping[str, str], standing: Standing, *, roles: Mapping[str, Any], is_own: bool
) -> Verdict:
    """What the audit's `columns` of a route promise a caller; `is_own`: what is asked for is the caller's."""
    # A policy is about the thing asked for: the orders staged here are within its limits.
    unknown = columns.keys() - NOT_ABOUT_CALLERS - {"authentication", "permission", "ownership", "policy"}
    assert not unknown, f"the audit says more than this reads: {unknown}"
    authentication = columns["authentication"]
    if authentication.startswith("public: ") or authentication == "answered in front of the app":
        return Verdict.IN
    wants_fresh = authentication.startswith("required, fresh ")
    assert wants_fresh or authentication == "required", authentication
    if not standing.counts or (wants_fresh and not standing.is_fresh):
        return Verdict.UNAUTHORIZED
    if "permission" not in columns:
        return Verdict.IN
    ownership = columns.get("ownership", "")
    refusal = Verdict.NOT_FOUND if ownership.endswith(", else 404") else Verdict.FORBIDDEN
    reach = reach_of(columns["permission"], standing, roles)
    if reach is Reach.ALL:
        return Verdict.IN
    may_own = ownership == "scoped list" or (bool(ownership) and is_own)
    return Verdict.IN if reach is Reach.OWN and may_own else refusal


def reach_of(permission: str, standing: Standing, roles: Mapping[str, Any]) -> Reach:
    """How far the caller's role and scopes take `permission`: the lesser of the two."""
    reach = _farthest(_grants(standing.role, roles), permission)
    if standing.scopes is not None:
        reach = min(reach, _farthest(standing.scopes, permission), key=lambda one: one.value)
    return reach


def _grants(role: str | None, roles: Mapping[str, Any]) -> list[str]:
    entry = roles.get(role or "", ())
    if not isinstance(entry, Mapping):
        return list(entry)
    inherited = [grant for parent in entry.get("inherits", ()) for grant in _grants(parent, roles)]
    return [*entry.get("permissions", ()), *inherited]


def _farthest(grants: Iterable[str], permission: str) -> Reach:
    reaches = [
        Reach.OWN if grant.endswith(OWN) else Reach.ALL
        for grant in grants
        if _matches(grant.removesuffix(OWN).split(":"), permission.split(":"))
    ]
    return max(reaches, key=lambda one: one.value, default=Reach.NONE)


def _matches(pattern: list[str], words: list[str]) -> bool:
    """`orders:*` is everything that begins with `orders:`, `shop:*:read` one word in the middle."""
    if pattern == ["*"]:
        return True
    if pattern[-1] == "*" and len(words) >= len(pattern):
        pattern, words = pattern[:-1], words[: len(pattern) - 1]
    return len(pattern) == len(words) and all(a in {"*", b} for a, b in zip(pattern, words, strict=True))
