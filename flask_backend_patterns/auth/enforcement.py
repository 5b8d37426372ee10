"""What the guard calls for each kind of declaration about who may call a view."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NoReturn

from flask import current_app, request

from .._config import SetupError
from ..errors import AppError, ForbiddenError, NotFoundError, UnauthorizedError
from ..guard import declarations_of
from .declarations import Public, RequireAuth, RequirePermission, RequirePolicy, RequireRole
from .decorators import require_consistent
from .ownership import is_own
from .permissions import Reach
from .scope import reason_against

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..declarations import Declaration
    from ..guard import Enforcer
    from .identity import Actor, Identification
    from .policies import Policies
    from .state import AuthState

FRESH_LOGIN_REQUIRED = "FRESH_LOGIN_REQUIRED"
# The reason in the log, where people look why a role with `:own` gets a 403.
OWNER_UNKNOWN = (
    "granted only as :own, and the view does not say whose it is; give @require_permission owner= or resource=, "
    "or scoped=True where the view uses scope_for"
)


def enforcers(state: AuthState) -> dict[type[Declaration], Enforcer]:
    """Who enforces what this feature can declare."""
    return Enforcement(state.identification, state.policies).by_kind()


class Enforcement:
    """Decides for one app; shared by threads. `clock` gives seconds since the epoch."""

    def __init__(
        self, identification: Identification, policies: Policies, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._identification = identification
        self._policies = policies
        self._clock = clock
        # (endpoint, method) that were found to be declared consistently, and those whose policies are all asked.
        self._consistent: set[tuple[str | None, str]] = set()
        self._limited: set[tuple[str | None, str, str]] = set()

    def by_kind(self) -> dict[type[Declaration], Enforcer]:
        """The enforcers."""
        return {
            RequireAuth: self.require_auth,
            Public: self.public,
            RequireRole: self.require_role,
            RequirePermission: self.require_permission,
            RequirePolicy: self.require_policy,
        }

    def require_auth(self, declared: RequireAuth) -> None:
        """401 without credentials that count, or without a fresh login."""
        if declared.optional:
            self._identification.actor()
            return
        actor = self._identification.require()
        if declared.fresh_seconds is not None and not is_fresh(actor, declared.fresh_seconds, self._clock()):
            raise self._stale(declared.fresh_seconds)

    def public(self, declared: Public) -> None:
        """Nothing to check but that the view says nothing else; credentials are not looked at."""
        del declared
        key = (request.endpoint, request.method)
        if key not in self._consistent:
            require_consistent(_view(), (request.method,))
            self._consistent.add(key)

    def require_role(self, declared: RequireRole) -> None:
        """403 without one of the roles."""
        actor = self._identification.require()
        if not actor.has_role(*declared.roles):
            self._refuse(actor, "role " + " | ".join(declared.roles), "not granted")

    def require_permission(self, declared: RequirePermission) -> None:
        """403 or 404 without the permission, or where what is asked for is somebody else's."""
        actor = self._identification.require()
        permission = declared.permission
        reach = actor.permissions.reach(permission)
        if reach is Reach.NONE:
            self._refuse(actor, permission, "not granted", secret=declared.secret)
        limits = self._policies.about(permission)
        if declared.resource is not None:
            self._judge(actor, permission, _found(declared.resource()), secret=declared.secret)
            return
        if limits and not declared.scoped:
            self._require_limits_asked(permission, has_owner=declared.owner is not None)
        if reach is Reach.ALL or declared.scoped:
            return
        if declared.owner is None:
            self._refuse(actor, permission, OWNER_UNKNOWN, secret=declared.secret)
        if not is_own(actor, _found(declared.owner())):
            self._refuse(actor, permission, "not the owner", secret=declared.secret)

    def require_policy(self, declared: RequirePolicy) -> None:
        """403 or 404 where the policy, or the permission that it limits, does not let the caller."""
        actor = self._identification.require()
        policy = self._policies.resolve(declared.policy)
        permission = policy.permission
        if permission is not None and actor.permissions.reach(permission) is Reach.NONE:
            self._refuse(actor, permission, "not granted", secret=declared.secret)
        resource = None if declared.resource is None else _found(declared.resource())
        if permission is not None:
            self._judge(actor, permission, resource, secret=declared.secret)
            if policy in self._policies.about(permission):
                return
        if not policy.holds(actor, resource, self._policies.context()):
            self._refuse(actor, f"policy {policy.name}", "does not hold", secret=declared.secret)

    def _judge(self, actor: Actor, permission: str, resource: Any, *, secret: bool) -> None:
        reason = reason_against(self._policies, actor, permission, resource, self._policies.context())
        if reason is not None:
            self._refuse(actor, permission, reason, secret=secret)

    def _refuse(self, actor: Actor, permission: str, reason: str, *, secret: bool = False) -> NoReturn:
        """The log gets the reason, which the caller does not."""
        if self._policies.log is not None:
            self._policies.log.info(
                "access_refused",
                permission=permission,
                reason=reason,
                actor_id=actor.id,
                endpoint=request.endpoint,
            )
        refusal = ForbiddenError(permission=permission)
        if secret:
            raise NotFoundError from refusal
        raise refusal

    def _require_limits_asked(self, permission: str, *, has_owner: bool) -> None:
        """Policies about `permission` want to see what is asked for, and `require_permission` has nothing to show."""
        key = (request.endpoint, request.method, permission)
        if key in self._limited:
            return
        declared = declarations_of(_view(), request.method)
        others = [self._policies.resolve(item.policy) for item in declared if isinstance(item, RequirePolicy)]
        if not any(policy.permission == permission for policy in others):
            names = [policy.name for policy in self._policies.about(permission)]
            remedy = (
                "put resource= in the place of owner=, which returns what is asked for and not its owner's id"
                if has_owner
                else "give @require_permission a resource=, or scoped=True where the view uses scope_for"
            )
            raise SetupError(
                f"{permission} is limited by policies ({', '.join(names)}), and the view of {request.endpoint} does not "
                f"say what they are asked about: {remedy}; or put @require_policy({names[0]!r}, resource=...) beside it, "
                "which asks them all."
            )
        self._limited.add(key)

    def _stale(self, seconds: int) -> AppError:
        challenges = (item.challenge for item in self._identification.authenticators)
        scheme = next((found for found in challenges if found is not None), "Bearer")
        joint = ", " if "=" in scheme else " "
        return UnauthorizedError(
            "Log in again to do this.",
            code=FRESH_LOGIN_REQUIRED,
            scheme=f'{scheme}{joint}error="insufficient_user_authentication", max_age="{seconds}"',
        )


def is_fresh(actor: Actor, seconds: int, now: float) -> bool:
    """Whether the actor logged in, rather than refreshed, in the last `seconds`, by its claims.

    `fresh` is true, or the time until which it is (Flask-JWT-Extended), and `auth_time` (OpenID Connect) or `iat` is
    the time of the login.
    """
    claims = actor.claims
    if claims.get("fresh") is not True and now >= _time_of(claims.get("fresh")):
        return False
    return now - _time_of(claims.get("auth_time", claims.get("iat"))) <= seconds


def _time_of(claim: Any) -> float:
    """Seconds since the epoch; long ago for what is no time."""
    return claim if isinstance(claim, (int, float)) and not isinstance(claim, bool) else -math.inf


def _found(thing: Any) -> Any:
    if thing is None:
        raise NotFoundError
    return thing


def _view() -> Any:
    return current_app.view_functions[request.endpoint or ""]
