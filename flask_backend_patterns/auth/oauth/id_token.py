"""Validates ID tokens (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any, Final

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from .refusals import IdTokenError
from .signing_keys import UnknownKeyError, find_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joserfc.jwk import Key

    from .discovery import Discovery
    from .provider import Provider

LEEWAY_SECONDS: Final = 60
MAX_TOKEN_CHARACTERS: Final = 64 * 1024
MAX_SUBJECT_CHARACTERS: Final = 255
# What joserfc, Authlib and the decoders below them raise for tokens that are none.
_MALFORMED: Final = (
    JoseError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    OverflowError,
)


class IdTokenVerifier:
    """Verifies the ID tokens of one provider. Thread-safe; `clock` gives seconds since the epoch."""

    def __init__(
        self, provider: Provider, discovery: Discovery, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._discovery = discovery
        self._clock = clock

    def verify(
        self, token: object, *, nonce: str, access_token: str | None, begun_at: float
    ) -> dict[str, Any]:
        """The claims; raises `IdTokenError` unless the token is for us, for this login, and signed by the provider.

        `begun_at` is when the login began, in seconds since the epoch: a token made before is not for it.
        """
        if not isinstance(token, str) or not token.isascii() or len(token) > MAX_TOKEN_CHARACTERS:
            raise IdTokenError("it is missing or no token")
        try:
            header, claims = self._decode(token)
            self._check(claims, header, nonce=nonce, access_token=access_token)
        except _MALFORMED as error:
            raise IdTokenError(f"{type(error).__name__}: {_told(error)}") from error
        if claims["iat"] < begun_at - LEEWAY_SECONDS:
            raise IdTokenError("it was made before the login began")
        return claims

    def _decode(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        registry = _Registry(self._provider.algorithms)
        header = dict(jws.extract_compact(token.encode(), registry=registry).headers())
        if header.get("alg") not in self._provider.algorithms:
            raise IdTokenError("its algorithm is not allowed")
        decoded = jwt.decode(token, self._find_key(header), registry=registry)
        return dict(decoded.header), dict(decoded.claims)

    def _find_key(self, header: Mapping[str, Any]) -> Key:
        keys = self._discovery.keys()
        try:
            return find_key(keys, header)
        except UnknownKeyError:
            return find_key(self._discovery.newer_keys(keys), header)

    def _check(
        self, claims: dict[str, Any], header: dict[str, Any], *, nonce: str, access_token: str | None
    ) -> None:
        provider = self._provider
        wanted = {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            **{name: {"essential": True} for name in ("sub", "exp", "iat", "nonce")},
        }
        parameters = {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token}
        if header["alg"] == "Ed25519":  # RFC 9864's name, which Authlib's at_hash does not know
            header = {**header, "alg": "EdDSA"}
        checked = CodeIDToken(claims, header, options=wanted, params=parameters)
        checked.validate(now=int(self._clock()), leeway=LEEWAY_SECONDS)
        if not claims.get("at_hash", "none"):
            raise IdTokenError("its at_hash is empty")
        if not isinstance(claims["nonce"], str) or not hmac.compare_digest(
            claims["nonce"].encode(), nonce.encode()
        ):
            raise IdTokenError("its nonce is another login's")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not {*audiences} <= {provider.client_id, *provider.trusted_audiences}:
            raise IdTokenError("it is for others too")
        if not _is_subject(claims["sub"]):
            raise IdTokenError("its subject is none")


class _Registry(JWSRegistry):
    """Only the algorithms given, without a warning about an allowed one's older name; long headers (certificates) count."""

    max_header_length = 16 * 1024

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


def _is_subject(value: str) -> bool:
    """OpenID Connect Core, 2: at most 255 ASCII characters."""
    return bool(value) and value.isascii() and value.isprintable() and len(value) <= MAX_SUBJECT_CHARACTERS


def _told(error: BaseException) -> str:
    """What may be logged of it: the names of claims, but no values."""
    return str(getattr(error, "description", "") or getattr(error, "error", ""))[:200]
