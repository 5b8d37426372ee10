"""Tokens (JWT, RFC 7519): the keys, making them, verifying them, and callers who show one."""

from .authenticator import JWTAuthenticator
from .bond import BondParts, ExtendedBond
from .claims import VerifiedToken
from .keys import KeySet, SigningKey, VerifyingKey
from .pair import TokenPair
from .places import TokenPlaces
from .rules import TokenRules
from .service import Tokens
from .signer import TokenSigner
from .verifier import TokenVerifier

__all__ = [
    "BondParts",
    "ExtendedBond",
    "JWTAuthenticator",
    "KeySet",
    "SigningKey",
    "TokenPair",
    "TokenPlaces",
    "TokenRules",
    "TokenSigner",
    "TokenVerifier",
    "Tokens",
    "VerifiedToken",
    "VerifyingKey",
]
