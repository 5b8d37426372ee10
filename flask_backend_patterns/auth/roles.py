"""The roles of one app: from the settings, or from a function that is asked now and then."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from .._config import ConfigError
from ..errors import ServiceUnavailableError
from .role_table import RoleTable

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .permissions import Permissions

Load: TypeAlias = "Callable[[], Mapping[str, Any]]"

RETRY_SECONDS = 1.0  # how long a function that failed is left alone
MAX_REMEMBERED = 4_096  # combinations of roles and scopes
MAX_UNKNOWN_LOGGED = 1_000


class Roles:
    """Answers for one app, from many threads.

    `source` is `{role: [permission, ...]}` or `{role: {"permissions": [...], "inherits": [role, ...]}}`, or a
    function that returns it, whose answer is used for `cache_seconds`. When the function fails, its last good answer
    serves and the failure is logged (`roles_unavailable`). Raises `ConfigError` when `source` is neither, or wrong.
    """

    def __init__(
        self,
        source: Mapping[str, Any] | Load | None,
        *,
        cache_seconds: float,
        log: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._are_configured = source is not None
        self._load = _function(source)
        self._table = None if callable(source) else RoleTable.resolve(source or {})
        self._loading = threading.Lock()
        self._fresh_until = 0.0
        self._reloads = 0
        self._unknown: set[str] = set()

    def permissions_of(self, roles: tuple[str, ...], scopes: tuple[str, ...] | None = None) -> Permissions:
        """What `roles` grant together, narrowed to `scopes` unless they are None.

        A role that does not exist grants nothing and is logged once (`unknown_role`). Raises
        `ServiceUnavailableError` when the function has never given an answer.
        """
        table = self._current()
        known = table.remembered.get((roles, scopes))
        return self._find(table, roles, scopes) if known is None else known

    def in_force(self) -> object:
        """The same object as long as roles mean the same."""
        return self._current()

    def expanded(self, roles: Iterable[str]) -> tuple[str, ...]:
        """`roles` and all that they inherit, each once; those that do not exist stay as they are."""
        return self._current().expanded(roles)

    def overview(self) -> Mapping[str, Permissions] | None:
        """What each role grants, with what it inherits; None where the app goes by the names of roles alone.

        Raises `ServiceUnavailableError` as `permissions_of` does.
        """
        if not self._are_configured:
            return None
        table = self._current()
        return {role: table.granted_to((role,)) for role in table.granted}

    def reload(self) -> None:
        """Ask the function again when roles are next needed: they have been changed."""
        self._reloads += 1
        self._fresh_until = 0.0

    def _find(self, table: RoleTable, roles: tuple[str, ...], scopes: tuple[str, ...] | None) -> Permissions:
        self._note_unknown(table, roles)
        granted = table.granted_to(roles)
        found = granted if scopes is None else granted.narrowed(scopes)
        if len(table.remembered) >= MAX_REMEMBERED:
            table.remembered.clear()
        table.remembered[roles, scopes] = found
        return found

    def _note_unknown(self, table: RoleTable, roles: Iterable[str]) -> None:
        if not self._are_configured:  # the app goes by the names of roles alone
            return
        for role in roles:
            if role in table.granted or role in self._unknown or len(self._unknown) >= MAX_UNKNOWN_LOGGED:
                continue
            self._unknown.add(role)
            self._log.warning(
                "unknown_role", role=role, hint="It grants nothing. Add it to BACKEND_AUTH_ROLES."
            )

    def _current(self) -> RoleTable:
        table = self._table
        if self._load is None or self._clock() < self._fresh_until:
            return _required(table)
        # One thread asks; the others go on with the last good answer, or wait for the first one.
        if not self._loading.acquire(blocking=table is None):
            return _required(table)
        try:
            if self._clock() >= self._fresh_until:  # else another thread was faster
                self._ask(self._load)
        finally:
            self._loading.release()
        return _required(self._table)

    def _ask(self, load: Load) -> None:
        reloads = self._reloads
        try:
            self._table = RoleTable.resolve(load())
            seconds = self._cache_seconds
        except Exception as error:  # noqa: BLE001 - logged; whatever a user's function does, the app goes on
            self._log.error(
                "roles_unavailable",
                exc_info=error,
                goes_on="without" if self._table is None else "last answer",
            )
            seconds = RETRY_SECONDS
        if reloads == self._reloads:  # else they were changed while the function was looking
            self._fresh_until = self._clock() + seconds


def _function(source: Any) -> Load | None:
    if source is None or isinstance(source, Mapping):
        return None
    if not callable(source):
        raise ConfigError(
            [f"BACKEND_AUTH_ROLES is {source!r}; expected a mapping of roles, or a function that returns one"]
        )
    if inspect.iscoroutinefunction(source):
        raise ConfigError(["BACKEND_AUTH_ROLES is an async function; write it with `def`"])
    found: Load = source
    return found


def _required(table: RoleTable | None) -> RoleTable:
    if table is None:
        raise ServiceUnavailableError("Permissions cannot be looked up at the moment.")
    return table
