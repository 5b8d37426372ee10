"""The signature algorithms of JWS (RFC 7518, 3.1 and RFC 8037); `none` is not one of them.

HMAC is the standard library's; PyJWT and cryptography are imported when the first asymmetric key is read.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import Any, cast

# The least length of a secret in bytes: the size of the hash (RFC 7518, 3.2).
SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}

RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES = {"ES256": "secp256r1", "ES256K": "secp256k1", "ES384": "secp384r1", "ES512": "secp521r1"}
EDWARDS = "EdDSA"
ASYMMETRIC = frozenset({*RSA, *CURVES, EDWARDS})
ALGORITHMS = (*SECRET_BYTES, *sorted(ASYMMETRIC))

# The same claims give the same signature; the others (ECDSA, PSS) draw a random number each time.
DETERMINISTIC = frozenset({*SECRET_BYTES, "RS256", "RS384", "RS512", EDWARDS})


def sign(algorithm: str, key: Any, message: bytes) -> bytes:
    """The signature of `message`; `key` is a secret in bytes or a private key of cryptography."""
    hashed = _HASHES.get(algorithm)
    if hashed is not None:
        return hmac.digest(key, message, hashed)
    return cast("bytes", implementation(algorithm).sign(message, key))


def verify(algorithm: str, key: Any, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message`; `key` is a secret in bytes or a public key of cryptography."""
    hashed = _HASHES.get(algorithm)
    if hashed is not None:
        return hmac.compare_digest(hmac.digest(key, message, hashed), signature)
    return bool(implementation(algorithm).verify(message, key, signature))


@cache
def implementation(algorithm: str) -> Any:
    """PyJWT's own object for an asymmetric algorithm, whatever the app has registered there."""
    from jwt.algorithms import get_default_algorithms

    return get_default_algorithms()[algorithm]
