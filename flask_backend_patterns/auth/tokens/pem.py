"""Private and public keys in PEM, checked to be of the kind that their algorithm needs."""

from __future__ import annotations

from typing import Any

from .algorithms import CURVES, RSA

MIN_RSA_BITS = 2048


def load_pair(algorithm: str, private: Any, public: Any, *, is_lenient: bool) -> tuple[Any, Any]:
    """(public key, private key or None) of cryptography from PEM; raises `ValueError` with half a sentence."""
    try:
        from cryptography.hazmat.primitives import serialization
    except ModuleNotFoundError:
        raise ValueError(f"is for {algorithm}, which needs cryptography: pip install cryptography") from None
    if private is None and public is None:
        raise ValueError(
            f"is for {algorithm}; it needs a private key to sign, or a public key to verify, in PEM."
        )
    private_key = None
    if private is not None:
        private_key = _load(
            private, "private", lambda pem: serialization.load_pem_private_key(pem, password=None)
        )
        _require_kind(algorithm, private_key.public_key(), is_lenient=is_lenient)
    if public is None:
        return private_key.public_key(), private_key  # type: ignore[union-attr]  # one of the two is given
    public_key = _load(public, "public", serialization.load_pem_public_key)
    _require_kind(algorithm, public_key, is_lenient=is_lenient)
    if private_key is not None and private_key.public_key() != public_key:
        raise ValueError("are not two halves of one key.")
    return public_key, private_key


def _load(text: Any, half: str, load: Any) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    pem = text.encode() if isinstance(text, str) else text
    wanted = f"expected a {half} key in PEM (-----BEGIN {half.upper()} KEY-----), not encrypted, not a path"
    if not isinstance(pem, bytes) or not pem.strip().startswith(b"-----BEGIN "):
        raise ValueError(f"is no {half} key; {wanted}.")
    try:
        return load(pem.strip() + b"\n")
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"is a {half} key that cannot be read; {wanted}.") from None


def _require_kind(algorithm: str, key: Any, *, is_lenient: bool) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    if algorithm in RSA:
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(f"is no RSA key, which {algorithm} needs.")
        if key.key_size < MIN_RSA_BITS and not is_lenient:
            raise ValueError(
                f"is an RSA key of {key.key_size} bits; at least {MIN_RSA_BITS} are needed. "
                "Make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072"
            )
    elif algorithm in CURVES:
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVES[algorithm]:
            raise ValueError(f"is no key on the curve {CURVES[algorithm]}, which {algorithm} needs.")
    elif not isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        raise ValueError(f"is no Ed25519 or Ed448 key, which {algorithm} needs.")
