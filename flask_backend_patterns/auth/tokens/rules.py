"""What one app demands of tokens beside a signature: read from `JWT_*`, the keys of Flask-JWT-Extended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from ..._config import ConfigError
from .faults import TokenFault

if TYPE_CHECKING:
    from ..settings import AuthSettings

ACCESS, REFRESH = "access", "refresh"
MAX_LEEWAY_SECONDS = 3_600


@dataclass(frozen=True, kw_only=True)
class TokenRules:
    """`issuers` and `audiences` are what tokens may name, None for anything; `everlasting` types need no `exp`.

    `accepts_integer_subject` where nobody checks that the identity is text, which then stays what it is in tokens;
    `verifies_sub` where PyJWT does check a `sub`, even if another claim holds the identity.
    `scope_claim` is empty where no claim narrows. `issuer` and `audience` go into the tokens made here. `scheme` is the word in the challenge of a refusal.
    """

    issuers: frozenset[str] | None = None
    audiences: frozenset[str] | None = None
    issuer: str | None = None
    audience: str | tuple[str, ...] | None = None
    leeway_seconds: float = 0.0
    identity_claim: str = "sub"
    accepts_integer_subject: bool = False
    verifies_sub: bool = True
    everlasting: frozenset[str] = frozenset()
    max_token_bytes: int = 8_192
    scope_claim: str = "scope"
    scheme: str = "Bearer"

    @classmethod
    def from_config(cls, config: Mapping[str, Any], settings: AuthSettings) -> Self:
        """The rules in `config`; raises `ConfigError` that lists what is wrong."""
        problems: list[str] = []
        audience = _names(config, "JWT_ENCODE_AUDIENCE", problems)
        issuer = _names(config, "JWT_ENCODE_ISSUER", problems)
        identity_claim = config.get("JWT_IDENTITY_CLAIM") or "sub"
        verifies_sub = bool(config.get("JWT_VERIFY_SUB", True))
        rules = cls(
            issuers=_as_set(_names(config, "JWT_DECODE_ISSUER", problems)),
            audiences=_as_set(_names(config, "JWT_DECODE_AUDIENCE", problems)),
            issuer=issuer[0] if issuer else None,
            audience=None if audience is None else audience[0] if len(audience) == 1 else audience,
            leeway_seconds=_leeway(config, problems),
            identity_claim=identity_claim,
            accepts_integer_subject=identity_claim != "sub" or not verifies_sub,
            verifies_sub=verifies_sub,
            everlasting=_everlasting(config),
            max_token_bytes=settings.max_token_bytes,
            scope_claim=settings.scope_claim,
            scheme=scheme_word(config, settings) or "Bearer",
        )
        if problems:
            raise ConfigError(problems)
        return rules

    def require_issuer(self, claims: Mapping[str, Any]) -> None:
        """Raise `TokenFault` unless `iss` is one of `issuers`."""
        issuer = claims.get("iss")
        if issuer is not None and not isinstance(issuer, str):
            raise TokenFault("iss is not a string")
        if self.issuers is not None and issuer not in self.issuers:
            raise TokenFault("wrong iss")

    def require_audience(self, claims: Mapping[str, Any]) -> None:
        """Raise `TokenFault` unless `aud` names one of `audiences`. Without any demanded, `aud` is not looked at."""
        if self.audiences is None:
            return
        audience = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise TokenFault("aud is neither a string nor a list of strings")
        if self.audiences.isdisjoint(named):
            raise TokenFault("wrong aud")


def scheme_word(config: Mapping[str, Any], settings: AuthSettings) -> str:
    """The word before the token, empty for none."""
    if settings.scheme is not None:
        return settings.scheme
    return str(config.get("JWT_HEADER_TYPE", "Bearer") or "")


def _names(config: Mapping[str, Any], key: str, problems: list[str]) -> tuple[str, ...] | None:
    value = config.get(key)
    if value is None or value == "":
        return None
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        problems.append(f"{key} is {value!r}; expected a string or a list of strings.")
        return None
    return names


def _as_set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _leeway(config: Mapping[str, Any], problems: list[str]) -> float:
    value = config.get("JWT_DECODE_LEEWAY", 0)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and math.isfinite(seconds)
    if not is_number or not 0 <= seconds <= MAX_LEEWAY_SECONDS:
        problems.append(f"JWT_DECODE_LEEWAY is {value!r}; expected 0 to {MAX_LEEWAY_SECONDS} seconds.")
        return 0.0
    return float(seconds)


def _everlasting(config: Mapping[str, Any]) -> frozenset[str]:
    """Types of tokens that Flask-JWT-Extended was told to make without an end."""
    keys = {ACCESS: "JWT_ACCESS_TOKEN_EXPIRES", REFRESH: "JWT_REFRESH_TOKEN_EXPIRES"}
    return frozenset(kind for kind, key in keys.items() if config.get(key) is False)
