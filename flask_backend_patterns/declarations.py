"""What can be said about a view: frozen values, no Flask.

A declaration says one thing ("needs this permission"), the guard enforces it, and the same value documents the route
and is listed by the audit. A feature, or a user, adds a kind of declaration by subclassing `Declaration` and handing
its enforcer to `BackendPatterns(enforcers={Kind: enforcer})`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar


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
class Documentation:
    """What a declaration adds to the OpenAPI operation of its view, in the words of OpenAPI 3.1.

    `parameters` are appended, `success_headers` (name -> header object) go on the successful responses, and `operation`
    (`{"deprecated": True}`) is merged into the operation object. `secured` asks for credentials by any scheme of the
    app, `secured_optionally` takes requests without any too.
    """

    parameters: Sequence[Mapping[str, Any]] = ()
    success_headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    operation: Mapping[str, Any] = field(default_factory=dict)
    secured: bool = False
    secured_optionally: bool = False


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One statement about a view.

    `phase` places its enforcement, `statuses` are the error statuses it can answer (for the OpenAPI document), and
    `required` says what happens on an app without its enforcer: True refuses every request, False skips it.
    """

    phase: ClassVar[Phase]
    statuses: ClassVar[tuple[int, ...]] = ()
    required: ClassVar[bool] = True

    @property
    def takes_arguments(self) -> bool:
        """Whether its enforcer wants to see what the function was called with (`_called_with.CALLED_WITH`)."""
        return False

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """The error statuses it can answer for `method` (in capitals)."""
        del method
        return self.statuses

    def documentation(self, method: str) -> Documentation:
        """What it says about `method` of its view (in capitals), beside the error statuses."""
        del method
        return Documentation()

    def audit(self, method: str) -> Mapping[str, str]:
        """What `flask backend routes` shows for `method` of its view: column -> text."""
        del method
        return {}


def in_order(declarations: tuple[Declaration, ...]) -> tuple[Declaration, ...]:
    """Sorted by phase; those of one phase keep the order given (outermost decorator first)."""
    return tuple(sorted(declarations, key=lambda declaration: declaration.phase))
