"""Rules that look at the caller, at what is asked for and at the circumstances: `@policy("orders:refund")`.

A policy limits a permission, it grants none: roles say who may refund at all, the policy says which orders, up to
which amount, and when. It has two forms that have to agree: a function of one object, and a criterion for `SELECT`.
"""

from __future__ import annotations

import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet

from .._config import SetupError
from .permissions import is_permission

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from .identity import Actor

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NEVER_BOOLEAN = (inspect.isawaitable, inspect.isgenerator, inspect.isasyncgen, inspect.isroutine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The circumstances of a decision: `now` is aware, in UTC; `address` is None outside of requests.

    Columns without a time zone, as all are in SQLite, hold naive times: compare those with `now.replace(tzinfo=None)`.
    `extra` is what the code that asks adds, such as the amount to refund.
    """

    now: datetime
    address: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


# (actor, resource, context) -> whether it holds.
Rule: TypeAlias = "Callable[[Actor, Any, Context], Any]"
# (actor, Model, context) -> the same as a criterion for `SELECT`.
Criterion: TypeAlias = "Callable[[Actor, Any, Context], Any]"


class Policy(ABC):
    """A rule, or several joined by `&`, `|` and `~`; immutable but for the criterion that a rule gets once."""

    name: str
    permissions: frozenset[str]  # those it is about; one that is about none goes with any

    @property
    def permission(self) -> str | None:
        """The one it is about; `SetupError` where rules about several are joined and nothing says which it is."""
        if len(self.permissions) > 1:
            several = ", ".join(sorted(self.permissions))
            raise SetupError(
                f"The policy {self.name} joins rules about {several}; say which it is about: policy(...)({self.name})."
            )
        return next(iter(self.permissions), None)

    @abstractmethod
    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        """Whether it holds; whatever a rule raises comes through."""

    @abstractmethod
    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        """The rows of `model` for which it holds; `SetupError` names a rule that has no criterion.

        The result is for `WHERE`, where NULL counts as false. Under a negation (`is_negated`) each rule's NULL is
        turned into false; elsewhere it is left as it is, so that the database can use its indexes.
        """

    @property
    @abstractmethod
    def rules(self) -> frozenset[PolicyRule]:
        """The rules it is made of."""

    def __and__(self, other: object) -> Policy:
        return _Both(self, other) if isinstance(other, Policy) else NotImplemented

    def __or__(self, other: object) -> Policy:
        return _Either(self, other) if isinstance(other, Policy) else NotImplemented

    def __invert__(self) -> Policy:
        return _Not(self)

    def __bool__(self) -> bool:
        raise TypeError(f"the policy {self.name} is neither true nor false; join policies by &, | and ~")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<Policy {self.name}>"


class PolicyRule(Policy):
    """One function, and its criterion where it has one."""

    def __init__(self, function: Rule, *, permission: str | None, name: str) -> None:
        self.name, self.permissions = name, _only(permission)
        self._function = function
        self._criterion: Criterion | None = None
        # One made inside a function is an app factory's, or a test's: of the app that it is given to, and no other.
        self._is_of_one_app = "<locals>" in getattr(function, "__qualname__", type(function).__qualname__)
        self._is_handed_over = False
        _note(self)

    def __call__(self, actor: Actor, resource: Any, context: Context) -> bool:
        """Whether it holds, as `holds`: the decorated function can still be called."""
        return self.holds(actor, resource, context)

    def criterion(self, function: Criterion) -> PolicyRule:
        """Decorates the rule's form for `SELECT`; returns the rule, so that both functions may have one name."""
        if self._criterion is not None:
            raise SetupError(f"The policy {self.name} has a criterion already.")
        _require_plain(function, self.name)
        self._criterion = function
        return self

    def hand_over(self) -> None:
        """Note that an app has it."""
        self._is_handed_over = True

    @property
    def is_settled(self) -> bool:
        """Whether apps that do not have it are right not to."""
        return self._is_of_one_app and self._is_handed_over

    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        """Whether it holds; whatever the function raises comes through."""
        found = self._function(actor, resource, context)
        if found is True or found is False or found is None:
            return bool(found)
        if any(is_kind(found) for is_kind in _NEVER_BOOLEAN):
            raise SetupError(f"The policy {self.name} returned {type(found).__name__}; return True or False.")
        return bool(found)

    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        """The rows for which it holds; `SetupError` when it has no criterion."""
        from sqlalchemy import Boolean, ColumnElement, false, func, true

        if self._criterion is None:
            raise SetupError(
                f"The policy {self.name} cannot be turned into SQL; add its form for SELECT with @{self.name}.criterion."
            )
        found = self._criterion(actor, model, context)
        if found is None or isinstance(found, bool):
            return true() if found else false()
        if hasattr(found, "__clause_element__"):
            found = found.__clause_element__()
        if not isinstance(found, ColumnElement):
            raise SetupError(
                f"The criterion of the policy {self.name} returned {type(found).__name__}; return an SQL expression."
            )
        return func.coalesce(found, false(), type_=Boolean()) if is_negated else found

    @property
    def rules(self) -> frozenset[PolicyRule]:
        """Itself."""
        return frozenset({self})


class _Joined(Policy):
    def __init__(self, left: Policy, right: Policy, *, sign: str) -> None:
        self.left, self.right = left, right
        self.name = f"({left.name} {sign} {right.name})"
        self.permissions = left.permissions | right.permissions

    @property
    def rules(self) -> frozenset[PolicyRule]:
        return self.left.rules | self.right.rules


class _Both(_Joined):
    def __init__(self, left: Policy, right: Policy) -> None:
        super().__init__(left, right, sign="&")

    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        return self.left.holds(actor, resource, context) and self.right.holds(actor, resource, context)

    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        from sqlalchemy import and_

        parts = (part.where(actor, model, context, is_negated=is_negated) for part in (self.left, self.right))
        return and_(*parts)


class _Either(_Joined):
    def __init__(self, left: Policy, right: Policy) -> None:
        super().__init__(left, right, sign="|")

    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        return self.left.holds(actor, resource, context) or self.right.holds(actor, resource, context)

    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        from sqlalchemy import or_

        parts = (part.where(actor, model, context, is_negated=is_negated) for part in (self.left, self.right))
        return or_(*parts)


class _Not(Policy):
    def __init__(self, inner: Policy) -> None:
        self.inner, self.name, self.permissions = inner, f"~{inner.name}", inner.permissions

    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        return not self.inner.holds(actor, resource, context)

    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        from sqlalchemy import not_

        del is_negated  # what is inside is, either way
        return not_(self.inner.where(actor, model, context, is_negated=True))

    @property
    def rules(self) -> frozenset[PolicyRule]:
        return self.inner.rules


class _Named(Policy):
    """Another policy, about a permission of its own."""

    def __init__(self, inner: Policy, *, permission: str | None, name: str) -> None:
        self.inner, self.name, self.permissions = inner, name, _only(permission)

    def holds(self, actor: Actor, resource: Any, context: Context) -> bool:
        return self.inner.holds(actor, resource, context)

    def where(
        self, actor: Actor, model: Any, context: Context, *, is_negated: bool = False
    ) -> ColumnElement[bool]:
        return self.inner.where(actor, model, context, is_negated=is_negated)

    @property
    def rules(self) -> frozenset[PolicyRule]:
        return self.inner.rules


def policy(permission: str | None = None, *, name: str | None = None) -> Callable[[Rule | Policy], Any]:
    """Decorates a function `(actor, resource, context) -> bool` that limits `permission`; returns the `Policy`.

    Without a permission it is for `@require_policy`, and for joining with others. Called with a policy that was joined
    of others it says which permission that is about. `name` is the function's unless given.
    Hand policies over by `BackendPatterns(policies=[...])`. Raises `SetupError` for a malformed permission and for
    async functions, which would always look true.
    """
    if callable(permission):
        raise SetupError('@policy takes the permission it limits: @policy("orders:refund"), or @policy().')
    if permission is not None and not is_permission(permission):
        raise SetupError(
            f"@policy({permission!r}): write one permission, like 'orders:refund', without '*' or ':own'."
        )

    def decorate(rule: Rule | Policy) -> Any:
        if isinstance(rule, Policy):
            return _Named(rule, permission=permission, name=name or rule.name)
        if not callable(rule):
            raise SetupError(f"@policy goes on a function, not on {rule!r}.")
        known_as = str(name or getattr(rule, "__name__", type(rule).__name__))
        _require_plain(rule, known_as)
        return PolicyRule(rule, permission=permission, name=known_as)

    return decorate


def _only(permission: str | None) -> frozenset[str]:
    return frozenset() if permission is None else frozenset({permission})


def _require_plain(function: Any, name: str) -> None:
    """What an async function or a generator returns is true whatever it would have found."""
    for call in (function, getattr(function, "__call__", None)):  # noqa: B004 - a callable object's own method
        if (
            inspect.iscoroutinefunction(call)
            or inspect.isgeneratorfunction(call)
            or inspect.isasyncgenfunction(call)
        ):
            raise SetupError(f"The policy {name} is async or a generator; write it with `def` and `return`.")


# Every rule about a permission that lives in this process. Guarded by the lock.
_RULES: WeakSet[PolicyRule] = WeakSet()
_LOCK = threading.Lock()
_made = 0


def _note(rule: PolicyRule) -> None:
    global _made  # noqa: PLW0603 - tells each app's `Policies` to look again
    if rule.permissions:
        with _LOCK:
            _RULES.add(rule)
            _made += 1


def rules_made() -> int:
    """Grows with every rule about a permission."""
    return _made


def rules_about(permission: str) -> list[PolicyRule]:
    """Those that live in this process, handed to an app or not."""
    with _LOCK:
        return [rule for rule in _RULES if permission in rule.permissions]
