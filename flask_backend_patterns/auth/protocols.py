"""What users of the package may bring along: their users, their ways to authenticate, their mail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .identity import Actor


class User(Protocol):
    """Somebody who can log in; your model, as it is or with `UserMixin`. Attributes are read only here."""

    @property
    def auth_id(self) -> str:
        """What tokens carry as `sub`; never changes, never given to another user."""

    @property
    def auth_login(self) -> str:
        """What is typed to log in, an e-mail address mostly; unique without regard to case."""

    @property
    def auth_password_hash(self) -> str | None:
        """As `hash_password` made it; None for somebody who has no password."""

    @property
    def auth_roles(self) -> Iterable[str]:
        """The names of the roles."""

    @property
    def auth_is_active(self) -> bool:
        """False refuses every login and refresh."""

    @property
    def auth_is_verified(self) -> bool:
        """Whether the address is known to be theirs."""


class UserStore(Protocol):
    """Finds and changes users. Each method commits what it writes, within the transaction that is open if one is."""

    def find_by_login(self, login: str) -> User | None:
        """The user with this login, compared without regard to case."""

    def find_by_id(self, auth_id: str) -> User | None:
        """The user with this id; None for text that cannot be one."""

    def add(
        self, *, login: str, password_hash: str | None, is_verified: bool, details: Mapping[str, Any]
    ) -> User:
        """A new user; raises `ConflictError` when the login is taken. `details` is what else was sent to register."""

    def set_password_hash(self, auth_id: str, password_hash: str, *, replaces: str | None = None) -> bool:
        """Replace the hash; with `replaces` only if that is still it, in one step: False when it is not."""

    def set_verified(self, auth_id: str) -> None:
        """The address is theirs."""


class Authenticator(Protocol):
    """One way for a request to show who sends it."""

    name: str  # as in BACKEND_AUTH_AUTHENTICATORS and `Actor.method`

    def authenticate(self) -> Actor | None:
        """Who sends the request being served; None when it carries no credentials of this kind.

        Raises `InvalidTokenError`, or another `UnauthorizedError`, for credentials that do not count, and
        `ForbiddenError` (`CSRF_FAILED`) for a cookie without its CSRF value.
        """

    @property
    def challenge(self) -> str | None:
        """What `WWW-Authenticate` says to a request without credentials (`Bearer`); None for nothing."""

    @property
    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """Its security schemes in the OpenAPI document, by name."""


class RevocationList(Protocol):
    """Knows which tokens have been revoked before they expire; costs no round trip in steady state."""

    def is_revoked(
        self, *, subject: str, session_id: str | None, token_id: str | None, issued_at: float
    ) -> bool:
        """Whether the session (or, without one, the token) is revoked, or all of the subject's tokens issued until then.

        `issued_at` is in seconds since the epoch. Decides by BACKEND_AUTH_ACCESS_OUTAGE when it cannot be known: returns
        False, or raises `ServiceUnavailableError`.
        """


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A token to be delivered to a user: `kind` is `verify`, `reset` or `already_registered` (which has no token)."""

    kind: str
    user: User
    token: str | None
    expires_in_seconds: int | None

    def __repr__(self) -> str:  # the token is a secret
        return f"Notification(kind={self.kind!r})"


class Notifier(Protocol):
    """Delivers it, by mail mostly; should return at once (enqueue a job), and in the same time for everybody."""

    def __call__(self, notification: Notification) -> None:
        """Deliver."""
