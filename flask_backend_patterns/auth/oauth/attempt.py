"""A login that has been begun: what the browser keeps of it in a signed cookie until the provider sends it back."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from itsdangerous import BadData, URLSafeSerializer

from ..._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flask import Response

LIFETIME_SECONDS: Final = 600
CLOCK_SKEW_SECONDS: Final = 60  # between the machines of one app
MAX_OPEN_ATTEMPTS: Final = 6
_COOKIE: Final = "backend_oauth_"
_HOST_PREFIX: Final = "__Host-"
_COOKIE_NAME = re.compile(rf"(?:{_HOST_PREFIX})?{_COOKIE}[0-9a-f]{{16}}")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """`state` names it, `nonce` ties the ID token to it, `verifier` is PKCE's; each has 256 bits.

    `begun_at` is in seconds since the epoch. `link_to` is the id of the user who asked to have the identity linked.
    """

    provider: str
    redirect_uri: str
    return_path: str
    begun_at: int
    link_to: str | None = None
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


class AttemptCookies:
    """One cookie for each open login, so that several tabs can log in at once.

    Signed with a key derived from the app's secrets (the first signs, all verify); `clock` gives seconds since the
    epoch. Over https the cookies are `__Host-` cookies, which no other host of the domain can set.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], *, clock: Callable[[], float] = time.time) -> None:
        if not secret_keys:
            raise SetupError(
                "Logins by a provider need SECRET_KEY, which signs what the browser keeps of them."
            )
        # itsdangerous signs with the last of them.
        self._serializer = URLSafeSerializer(
            [key.encode() if isinstance(key, str) else key for key in reversed(secret_keys)],
            salt="flask-backend-patterns.oauth",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._clock = clock

    def keep(
        self,
        attempt: Attempt,
        response: Response,
        *,
        sent: Mapping[str, str],
        is_secure: bool,
        path: str,
    ) -> None:
        """Set the cookie, and drop the oldest of those `sent` when there are many."""
        value = self._serializer.dumps(asdict(attempt))
        self._set(response, _name(attempt.state, is_secure=is_secure), value, is_secure=is_secure, path=path)
        begun = [(known.begun_at, known) for name in sent if (known := self._read(sent, name)) is not None]
        begun.sort(key=lambda pair: pair[0])
        for _, known in begun[: -(MAX_OPEN_ATTEMPTS - 1)]:
            self.drop(known, response, is_secure=is_secure, path=path)

    def find(self, state: str, sent: Mapping[str, str]) -> Attempt | None:
        """The attempt with this `state` among the cookies `sent`; None for unknown, forged and outdated ones."""
        for is_secure in (True, False):
            attempt = self._read(sent, _name(state, is_secure=is_secure))
            if attempt is not None and secrets.compare_digest(attempt.state.encode(), state.encode()):
                age = self._clock() - attempt.begun_at
                return attempt if -CLOCK_SKEW_SECONDS <= age <= LIFETIME_SECONDS else None
        return None

    def drop(self, attempt: Attempt, response: Response, *, is_secure: bool, path: str) -> None:
        """The browser forgets it."""
        name = _name(attempt.state, is_secure=is_secure)
        self._set(response, name, "", is_secure=is_secure, path=path, max_age=0)

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        is_secure: bool,
        path: str,
        max_age: int = LIFETIME_SECONDS,
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path="/" if is_secure else path,
            secure=is_secure,
            httponly=True,
            samesite="Lax",  # the provider's redirect is a navigation from another site: Strict would drop it
        )

    def _read(self, sent: Mapping[str, str], name: str) -> Attempt | None:
        value = sent.get(name)
        if value is None or not _COOKIE_NAME.fullmatch(name):
            return None
        try:
            return _attempt_in(self._serializer.loads(value))
        except (BadData, json.JSONDecodeError):
            return None


def _name(state: str, *, is_secure: bool) -> str:
    digest = hashlib.sha256(state.encode(errors="replace")).hexdigest()[:16]
    return f"{_HOST_PREFIX if is_secure else ''}{_COOKIE}{digest}"


def _attempt_in(values: Any) -> Attempt | None:
    """None for what another version of this package has signed."""
    names = {one.name for one in fields(Attempt)}
    return Attempt(**values) if isinstance(values, dict) and values.keys() == names else None
