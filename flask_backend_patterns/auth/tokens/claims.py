"""What a token says, checked: `VerifiedToken`, and the rules of one app for it (RFC 7519, 4.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .compact import ACCESS_TYPES
from .faults import EXPIRED, TokenFault
from .read_only import frozen
from .rules import ACCESS, REFRESH, TokenRules

# 9999-12-31T23:59:59Z: the last second that a datetime can hold.
LAST_SECOND = 253_402_300_799
# Another machine, or Redis, made the token, and its clock may be ahead of ours.
ISSUED_AHEAD_SECONDS = 60

Clock = Callable[[], float]
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A token whose signature and claims hold. Times are seconds since the epoch; `claims` and `header` are read-only at every depth.

    `expires_at` is infinite for a token without `exp`, `scopes` None for one without `scope`. `objection` says what our
    own routes mind, and `@jwt_required()` alone never did: the app may have claims named `roles` or `sid` of its own.
    """

    subject: str
    token_type: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None
    session_id: str | None
    token_id: str | None
    issued_at: float
    expires_at: float
    not_before: float
    claims: Mapping[str, Any] = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    # What readers have made of it, by reader, for the next request that shows it.
    notes: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    objection: str | None = None

    def require_fit(self) -> None:
        """Raise `TokenFault` for a token that counts for Flask-JWT-Extended alone."""
        if self.objection is not None:
            raise TokenFault(self.objection)

    def require_type(self, token_type: str | None) -> None:
        """Raise `TokenFault` for another type of token; None takes access and refresh tokens alike."""
        if self.token_type not in ((ACCESS, REFRESH) if token_type is None else (token_type,)):
            raise TokenFault(f"not a token of type {token_type or 'access or refresh'}")

    def require_time(self, now: float, leeway_seconds: float) -> None:
        """Raise `TokenFault` unless the token counts at `now`."""
        if now >= self.expires_at + leeway_seconds:
            raise TokenFault(f"expired {now - self.expires_at:.0f} seconds ago", code=EXPIRED)
        if now < self.not_before - leeway_seconds:
            raise TokenFault(
                f"not valid for another {self.not_before - now:.0f} seconds by the clock here (nbf, iat)"
            )


def read_claims(
    claims: dict[str, Any], header: dict[str, Any], rules: TokenRules, objections: list[str]
) -> VerifiedToken:
    """The claims of a token whose signature holds; raises `TokenFault`. Time is not looked at.

    The first of `objections`, which hold what was found before, is the token's.
    """

    def tolerate(read: Callable[[], _Found], instead: _Found) -> _Found:
        try:
            return read()
        except TokenFault as fault:
            objections.append(str(fault))
            return instead

    token_type = tolerate(lambda: _type(claims), "")
    if token_type != ACCESS and str(header.get("typ", "")).lower() in ACCESS_TYPES:
        raise TokenFault("typ says access token, type does not")
    rules.require_audience(claims)
    rules.require_issuer(claims)
    expires_at, issued_at = _seconds(claims, "exp"), _seconds(claims, "iat")
    if expires_at is None and token_type not in rules.everlasting:
        objections.append("no exp")
    if issued_at is None:
        objections.append("no iat")
        issued_at = 0.0  # before every "log out everywhere"
    tolerate(lambda: _require_extras(claims), None)
    subject = _subject(claims, rules, objections)
    no_roles: tuple[str, ...] = ()
    roles = tolerate(lambda: _roles(claims), no_roles)
    scopes = tolerate(lambda: _scopes(claims, rules.scope_claim), None)
    session_id = tolerate(lambda: _text(claims, "sid"), None)
    return VerifiedToken(
        subject=subject,
        token_type=token_type,
        roles=roles,
        scopes=scopes,
        session_id=session_id,
        token_id=_text(claims, "jti"),
        issued_at=issued_at,
        expires_at=math.inf if expires_at is None else expires_at,
        not_before=max(_seconds(claims, "nbf") or 0.0, issued_at - ISSUED_AHEAD_SECONDS),
        claims=frozen(claims),
        header=frozen(header),
        objection=objections[0] if objections else None,
    )


def is_refresh_of_login(claims: Mapping[str, Any]) -> bool:
    """Whether these verified claims are of a refresh token of `Tokens`, which alone are dated to the microsecond.

    An app may well have a `sid` of its own in the refresh tokens that it makes.
    """
    return (
        claims.get("type") == REFRESH
        and isinstance(claims.get("sid"), str)
        and isinstance(claims.get("iat"), float)
    )


def _subject(claims: dict[str, Any], rules: TokenRules, objections: list[str]) -> str:
    """Flask-JWT-Extended lets an identity be anything where PyJWT does not look at it; ours are text, or integers there."""
    name = rules.identity_claim
    if name not in claims:
        raise TokenFault(f"no {name}")
    if name != "sub" and rules.verifies_sub and not isinstance(claims.get("sub", ""), str):
        raise TokenFault("sub is not a string")
    identity = claims[name]
    if not isinstance(identity, str) and not (rules.accepts_integer_subject and type(identity) is int):
        if not rules.accepts_integer_subject:
            raise TokenFault(f"{name} is not a string")
        objections.append(f"{name} is not a string")
    subject = str(identity)
    if not subject:
        objections.append(f"no {name}")
    return subject


def _type(claims: dict[str, Any]) -> str:
    found = claims.get("type", ACCESS)
    if not isinstance(found, str):
        raise TokenFault("type is not a string")
    return found


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TokenFault(f"{name} is not a string")


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LAST_SECOND:
        raise TokenFault(f"{name} is not a time")
    return float(value)


def _roles(claims: dict[str, Any]) -> tuple[str, ...]:
    roles = claims.get("roles")
    if roles is None:
        role = _text(claims, "role")
        return () if role is None else (role,)
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise TokenFault("roles is not a list of strings")
    return tuple(roles)


def _scopes(claims: dict[str, Any], name: str) -> tuple[str, ...] | None:
    """Separated by spaces (RFC 8693, 4.2)."""
    scope = _text(claims, name) if name else None
    return None if scope is None else tuple(scope.split())


def _require_extras(claims: dict[str, Any]) -> None:
    """What Flask-JWT-Extended compares without a look at its type."""
    _text(claims, "csrf")
    fresh = claims.get("fresh", False)
    if not isinstance(fresh, (bool, int, float)) or not abs(fresh) <= LAST_SECOND:
        raise TokenFault("fresh is neither true, false nor a time")
