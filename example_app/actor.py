"""Who is calling, as services see it: no web framework, no database row."""

from __future__ import annotations

from dataclasses import dataclass

STAFF_ROLES = frozenset({"support", "manager", "admin"})


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated user."""

    id: int
    email: str
    name: str
    role: str

    @property
    def is_staff(self) -> bool:
        """Whether everybody's orders are theirs to see."""
        return self.role in STAFF_ROLES
