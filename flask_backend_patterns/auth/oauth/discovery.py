"""What a provider publishes about itself: endpoints and keys (OpenID Connect Discovery 1.0, 4)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .provider import BASIC, NONE, POST, is_loopback_url, is_trustworthy_url
from .refusals import ProviderAnswerError
from .remote_document import RemoteDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import Provider
    from .provider_client import ProviderClient

WELL_KNOWN: Final = "/.well-known/openid-configuration"
MAX_KEYS: Final = 100


@dataclass(frozen=True, kw_only=True)
class ProviderMetadata:
    """The part of the discovery document that a login needs; every URL is one that may be trusted."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    authentication_methods: tuple[str, ...]
    names_issuer: bool  # whether authorization responses carry `iss` (RFC 9207)


class Discovery:
    """Endpoints and keys of one provider, fetched when first needed and kept. Thread-safe."""

    def __init__(
        self, provider: Provider, client: ProviderClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider = provider
        self._client = client
        self._metadata = RemoteDocument(self._fetch_metadata, clock=clock)
        self._keys = RemoteDocument(self._fetch_keys, clock=clock)

    def metadata(self) -> ProviderMetadata:
        """Where its endpoints are; raises `ProviderUnreachableError` and `ProviderAnswerError`."""
        return self._metadata.get()

    def keys(self) -> tuple[dict[str, Any], ...]:
        """Its JSON Web Keys, unread. Raises as `metadata`."""
        return self._keys.get()

    def newer_keys(self, outdated: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        """What it publishes after `outdated`; asks it once a minute at most."""
        return self._keys.refreshed(outdated)

    def _fetch_metadata(self) -> ProviderMetadata:
        issuer = self._provider.issuer
        document = self._client.fetch(issuer.rstrip("/") + WELL_KNOWN)
        if document.get("issuer") != issuer:
            raise ProviderAnswerError(f"the discovery document of {issuer} names another issuer")
        return ProviderMetadata(
            authorization_endpoint=self._url(document, "authorization_endpoint"),
            token_endpoint=self._url(document, "token_endpoint"),
            jwks_uri=self._url(document, "jwks_uri"),
            userinfo_endpoint=(
                self._url(document, "userinfo_endpoint") if document.get("userinfo_endpoint") else None
            ),
            authentication_methods=_texts(document.get("token_endpoint_auth_methods_supported")) or (BASIC,),
            names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _fetch_keys(self) -> tuple[dict[str, Any], ...]:
        document = self._client.fetch(self.metadata().jwks_uri)
        keys = document.get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise ProviderAnswerError(f"no JSON Web Key set from {self._provider.issuer}")
        return tuple(key for key in keys if isinstance(key, dict))

    def _url(self, document: dict[str, Any], name: str) -> str:
        url = document.get(name)
        # http is for a provider on this machine only, not for one elsewhere that points here.
        if not is_trustworthy_url(url, allow_loopback=is_loopback_url(self._provider.issuer)):
            raise ProviderAnswerError(f"{name} of {self._provider.issuer} is no https URL")
        return str(url)


def authentication_method(provider: Provider, metadata: ProviderMetadata) -> str:
    """How the client shows itself at the token endpoint."""
    if provider.authentication is not None:
        return provider.authentication
    if provider.client_secret is None:
        return NONE
    offered = metadata.authentication_methods
    return POST if BASIC not in offered and POST in offered else BASIC


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
