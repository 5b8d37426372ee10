"""A mapping of roles, checked and with inheritance resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from .._config import ConfigError
from .permissions import NO_PERMISSIONS, Permissions, is_grant

_KEYS = {"permissions", "inherits"}


@dataclass(frozen=True, slots=True)
class _Role:
    """As it was written."""

    permissions: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleTable:
    """What each role grants and which roles it includes, itself first; immutable but for what is remembered.

    `remembered` holds the answers given: (roles, scopes) -> permissions.
    """

    granted: Mapping[str, frozenset[str]]
    included: Mapping[str, tuple[str, ...]]
    remembered: dict[tuple[tuple[str, ...], tuple[str, ...] | None], Permissions] = field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def resolve(cls, source: Mapping[str, Any]) -> Self:
        """The table; `ConfigError` with a sentence for each malformed role, unknown parent and circle."""
        problems: list[str] = []
        if not isinstance(source, Mapping):
            raise ConfigError(
                [f"BACKEND_AUTH_ROLES gives {type(source).__name__}; expected a mapping of roles"]
            )
        roles = {name: _read(name, said, problems) for name, said in source.items()}
        problems += _misfits(roles)
        if problems:
            raise ConfigError(problems)
        included = {name: tuple(_ancestors(name, roles)) for name in roles}
        granted = {
            name: frozenset(grant for each in names for grant in roles[each].permissions)
            for name, names in included.items()
        }
        return cls(granted, included)

    def granted_to(self, roles: Iterable[str]) -> Permissions:
        """What the roles grant together; unknown ones grant nothing."""
        grants = [self.granted[role] for role in roles if role in self.granted]
        return Permissions.parse(frozenset().union(*grants)) if grants else NO_PERMISSIONS

    def expanded(self, roles: Iterable[str]) -> tuple[str, ...]:
        """The roles and all that they include, each once; unknown ones stay."""
        return tuple(dict.fromkeys(name for role in roles for name in self.included.get(role, (role,))))


def _read(name: Any, said: Any, problems: list[str]) -> _Role:
    if not isinstance(name, str) or not name:
        problems.append(f"BACKEND_AUTH_ROLES has a role {name!r}; names are text that is not empty")
        return _Role()
    parts = said if isinstance(said, Mapping) else {"permissions": said}
    unknown = parts.keys() - _KEYS
    if unknown:
        keys = ", ".join(sorted(map(repr, unknown)))
        problems.append(f"BACKEND_AUTH_ROLES[{name!r}] has {keys}; expected 'permissions' and 'inherits'")
    permissions = _texts(name, "permissions", parts.get("permissions", ()), problems)
    problems += [
        f"BACKEND_AUTH_ROLES[{name!r}] grants {grant!r}, which is not a permission; "
        "write it like 'orders:read', 'orders:*' or 'orders:read:own'"
        for grant in permissions
        if not is_grant(grant)
    ]
    return _Role(permissions, _texts(name, "inherits", parts.get("inherits", ()), problems))


def _texts(name: str, key: str, said: Any, problems: list[str]) -> tuple[str, ...]:
    is_list = isinstance(said, Iterable) and not isinstance(said, (str, bytes, Mapping))
    found = tuple(said) if is_list else ()
    if not is_list or not all(isinstance(item, str) for item in found):
        problems.append(f"BACKEND_AUTH_ROLES[{name!r}]: {key} is {said!r}; expected a list of texts")
        return ()
    return found


def _misfits(roles: Mapping[str, _Role]) -> Iterator[str]:
    for name, role in roles.items():
        for parent in role.inherits:
            if parent not in roles:
                yield f"BACKEND_AUTH_ROLES[{name!r}] inherits {parent!r}, which is no role"
    try:
        TopologicalSorter({name: role.inherits for name, role in roles.items()}).prepare()
    except CycleError as error:
        circle = reversed(error.args[1])  # the first and the last are the same
        yield f"BACKEND_AUTH_ROLES: {' inherits '.join(map(repr, circle))}, which is a circle"


def _ancestors(name: str, roles: Mapping[str, _Role]) -> dict[str, None]:
    """The role itself and all it inherits, nearest first, each once."""
    found = {name: None}
    waiting = [name]
    for each in waiting:
        for parent in roles[each].inherits if each in roles else ():
            if parent not in found:
                found[parent] = None
                waiting.append(parent)
    return found
