"""`@require_auth` and its kin: each declares one thing about a view, a view class or a whole blueprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from flask.sansio.blueprints import Blueprint as AnyBlueprint
from flask.views import View

from .._blueprint_declarations import declare_on_blueprint
from .._config import SetupError
from .._view_arguments import FromPath
from ..guard import declarations_of, declare
from .declarations import AuthDeclaration, Public, RequireAuth, RequirePermission, RequirePolicy, RequireRole
from .permissions import is_permission
from .policy_rules import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Blueprint

Target = TypeVar("Target", bound="Callable[..., Any] | Blueprint")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")


@overload
def require_auth(target: Target, /) -> Target: ...


@overload
def require_auth(
    *, optional: bool = False, fresh_seconds: int | None = None
) -> Callable[[Target], Target]: ...


def require_auth(target: Any = None, /, *, optional: bool = False, fresh_seconds: int | None = None) -> Any:
    """Callers have to show who they are: 401 else. Also without parentheses.

    With `optional` anonymous callers come through, false credentials do not. `fresh_seconds` wants a login (no
    refreshed token, no API key) in the last so many seconds.
    """
    if fresh_seconds is not None and not _is_positive(fresh_seconds):
        raise SetupError(
            f"@require_auth(fresh_seconds={fresh_seconds!r}): write a whole number of seconds, at least 1."
        )
    if optional and fresh_seconds is not None:
        raise SetupError(
            "@require_auth: `optional` and `fresh_seconds` contradict each other; take one away."
        )
    decorate: Callable[[Any], Any] = _declaring(RequireAuth(optional=optional, fresh_seconds=fresh_seconds))
    return decorate if target is None else decorate(target)


def require_role(*roles: str) -> Callable[[Target], Target]:
    """Callers need one of `roles`, inherited ones counted: 401 without credentials, 403 without the role."""
    if not roles or not all(_is_text(role) for role in roles):
        raise SetupError('@require_role takes the names of roles: @require_role("admin", "support").')
    return _declaring(RequireRole(roles=roles))


def require_permission(
    permission: str,
    *,
    owner: Callable[..., Any] | None = None,
    resource: Callable[..., Any] | None = None,
    scoped: bool = False,
    secret: bool = False,
) -> Callable[[Target], Target]:
    """Callers need `permission` (`orders:read`): 401 without credentials, 403 without it.

    For callers who have only its `:own` form, say one of: `owner`, a function of path arguments by name that returns
    the owner's id; `resource`, one that returns the object asked for, whose `__owner__` counts and which policies
    are asked about; `scoped`, when the view reads no more than `scope_for` lets it. `owner` and `resource` may be
    async and return None for what does not exist (404). `owner` is called only where it matters.
    With `secret` a refusal is a 404 too.
    """
    if not is_permission(permission):
        raise SetupError(
            f"@require_permission({permission!r}): write one permission, like 'orders:read', without '*'; "
            "':own' is for roles, a view says whose something is by owner=, resource= or scoped=True."
        )
    ways = {"owner": owner, "resource": resource, "scoped": scoped or None}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise SetupError(
            f"@require_permission({permission!r}): {' and '.join(given)} together; give one of them."
        )
    function = owner if resource is None else resource
    return _declaring(
        RequirePermission(
            permission=permission,
            owner=_from_path(owner, "owner"),
            resource=_from_path(resource, "resource"),
            owner_name=_name_of(function),
            scoped=scoped,
            secret=secret,
        )
    )


def require_policy(
    policy: Policy | str, *, resource: Callable[..., Any] | None = None, secret: bool = False
) -> Callable[[Target], Target]:
    """The policy has to hold for the caller, and so has the permission that it limits: 401, 403.

    `policy` is one that `@policy` made, or the name of one in `BackendPatterns(policies=...)`. `resource` is a
    function of path arguments by name, maybe async, that returns what the policy is asked about; None for what does
    not exist (404). With `secret` a refusal is a 404 too.
    """
    if not isinstance(policy, (Policy, str)):
        raise SetupError(f"@require_policy takes a policy or its name, not {policy!r}.")
    return _declaring(RequirePolicy(policy=policy, resource=_from_path(resource, "resource"), secret=secret))


def public(*, reason: str, takes_credentials: bool = False) -> Callable[[Target], Target]:
    """Everybody may call; `reason` is for the audit, as is `takes_credentials`: a login, which wants a limit on failures."""
    if not _is_text(reason):
        raise SetupError('@public wants its reason: @public(reason="product pages are for everybody").')
    return _declaring(Public(reason=reason, takes_credentials=takes_credentials))


def require_consistent(view: Any, methods: Iterable[str] = _METHODS) -> None:
    """Raise `SetupError` when a method of `view` is declared public and not public."""
    for method in methods:
        found = [item for item in declarations_of(view, method) if isinstance(item, AuthDeclaration)]
        open_ = next((item for item in found if isinstance(item, Public)), None)
        closed = next((item for item in found if not isinstance(item, Public)), None)
        if open_ is not None and closed is not None:
            name = getattr(view, "__qualname__", repr(view))
            raise SetupError(
                f"{name} ({method}) is declared Public ({open_.reason}) and {type(closed).__name__}; "
                "take one of the two away."
            )


def _declaring(declaration: AuthDeclaration) -> Callable[[Target], Target]:
    decorate: Callable[[Any], Any] = declare(declaration)

    def apply(target: Target) -> Target:
        if isinstance(target, AnyBlueprint):
            declare_on_blueprint(cast("Blueprint", target), declaration, check=require_consistent)
            return cast("Target", target)
        if not callable(target):
            raise SetupError(f"{type(declaration).__name__} goes on views and blueprints, not on {target!r}.")
        decorated = decorate(target)
        require_consistent(decorated, _methods_of(decorated))
        return cast("Target", decorated)

    return apply


def _methods_of(target: Any) -> tuple[str, ...]:
    """A function is the same for every method."""
    return _METHODS if isinstance(target, type) and issubclass(target, View) else ("GET",)


def _from_path(function: Callable[..., Any] | None, name: str) -> FromPath | None:
    if function is None:
        return None
    if not callable(function):
        raise SetupError(
            f"{name}={function!r}: write a function of path arguments, such as lambda order_id: ..."
        )
    return FromPath(function)


def _name_of(function: Callable[..., Any] | None) -> str:
    name = getattr(function, "__name__", "")
    return "" if name == "<lambda>" else name


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_positive(seconds: Any) -> bool:
    return isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 1
