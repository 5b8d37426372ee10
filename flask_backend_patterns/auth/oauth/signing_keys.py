"""Finds the provider's key that an ID token was signed with, among the keys it publishes (RFC 7517)."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from .refusals import IdTokenError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joserfc.jwk import Key

MIN_RSA_BYTES: Final = 256
# Curve or key type of each algorithm; a symmetric key ("oct") fits none.
_FAMILIES: Final = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}


class UnknownKeyError(IdTokenError):
    """None of the published keys fits; the provider may have changed them."""


def find_key(keys: Sequence[Mapping[str, Any]], header: Mapping[str, Any]) -> Key:
    """The key for a token with `header`; raises `UnknownKeyError`, and `IdTokenError` for one that may not be used.

    Without a `kid` there has to be exactly one that fits (OpenID Connect Core, 10.1).
    """
    algorithm, key_id = header["alg"], header.get("kid")
    fitting = [key for key in keys if _fits(key, algorithm) and (key_id is None or key.get("kid") == key_id)]
    if not fitting:
        raise UnknownKeyError("no published key fits")
    if len(fitting) > 1:
        raise IdTokenError("several published keys fit")
    (chosen,) = fitting
    if chosen["kty"] == "RSA" and not _is_long(chosen.get("n")):
        raise IdTokenError("the provider's RSA key is shorter than 2048 bits")
    public = {name: chosen[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in chosen}
    try:
        return JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError) as error:
        raise IdTokenError("the provider's key is malformed") from error


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = _FAMILIES[algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in (algorithm, *_same_as(algorithm))
    )


def _same_as(algorithm: str) -> tuple[str, ...]:
    """RFC 9864 gave EdDSA on Ed25519 a name of its own."""
    return ("EdDSA", "Ed25519") if algorithm in ("EdDSA", "Ed25519") else ()


def _is_long(modulus: object) -> bool:
    if not isinstance(modulus, str) or not modulus.isascii():
        return False
    return len(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4)).lstrip(b"\0")) >= MIN_RSA_BYTES
