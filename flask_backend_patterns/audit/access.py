"""Holds what routes need against what the roles of their app grant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._config import SetupError
from .._state import state_of
from ..errors import ServiceUnavailableError
from .route_entry import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flask import Flask

    from .route_entry import Need, RouteEntry

DENY = "deny"
# Of the numbers of `Reach`, which this feature does not import: how far a permission has to be held.
OWN, ALL = 1, 2


@dataclass(frozen=True, kw_only=True)
class Access:
    """The roles of an app: `granted` is role -> permissions, None where the app goes by the names of roles alone."""

    roles: Any
    granted: Mapping[str, Any] | None
    is_open_by_default: bool

    @classmethod
    def of(cls, app: Flask) -> Access | None:
        """Those of `app`; None where authentication is off. A function that gives the roles is called, in an app context.

        Raises `SetupError` when it cannot be read.
        """
        state = state_of(app)
        if state is None or state.auth is None:
            return None
        try:
            with app.app_context():
                granted = state.auth.roles.overview()
        except ServiceUnavailableError as error:
            raise SetupError(
                "The roles cannot be read: the function in BACKEND_AUTH_ROLES failed, see roles_unavailable in the log."
            ) from error
        return cls(
            roles=state.auth.roles, granted=granted, is_open_by_default=state.auth.settings.default != DENY
        )

    def judged(self, entry: RouteEntry) -> RouteEntry:
        """`entry` with the roles that do not exist, and the permissions that no role grants far enough."""
        return replace(
            entry,
            unknown_roles=tuple(
                role
                for need in entry.needs
                for role in need.roles
                if self.granted is not None and role not in self.granted
            ),
            ungranted=tuple(
                need.permission
                for need in entry.needs
                if need.permission is not None
                and not any(_reaches(held, need) for held in (self.granted or {}).values())
            ),
        )

    def callable_by(self, entries: Iterable[RouteEntry], roles: Sequence[str]) -> list[RouteEntry]:
        """What somebody who has logged in and has all of `roles` may call, for something that is theirs.

        Policies may still refuse. Raises `SetupError` for a role that does not exist.
        """
        unknown = [role for role in roles if self.granted is not None and role not in self.granted]
        if unknown:
            known = ", ".join(sorted(self.granted or ()))
            raise SetupError(f"{unknown[0]!r} is not a role. It may be: {known}.")
        held, expanded = self.roles.permissions_of(tuple(roles)), set(self.roles.expanded(roles))
        return [entry for entry in entries if self._admits(entry, held, expanded)]

    def _admits(self, entry: RouteEntry, held: Any, roles: set[str]) -> bool:
        if entry.source is not Source.VIEW:
            return True
        if entry.shut or (entry.is_undeclared and not self.is_open_by_default):
            return False
        return all(
            (not need.roles or not roles.isdisjoint(need.roles))
            and (need.permission is None or _reaches(held, need))
            for need in entry.needs
        )


def _reaches(held: Any, need: Need) -> bool:
    return bool(held.reach(need.permission) >= (OWN if need.own_suffices else ALL))
