"""Public keys for others to verify our tokens with (RFC 7517, RFC 8037)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algorithms import implementation

if TYPE_CHECKING:
    from .keys import VerifyingKey

# The public members of RSA, EC and OKP keys (RFC 7518, 6 and RFC 8037, 2): whatever else a library adds stays here.
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")


def to_jwk(key: VerifyingKey) -> dict[str, str]:
    """The JWK of an asymmetric key."""
    described = implementation(key.algorithm).to_jwk(key.key, as_dict=True)
    jwk = {name: str(described[name]) for name in _PUBLIC if name in described}
    jwk |= {"use": "sig", "alg": key.algorithm}
    return jwk if key.id is None else jwk | {"kid": key.id}
