"""Decisions about one thing (`can`) and about all rows of a model (`scope_for`), which agree."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .ownership import owner_criterion, owns
from .permissions import OWN_SUFFIX, Reach

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from .identity import Actor
    from .policies import Policies
    from .policy_rules import Context

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def can(actor: Actor, permission: str, obj: Any = None, *, extra: Mapping[str, Any] = _NOTHING) -> bool:
    """Whether `actor` may do `permission` to `obj`: by its roles, as its owner where they say `:own`, and by policies.

    Policies see `obj` as it is (None without one) and `extra` in their context; what they raise comes through. Raises
    `SetupError` when the permission is limited by a policy that this app was not given, and when only `:own` is granted
    and the class of `obj` has no `__owner__`. Needs an app context.
    """
    policies = _policies()
    return allows(policies, actor, permission, obj, policies.context(extra))


def scope_for(
    actor: Actor, permission: str, model: Any, *, extra: Mapping[str, Any] = _NOTHING
) -> ColumnElement[bool]:
    """The rows of `model` (a mapped class, or `aliased` one) for which `can` says yes, for `select(...).where(...)`.

    Raises `SetupError` when a policy that limits the permission has no criterion, and when only `:own` is granted and
    the model has no `__owner__`. Needs an app context.
    """
    policies = _policies()
    return criterion_for(policies, actor, permission, model, policies.context(extra))


def allows(policies: Policies, actor: Actor, permission: str, obj: Any, context: Context) -> bool:
    """`can`, with everything it depends on handed in."""
    return reason_against(policies, actor, permission, obj, context) is None


def reason_against(
    policies: Policies, actor: Actor, permission: str, obj: Any, context: Context
) -> str | None:
    """Why `can` says no, for the log; None when it says yes."""
    reach = actor.permissions.reach(permission)
    if reach is Reach.NONE:
        return "not granted"
    if reach is Reach.OWN and not owns(actor, obj):
        return "not the owner"
    for policy in policies.about(_without_own(permission)):
        if not policy.holds(actor, obj, context):
            return f"policy {policy.name}"
    return None


def criterion_for(
    policies: Policies, actor: Actor, permission: str, model: Any, context: Context
) -> ColumnElement[bool]:
    """`scope_for`, with everything it depends on handed in."""
    from sqlalchemy import and_, false, true

    reach = actor.permissions.reach(permission)
    if reach is Reach.NONE:
        return false()
    whose = owner_criterion(actor, model) if reach is Reach.OWN else true()
    limits = policies.about(_without_own(permission))
    return and_(whose, *(policy.where(actor, model, context) for policy in limits))


def _without_own(permission: str) -> str:
    return permission.removesuffix(OWN_SUFFIX)


def _policies() -> Policies:
    from .state import auth_state

    return auth_state().policies
