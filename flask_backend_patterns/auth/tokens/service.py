"""Issues, refreshes and revokes the tokens of logins; where the state is kept is the session store's business."""

from __future__ import annotations

import math
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ..._config import SetupError
from ...errors import CacheError, InvalidTokenError, ServiceUnavailableError
from ..sessions.given import role_names, subject_of
from ..sessions.session import MICROSECONDS
from ..settings import OPEN
from .pair import TokenPair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..._contribution import EventLog
    from ..sessions import Device, Grant, Revocations, SessionStore
    from ..settings import AuthSettings
    from .claims import VerifiedToken
    from .signer import TokenSigner
    from .verifier import TokenVerifier

ACCESS, REFRESH = "access", "refresh"
# What the caller's claims may not say, since we do.
RESERVED_CLAIMS: Final = frozenset(
    {
        "sub",
        "sid",
        "jti",
        "iat",
        "exp",
        "nbf",
        "iss",
        "aud",
        "type",
        "roles",
        "role",
        "fresh",
        "csrf",
        "access_claims",
    }
)
# In the refresh token rather than in Redis: a refresh while Redis is away must not lose what narrows a token.
KEPT_CLAIMS: Final = "access_claims"


class Tokens:
    """Tokens of logins: each login is a session, and a family of refresh tokens of which one is live (RFC 9700).

    `scheme` is the word that clients put before the token. With `with_csrf` the tokens carry the values that cookies
    need against cross-site requests. `clock` is in seconds since the epoch; times of issue come from the store.
    """

    def __init__(  # noqa: PLR0913 - its surroundings, keyword only
        self,
        *,
        settings: AuthSettings,
        signer: TokenSigner,
        verifier: TokenVerifier,
        sessions: SessionStore,
        revocations: Revocations | None,
        log: EventLog,
        scheme: str = "Bearer",
        with_csrf: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._signer = signer
        self._verifier = verifier
        self._sessions = sessions
        self._revocations = revocations
        self._log = log
        self._scheme = scheme
        self._with_csrf = with_csrf
        self._clock = clock

    def issue(
        self,
        user_id: str,
        *,
        roles: Iterable[str],
        claims: Mapping[str, Any] | None = None,
        device: Device | None = None,
        is_fresh: bool = True,
    ) -> TokenPair:
        """The tokens of a new session of a user whose credentials have been checked.

        `claims` go into every access token of the session. Raises `SetupError` without Redis or a signing key and for
        claims that are ours to make, `ValueError` for claims that are not JSON or too long, `CacheError` when Redis is away.
        """
        subject = subject_of(user_id)
        names = role_names(roles)
        kept = dict(claims or {})
        reserved = RESERVED_CLAIMS | {self._signer.rules.identity_claim}
        if wrong := sorted(reserved & kept.keys()):
            raise SetupError(f"These claims are made by the package, choose other names: {', '.join(wrong)}.")
        grant = self._sessions.create(subject=subject, device=device)
        try:
            return self._pair(subject, grant, roles=names, kept=kept, is_fresh=is_fresh)
        except Exception:  # claims that are not JSON, no key: nobody holds this session's tokens
            self._sessions.revoke(subject=subject, session_id=grant.session_id)
            raise

    def refresh(
        self,
        refresh_token: str,
        *,
        device: Device | None = None,
        roles_of: Callable[[str], Iterable[str] | None],
    ) -> TokenPair:
        """New tokens for a refresh token, which is spent by this.

        `roles_of(subject)` gives the user's roles of today; None refuses, and ends the session. Raises
        `InvalidTokenError` when the token does not count, `ServiceUnavailableError` when Redis is away and
        BACKEND_AUTH_REFRESH_OUTAGE is `closed`.
        """
        token = self._verifier.verify(refresh_token, token_type=REFRESH)
        if token.session_id is None or token.token_id is None:
            raise InvalidTokenError
        roles = roles_of(token.subject)
        if roles is None:
            self._end_of_user(token.subject, token.session_id)
            raise InvalidTokenError("The account is not active.", code="TOKEN_REVOKED")
        names = role_names(roles)
        try:
            grant = self._sessions.rotate(
                subject=token.subject, session_id=token.session_id, token_id=token.token_id, device=device
            )
        except CacheError as error:
            if self._settings.refresh_outage != OPEN:
                raise ServiceUnavailableError(retry_after=error.retry_after) from error
            return self._unrotated(refresh_token, token, names)
        return self._pair(token.subject, grant, roles=names, kept=_kept(token), is_fresh=False)

    def revoke(self, *, session_id: str, subject: str, known_only: bool = False) -> bool:
        """End one session; its tokens are refused in every process. True when it existed; no error when it did not.

        `known_only` is for ids that clients send: nothing is written for one that this user has not.
        """
        return self._sessions.revoke(subject=subject, session_id=session_id, known_only=known_only)

    def revoke_token(self, token: str) -> bool:
        """End what a token, access or refresh, belongs to: its session, or itself where it has none (RFC 7009).

        Expired tokens count too: who logs out after a break wants the session to end. False, and no error, for a token
        that this app did not make, or that cannot be read.
        """
        try:
            verified = self._verifier.verify_for_extended(token, allow_expired=True)
        except InvalidTokenError:
            return False
        if verified.session_id is not None:
            self._sessions.revoke(subject=verified.subject, session_id=verified.session_id)
            return True
        seconds = verified.expires_at - self._clock() + self._verifier.leeway_seconds
        if verified.token_id is None:
            return False
        if seconds > 0:
            self._sessions.revoke_token(subject=verified.subject, token_id=verified.token_id, seconds=seconds)
        return True

    def revoke_all(self, subject: str, *, keep: str | None = None) -> int:
        """End all sessions of a user and refuse every token issued until now; returns how many sessions there were.

        `keep` is the id of a session that goes on with its tokens, as after a change of the password.
        """
        return self._sessions.revoke_all(subject, keep=keep)

    def _end_of_user(self, subject: str, session_id: str) -> None:
        """The refusal stands whether or not Redis can be told."""
        try:
            self._sessions.revoke(subject=subject, session_id=session_id)
        except CacheError as error:
            self._log.warning("auth.session_not_ended", session=session_id, exc_info=error)

    def _unrotated(self, refresh_token: str, token: VerifiedToken, roles: list[str]) -> TokenPair:
        """A new access token while Redis is away; the refresh token stays as it is.

        It is dated like the refresh token, by the clock of Redis: a later "log out everywhere" is sure to cover it.
        """
        if self._revocations is not None and self._revocations.is_known_revoked(
            subject=token.subject,
            session_id=token.session_id,
            token_id=token.token_id,
            issued_at=token.issued_at,
        ):
            raise InvalidTokenError("The session has ended; log in again.", code="TOKEN_REVOKED")
        now = self._clock()
        expires_in = min(self._settings.access_seconds, max(0, math.floor(token.expires_at - now)))
        access = {
            "sub": token.subject,
            "sid": token.session_id,
            "jti": secrets.token_hex(16),
            "iat": token.claims["iat"],
            "exp": math.ceil(now + expires_in),
            "type": ACCESS,
            "roles": roles,
            "fresh": False,
        }
        csrf_refresh = token.claims.get("csrf")
        csrf_access = None
        if self._with_csrf:
            csrf_access = access["csrf"] = secrets.token_hex(16)
        return TokenPair(
            access_token=self._signer.sign(_kept(token) | access),
            refresh_token=refresh_token,
            token_type=self._scheme,
            expires_in=expires_in,
            refresh_expires_in=max(0, math.floor(token.expires_at - now)),
            session_id=str(token.session_id),
            csrf_access=csrf_access,
            csrf_refresh=csrf_refresh,
        )

    def _pair(
        self, subject: str, grant: Grant, *, roles: list[str], kept: Mapping[str, Any], is_fresh: bool
    ) -> TokenPair:
        """The tokens of a grant: the same each time, where the signature's algorithm is deterministic."""
        issued_at = grant.issued_at / MICROSECONDS
        refresh_expires_in = (grant.expires_at - grant.issued_at) // MICROSECONDS
        expires_in = min(self._settings.access_seconds, refresh_expires_in)  # not past the end of the login
        common = {"sub": subject, "sid": grant.session_id, "iat": issued_at}
        access = {
            **kept,
            **common,
            "jti": _derived(grant.token_id, "access"),
            "exp": math.ceil(issued_at + expires_in),
            "type": ACCESS,
            "roles": roles,
            "fresh": is_fresh,
        }
        refresh = {
            **common,
            "jti": grant.token_id,
            "exp": math.ceil(grant.expires_at / MICROSECONDS),
            "type": REFRESH,
        }
        if kept:
            refresh[KEPT_CLAIMS] = dict(kept)
        csrf_access = csrf_refresh = None
        if self._with_csrf:
            csrf_access = access["csrf"] = _derived(grant.seed, "csrf_access")
            csrf_refresh = refresh["csrf"] = _derived(grant.seed, "csrf_refresh")
        return TokenPair(
            access_token=self._signer.sign(access),
            refresh_token=self._signer.sign(refresh),
            token_type=self._scheme,
            expires_in=expires_in,
            refresh_expires_in=refresh_expires_in,
            session_id=grant.session_id,
            csrf_access=csrf_access,
            csrf_refresh=csrf_refresh,
        )


def _derived(seed: str, purpose: str) -> str:
    """128 bits that follow from `seed` and tell nothing of it: a replayed answer is the same in every part."""
    return sha256(f"{purpose}:{seed}".encode()).hexdigest()[:32]


def _kept(token: VerifiedToken) -> dict[str, Any]:
    """The caller's claims of the session."""
    kept = token.claims.get(KEPT_CLAIMS)
    return (
        {name: value for name, value in kept.items() if name not in RESERVED_CLAIMS}
        if isinstance(kept, dict)
        else {}
    )
