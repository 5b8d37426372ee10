"""Verifies tokens: the only way for a token to be believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .claims import VerifiedToken, read_claims
from .compact import parse
from .faults import TokenFault, refusal
from .rules import ACCESS, TokenRules
from .token_cache import TokenCache

if TYPE_CHECKING:
    from .claims import Clock
    from .keys import KeyMaterial, KeySet, VerifyingKey

# Finds the key for (header, claims): the app's own `decode_key_loader`.
KeyLoader = Callable[[Mapping[str, Any], Mapping[str, Any]], "VerifyingKey"]


@dataclass(frozen=True, slots=True)
class _Known:
    """Tokens verified with one state of the keys: with other keys another one begins."""

    material: KeyMaterial
    tokens: TokenCache


class TokenVerifier:
    """Believes a token when its key, its signature, its claims and its time hold; safe to use by many threads.

    Up to `cache_entries` verified tokens are remembered; their time is looked at each time. Revocation is not looked
    at here: see `JWTAuthenticator`.
    """

    def __init__(
        self,
        *,
        keys: KeySet,
        rules: TokenRules | None = None,
        cache_entries: int = 10_000,
        clock: Clock = time.time,
    ) -> None:
        self._keys = keys
        self.rules = rules or TokenRules()
        self._clock = clock
        self._cache_entries = cache_entries
        self._known: _Known | None = None
        # Set by the bond with Flask-JWT-Extended while the app has a loader of its own.
        self.key_loader: KeyLoader | None = None

    def verify(
        self, token: str, *, token_type: str | None = ACCESS, allow_expired: bool = False
    ) -> VerifiedToken:
        """What `token` says; `token_type` None takes access and refresh tokens alike.

        Raises `InvalidTokenError` with the code `INVALID_TOKEN` or `TOKEN_EXPIRED`, and `SetupError` when the app has
        no key. `allow_expired` is for logging out (RFC 7009).
        """
        try:
            verified = self._verified(token)
            verified.require_fit()
            verified.require_type(token_type)
            if not allow_expired:
                verified.require_time(self._clock(), self.rules.leeway_seconds)
        except TokenFault as fault:
            raise refusal(fault.code, scheme=self.rules.scheme, reason=str(fault)) from fault
        return verified

    def verify_for_extended(self, token: str, *, allow_expired: bool = False) -> VerifiedToken:
        """The same for Flask-JWT-Extended, which looks at the type itself and lets apps have claims of their own.

        Never for a decision of ours: see `VerifiedToken.objection`.
        """
        try:
            verified = self._verified(token)
            if not allow_expired:
                verified.require_time(self._clock(), self.rules.leeway_seconds)
        except TokenFault as fault:
            raise refusal(fault.code, scheme=self.rules.scheme, reason=str(fault)) from fault
        return verified

    @property
    def leeway_seconds(self) -> float:
        """How far clocks may be apart: `JWT_DECODE_LEEWAY`."""
        return self.rules.leeway_seconds

    def _verified(self, token: str) -> VerifiedToken:
        if type(token) is not str:
            raise TokenFault("not text")
        if self.key_loader is not None:
            return self._check(token, self.key_loader)
        material = self._keys.material
        known = self._known
        if known is None or known.material is not material:
            known = self._known = _Known(material, TokenCache(self._cache_entries))
        found = known.tokens.get(token)
        if found is None:
            found = self._check(token)
            known.tokens.put(token, found)
        return found

    def _check(self, token: str, key_loader: KeyLoader | None = None) -> VerifiedToken:
        if len(token) > self.rules.max_token_bytes:
            raise TokenFault("longer than BACKEND_AUTH_MAX_TOKEN_BYTES")
        compact = parse(token)
        objections: list[str] = []
        if key_loader is None:
            key = self._keys.find(compact.header, objections)
        else:
            key = key_loader(compact.header, compact.claims())
        if not key.verify(compact.message, compact.signature):
            raise TokenFault("the signature does not hold")
        return read_claims(compact.claims(), compact.header, self.rules, objections)
