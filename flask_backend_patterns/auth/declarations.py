"""What can be said about who may call a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..declarations import Declaration, Documentation, Phase
from .csrf import SAFE_METHODS

_SECURED = Documentation(secured=True)
_OPTIONAL = Documentation(secured=True, secured_optionally=True)


@dataclass(frozen=True, kw_only=True)
class AuthDeclaration(Declaration):
    """Anything that says who may call: a route with one of these is declared (`BACKEND_AUTH_DEFAULT = "deny"`)."""

    phase: ClassVar[Phase] = Phase.AUTHORIZATION
    statuses: ClassVar[tuple[int, ...]] = (401, 403)

    def documentation(self, method: str) -> Documentation:
        """The security requirement of the operation."""
        del method
        return _SECURED


@dataclass(frozen=True, kw_only=True)
class RequireAuth(AuthDeclaration):
    """Callers have to show who they are; `optional` lets anonymous ones through, but no false credentials.

    `fresh` wants a login, not a refresh, in the last so many seconds.
    """

    phase: ClassVar[Phase] = Phase.AUTHENTICATION
    statuses: ClassVar[tuple[int, ...]] = (401,)

    optional: bool = False
    fresh_seconds: int | None = None

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """401, and 403 for methods that want a CSRF value from callers with a cookie."""
        return (401,) if method in SAFE_METHODS else (401, 403)

    def documentation(self, method: str) -> Documentation:
        """The security requirement of the operation."""
        del method
        return _OPTIONAL if self.optional else _SECURED

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `authentication`."""
        del method
        words = "optional" if self.optional else "required"
        fresh = "" if self.fresh_seconds is None else f", fresh {self.fresh_seconds} s"
        return {"authentication": words + fresh}


@dataclass(frozen=True, kw_only=True)
class Public(AuthDeclaration):
    """Everybody may call, for the `reason` given; `takes_credentials` marks logins and the like for the audit."""

    phase: ClassVar[Phase] = Phase.AUTHENTICATION
    statuses: ClassVar[tuple[int, ...]] = ()

    reason: str
    takes_credentials: bool = False

    def documentation(self, method: str) -> Documentation:
        """No security requirement, whatever the API's default."""
        del method
        return Documentation(operation={"security": []})

    def audit(self, method: str) -> Mapping[str, str]:
        """The columns `authentication` and, for logins, `credentials`."""
        del method
        said = {"authentication": f"public: {self.reason}"}
        return said | {"credentials": "taken"} if self.takes_credentials else said


@dataclass(frozen=True, kw_only=True)
class RequireRole(AuthDeclaration):
    """Callers need one of the roles."""

    roles: tuple[str, ...]

    def audit(self, method: str) -> Mapping[str, str]:
        """The columns `authentication` and `roles`."""
        del method
        return {"authentication": "required", "roles": " | ".join(self.roles)}


@dataclass(frozen=True, kw_only=True)
class RequirePermission(AuthDeclaration):
    """Callers need the permission; with only its `:own` form, what they ask for has to be theirs.

    `owner` (a `FromPath`) returns the owner's id, `resource` (another) what is asked for, which `can` decides about;
    `scoped` says that the view itself narrows what it reads by `scope_for`, as lists do. Without any of them the
    `:own` form is not enough. `secret` answers 404 instead of 403.
    """

    permission: str
    owner: Callable[[], Any] | None = None
    resource: Callable[[], Any] | None = None
    owner_name: str = ""
    scoped: bool = False
    secret: bool = False

    @property
    def refusal_statuses(self) -> tuple[int, ...]:
        """What a refusal is answered with."""
        return (404,) if self.secret else (403,)

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """401, 403 (404 for a secret), and 404 where something is looked up."""
        del method
        looks_up = self.owner is not None or self.resource is not None
        return (401, *self.refusal_statuses, *((404,) if looks_up and not self.secret else ()))

    def audit(self, method: str) -> Mapping[str, str]:
        """The columns `authentication`, `permission` and `ownership`."""
        del method
        said = {"authentication": "required", "permission": self.permission}
        is_looked_up = self.owner is not None or self.resource is not None
        ownership = self.owner_name or "owner" if is_looked_up else "scoped list" if self.scoped else ""
        if self.secret and ownership:
            ownership += ", else 404"
        return said | {"ownership": ownership} if ownership else said


@dataclass(frozen=True, kw_only=True)
class RequirePolicy(AuthDeclaration):
    """A policy has to hold for the caller; `resource` (a `FromPath`) loads what it is about, None meaning 404."""

    policy: Any  # Policy, or the name of one handed to BackendPatterns(policies=...)
    resource: Callable[[], Any] | None = None
    secret: bool = False

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """401, 403, and 404 where a resource is loaded."""
        del method
        return (401, 404) if self.secret else (401, 403) if self.resource is None else (401, 403, 404)

    def audit(self, method: str) -> Mapping[str, str]:
        """The columns `authentication` and `policy`."""
        del method
        return {"authentication": "required", "policy": str(self.policy)}
