"""The keys of an app: one signs, each verifies by its id (`kid`) and by its own algorithm alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ..._config import ConfigError, SetupError
from . import algorithms
from .faults import TokenFault

if TYPE_CHECKING:
    from ..settings import AuthSettings

NOT_CONFIGURED = (
    "Tokens need a key, and none is set. Set JWT_SECRET_KEY to a secret of at least 32 bytes "
    "(python -c 'import secrets; print(secrets.token_urlsafe(48))'), or BACKEND_AUTH_KEYS."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """Signs tokens; `key` is a secret in bytes or a private key of cryptography."""

    id: str | None
    algorithm: str
    key: Any = field(repr=False)

    @property
    def is_deterministic(self) -> bool:
        """Whether the same claims always give the same token; not with ECDSA and PSS."""
        return self.algorithm in algorithms.DETERMINISTIC

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`."""
        return algorithms.sign(self.algorithm, self.key, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """Verifies tokens by one algorithm; `key` is a secret in bytes or a public key of cryptography."""

    id: str | None
    algorithm: str
    key: Any = field(repr=False)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is that of `message`."""
        return algorithms.verify(self.algorithm, self.key, message, signature)


@dataclass(frozen=True, kw_only=True)
class KeyMaterial:
    """The keys at one time; `absence` says why there are none, and what to do.

    `accepts_any_id` lets the only key verify the tokens of another issuer, whose key ids are unknown here.
    """

    signing: SigningKey | None = None
    verifying: Mapping[str | None, VerifyingKey] = field(default_factory=dict)
    accepts_any_id: bool = False
    absence: str | None = None


class KeySet:
    """The keys of one app, shared by its signer, its verifier and its JWKS; safe to use by many threads.

    Where nothing was configured yet, `read` is called again at the first use.
    """

    def __init__(self, material: KeyMaterial, read: Callable[[], KeyMaterial] | None = None) -> None:
        self._material = material
        self._read = read
        self._reading = threading.Lock()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], settings: AuthSettings, *, is_lenient: bool) -> Self:
        """The keys in `JWT_*` and `BACKEND_AUTH_KEYS`; `is_lenient` (debug, testing) allows weak ones.

        Raises `ConfigError` that lists what is wrong, without any secret. Nothing configured is no fault before a
        token is made or verified.
        """
        from .key_reading import read_material

        def read() -> KeyMaterial:
            problems: list[str] = []
            material = read_material(config, settings, problems, is_lenient=is_lenient)
            if problems:
                raise ConfigError(problems)
            return material

        return cls(read(), read)

    @property
    def material(self) -> KeyMaterial:
        """The keys now; raises `SetupError` that says which key to set when there are none."""
        material = self._material
        if material.absence is not None:
            material = self._read_again()
        return material

    @property
    def is_configured(self) -> bool:
        """Whether there is a key."""
        return self._material.absence is None

    @property
    def signing(self) -> SigningKey:
        """The key that signs; raises `SetupError` when none can."""
        found = self.material.signing
        if found is None:
            raise SetupError(
                "The keys of this app only verify tokens. To make tokens, set JWT_PRIVATE_KEY, or give a key in "
                "BACKEND_AUTH_KEYS a private_key or a secret."
            )
        return found

    def find(self, header: Mapping[str, Any], objections: list[str] | None = None) -> VerifyingKey:
        """The key for a token with this `header`, of just its algorithm; raises `TokenFault`.

        With `objections` an unknown id where no key has one is put there instead: Flask-JWT-Extended takes it.
        """
        material = self.material
        key_id = header.get("kid")
        if "kid" in header and not isinstance(key_id, str):
            raise TokenFault("kid is not a string")
        key = material.verifying.get(None if material.accepts_any_id else key_id)
        if key is None and objections is not None and material.verifying.keys() == {None}:
            objections.append("no key has this kid")
            key = material.verifying[None]
        if key is None:
            raise TokenFault("no key has this kid")
        if header.get("alg") != key.algorithm:
            raise TokenFault("alg is not the algorithm of the key")
        return key

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517); secrets are never part of it."""
        from .jwks import to_jwk

        keys = self._material.verifying.values()
        return {"keys": [to_jwk(key) for key in keys if key.algorithm in algorithms.ASYMMETRIC]}

    def replace(self, other: KeySet) -> None:
        """From now on use the keys of `other`: a rotation without a restart. Verified tokens are verified again."""
        self._material = other.material

    def __repr__(self) -> str:
        ids = sorted(map(str, self._material.verifying))
        return f"KeySet({', '.join(ids)})"

    def _read_again(self) -> KeyMaterial:
        with self._reading:
            if self._material.absence is not None and self._read is not None:
                self._material = self._read()
            material = self._material
        if material.absence is not None:
            raise SetupError(material.absence)
        return material
