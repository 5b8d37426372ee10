"""Signs tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from .compact import encode
from .rules import TokenRules

if TYPE_CHECKING:
    from .keys import KeySet


class TokenSigner:
    """Makes tokens of claims, with the key that signs now; safe to use by many threads.

    The same claims in the same order, signed with the same key, give the same token, except with ECDSA and PSS
    (`KeySet.signing.is_deterministic`), whose signatures hold a random number: all of them count.
    """

    def __init__(self, *, keys: KeySet, rules: TokenRules | None = None) -> None:
        self._keys = keys
        self.rules = rules or TokenRules()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token of `claims`; `iss` and `aud` are added where `JWT_ENCODE_ISSUER` and `JWT_ENCODE_AUDIENCE` say so.

        Raises `ValueError` for claims that are not JSON or too long, `SetupError` when no key can sign.
        """
        rules = self.rules
        complete = dict(claims)
        if rules.issuer is not None:
            complete.setdefault("iss", rules.issuer)
        if rules.audience is not None:
            complete.setdefault("aud", rules.audience)
        if rules.identity_claim != "sub" and "sub" in complete:
            complete.setdefault(rules.identity_claim, complete["sub"])
        key = self._keys.signing
        header = {"alg": key.algorithm, "typ": "JWT"}
        if key.id is not None:
            header["kid"] = key.id
        message = encode(_to_json(header)) + b"." + encode(_to_json(complete))
        token = (message + b"." + encode(key.sign(message))).decode("ascii")
        if len(token) > rules.max_token_bytes:
            raise ValueError(
                f"The token would have {len(token)} bytes, more than BACKEND_AUTH_MAX_TOKEN_BYTES "
                f"({rules.max_token_bytes}); put less into its claims."
            )
        return token


def _to_json(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:  # orjson names the type, not the value
        raise ValueError(f"The claims are not JSON: {error}") from error
