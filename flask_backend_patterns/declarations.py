"""What can be said about a view: frozen values, no Flask.

A declaration says one thing ("needs this permission"), the guard enforces it, and the same value documents the route
and is listed by the audit. A feature, or a user, adds a kind of declaration by subclassing `Declaration` and handing
its enforcer to `BackendPatterns(enforcers={Kind: enforcer})`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Phase(IntEnum):
    """When a declaration is enforced: lower first, whatever the order of the decorators."""

    SHEDDING = 10
    ADDRESS_LIMIT = 20
    AUTHENTICATION = 30
    IDENTITY_LIMIT = 40
    AUTHORIZATION = 50
    IDEMPOTENCY = 60
    CONDITIONAL = 70
    CACHE = 80


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One statement about a view.

    `phase` places its enforcement, `statuses` are the error statuses it can answer (for the OpenAPI document), and
    `required` says what happens on an app without its enforcer: True refuses every request, False skips it.
    """

    phase: ClassVar[Phase]
    statuses: ClassVar[tuple[int, ...]] = ()
    required: ClassVar[bool] = True


def in_order(declarations: tuple[Declaration, ...]) -> tuple[Declaration, ...]:
    """Sorted by phase; those of one phase keep the order given (outermost decorator first)."""
    return tuple(sorted(declarations, key=lambda declaration: declaration.phase))
