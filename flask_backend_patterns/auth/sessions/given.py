"""What callers hand over about a user who logs in, made to what is stored and signed."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable


def subject_of(user_id: object) -> str:
    """The id as a string (PITFALLS E2); raises `SetupError` for a user that has none yet."""
    if user_id is None or isinstance(user_id, bool) or not str(user_id):
        raise SetupError(f"A login needs the id of a stored user, which {user_id!r} is not.")
    return str(user_id)


def role_names(roles: Iterable[str]) -> list[str]:
    """Each once, in their order; members of an `Enum` by their value. Raises `SetupError` for what is no string."""
    given = (roles,) if isinstance(roles, str) else tuple(roles)
    names = [role.value if isinstance(role, Enum) else role for role in given]
    if not all(isinstance(name, str) for name in names):
        raise SetupError("Roles have to be strings, or members of an Enum of strings.")
    return list(dict.fromkeys(names))
