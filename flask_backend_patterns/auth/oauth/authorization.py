"""The authorization code flow with one provider (OpenID Connect Core 3.1, PKCE RFC 7636, RFC 9207, RFC 9700)."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from .discovery import Discovery, authentication_method
from .provider import BASIC, POST
from .refusals import (
    CodeRefusedError,
    IdTokenError,
    LoginAttemptError,
    LoginDeniedError,
    ProviderAnswerError,
    ProviderUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .attempt import Attempt
    from .provider import Provider
    from .provider_client import ProviderClient

MAX_CODE_CHARACTERS: Final = 4_096
MAX_EMAIL_CHARACTERS: Final = 254
HTTP_OK: Final = 200
# Errors of an authorization response that mean: the person, or a rule of the provider's, said no.
_DENIALS: Final = frozenset(
    {
        *("access_denied", "login_required", "consent_required", "interaction_required"),
        *("account_selection_required", "unmet_authentication_requirements"),
    }
)


@dataclass(frozen=True, kw_only=True)
class ExternalIdentity:
    """Who somebody is at a provider: `issuer` and `subject` together never change and name one person.

    `is_email_verified` is true only if the provider says so by a boolean. `claims` are all that it told.
    """

    provider: str
    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool
    claims: Mapping[str, Any] = field(repr=False)


class ProviderLogin:
    """Logs people in by one provider. Thread-safe; `clock` gives seconds since the epoch."""

    def __init__(
        self,
        provider: Provider,
        client: ProviderClient,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from .id_token import IdTokenVerifier

        self.provider = provider
        self._client = client
        self._discovery = Discovery(provider, client, clock=steady_clock)
        self._verifier = IdTokenVerifier(provider, self._discovery, clock=clock)

    def authorization_url(self, attempt: Attempt) -> str:
        """Where the browser is sent to log in; raises `ProviderUnreachableError` and `ProviderAnswerError`."""
        provider = self.provider
        endpoint = self._discovery.metadata().authorization_endpoint
        challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            **provider.parameters,
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(parameters)

    def complete(self, attempt: Attempt, answer: Mapping[str, str]) -> ExternalIdentity:
        """Who logged in, by the parameters that the browser brought back.

        Raises `LoginAttemptError`, `LoginDeniedError`, `CodeRefusedError` and `IdTokenError`, and
        `ProviderUnreachableError` and `ProviderAnswerError` when it is the provider's fault.
        """
        self._require_own_answer(answer)
        if "error" in answer:
            raise _refusal(answer["error"])
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE_CHARACTERS:
            raise LoginAttemptError("the answer has no code")
        tokens = self._exchange(code, attempt)
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str) or not access_token.isascii() or not access_token.isprintable():
            raise ProviderAnswerError("a token response without access token")
        claims = self._verifier.verify(
            tokens.get("id_token"),
            nonce=attempt.nonce,
            access_token=access_token,
            begun_at=attempt.begun_at,
        )
        return self._identity(claims | self._userinfo(claims, access_token))

    def _require_own_answer(self, answer: Mapping[str, str]) -> None:
        """RFC 9207: an answer that names its issuer has to name this one (mix-up attacks)."""
        named = answer.get("iss")
        if named is None and not self._discovery.metadata().names_issuer:
            return
        if named != self.provider.issuer:
            raise LoginAttemptError("the answer comes from another provider")

    def _exchange(self, code: str, attempt: Attempt) -> dict[str, Any]:
        provider, metadata = self.provider, self._discovery.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        method, secret = authentication_method(provider, metadata), provider.client_secret
        if method != BASIC or secret is None:
            form["client_id"] = provider.client_id
        if method == POST and secret is not None:
            form["client_secret"] = secret
        basic = (provider.client_id, secret) if method == BASIC and secret is not None else None
        status, tokens = self._client.post(metadata.token_endpoint, form, basic=basic)
        if tokens.get("error") == "invalid_grant":
            raise CodeRefusedError
        if status != HTTP_OK or "error" in tokens:
            raise ProviderAnswerError(
                f"status {status}, error {_word(tokens.get('error'))} from the token endpoint"
            )
        return tokens

    def _userinfo(self, claims: Mapping[str, Any], access_token: str) -> dict[str, Any]:
        """What the userinfo endpoint tells, asked only when the ID token tells no address (Core, 5.4).

        Whether an address is verified is said beside it, so both are taken from there.
        """
        endpoint = self._discovery.metadata().userinfo_endpoint
        if claims.get("email") is not None or endpoint is None or "email" not in self.provider.scopes:
            return {}
        told = self._client.fetch(endpoint, bearer=access_token)
        if not isinstance(told.get("sub"), str):
            raise ProviderAnswerError("userinfo without a subject")
        if told["sub"] != claims["sub"]:  # Core, 5.3.2: else it must not be used
            raise IdTokenError("userinfo is about somebody else")
        own = {"sub", "iss", "aud", "exp", "iat", "nonce"}
        return {"email_verified": None} | {name: value for name, value in told.items() if name not in own}

    def _identity(self, claims: dict[str, Any]) -> ExternalIdentity:
        email = claims.get("email")
        is_address = (
            isinstance(email, str)
            and "@" in email[1:-1]
            and email.isprintable()
            and " " not in email
            and len(email) <= MAX_EMAIL_CHARACTERS
        )
        return ExternalIdentity(
            provider=self.provider.name,
            issuer=self.provider.issuer,
            subject=claims["sub"],
            email=email if is_address else None,
            is_email_verified=is_address and claims.get("email_verified") is True,
            claims=claims,
        )


def _refusal(error: str) -> Exception:
    """What an error of the authorization response means (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6)."""
    if error in _DENIALS:
        return LoginDeniedError()
    if error == "temporarily_unavailable":
        return ProviderUnreachableError()
    return ProviderAnswerError(f"error {_word(error)} from the authorization endpoint")


def _word(text: object) -> str:
    """An error code for the log; nothing else is taken over."""
    is_code = isinstance(text, str) and text.isascii() and text.replace("_", "").isalnum()
    return str(text)[:64] if is_code else "without a name"
