"""The policies of one app: which hold for a permission, by which name they are known, under which circumstances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request

from .._config import SetupError
from .policy_rules import Context, Policy, PolicyRule, policy, rules_about, rules_made

if TYPE_CHECKING:
    from .._contribution import EventLog

__all__ = ["Context", "Policies", "Policy", "PolicyRule", "policy", "utc_now"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def utc_now() -> datetime:
    """Aware, in UTC."""
    return datetime.now(UTC)


class Policies:
    """What was handed to `BackendPatterns(policies=...)`; immutable but for what it remembers, shared by threads.

    Raises `SetupError` when two have one name, or one joins rules about several permissions without saying which.
    """

    def __init__(
        self,
        policies: Iterable[Policy] = (),
        log: EventLog | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.log = log
        self._clock = clock
        self._by_name: dict[str, Policy] = {}
        self._by_permission: dict[str, tuple[Policy, ...]] = {}
        for each in policies:
            self._add(each)
        # permission -> (rules made in the process when it was looked up, the policies).
        self._checked: dict[str, tuple[int, tuple[Policy, ...]]] = {}

    def _add(self, policy: Policy) -> None:
        if not isinstance(policy, Policy):
            raise SetupError(f"BackendPatterns(policies=...) takes what @policy(...) makes, not {policy!r}.")
        if self._by_name.setdefault(policy.name, policy) is not policy:
            raise SetupError(
                f"Two policies are called {policy.name}; give one another: @policy(..., name='...')."
            )
        for rule in policy.rules:
            rule.hand_over()
        permission = policy.permission
        if permission is not None:
            known = self._by_permission.get(permission, ())
            if policy not in known:
                self._by_permission[permission] = (*known, policy)

    def about(self, permission: str) -> tuple[Policy, ...]:
        """Those that limit `permission`; all have to hold.

        Raises `SetupError` when a rule about it lives in this process that this app was not given: better no answer
        than one without the rule. Rules made inside a function, as app factories do, concern the app they are given to.
        """
        made = rules_made()
        checked = self._checked.get(permission)
        if checked is not None and checked[0] == made:
            return checked[1]
        found = self._by_permission.get(permission, ())
        self._require_all_handed_over(permission, found)
        if found or len(self._checked) < MAX_REMEMBERED:
            self._checked[permission] = (made, found)
        return found

    def resolve(self, policy: Policy | str) -> Policy:
        """The policy of that name; `SetupError` names the nearest when there is none."""
        if isinstance(policy, Policy):
            return policy
        found = self._by_name.get(policy)
        if found is None:
            nearest = get_close_matches(policy, self._by_name, n=1, cutoff=0.0)
            hint = f"did you mean {nearest[0]}?" if nearest else "none was handed over."
            raise SetupError(f"No policy is called {policy!r} in BackendPatterns(policies=...); {hint}")
        return found

    def names_about(self, permission: str) -> tuple[str, ...]:
        """The names of those that limit `permission`, for people; unlike `about` it looks for no others."""
        return tuple(policy.name for policy in self._by_permission.get(permission, ()))

    def permission_of(self, policy: Policy | str) -> str | None:
        """The permission that it limits; None for one that this app was not given."""
        found = self._by_name.get(policy) if isinstance(policy, str) else policy
        return None if found is None else found.permission

    def context(self, extra: Mapping[str, Any] = _NOTHING) -> Context:
        """The circumstances of now."""
        address = request.remote_addr if has_request_context() else None
        return Context(now=self._clock(), address=address, extra=extra)

    @staticmethod
    def _require_all_handed_over(permission: str, found: tuple[Policy, ...]) -> None:
        given = {rule for each in found for rule in each.rules}
        others = (rule for rule in rules_about(permission) if rule not in given)
        strays = sorted(rule.name for rule in others if not rule.is_settled)
        if strays:
            raise SetupError(
                f"{permission} is limited by policies that this app was not given: {', '.join(strays)}; "
                "hand them over by BackendPatterns(policies=[...])."
            )


# Permissions that nothing limits and whose rules were looked for.
MAX_REMEMBERED = 10_000
