"""What sessions need from others, and what others may put in the place of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from .cookie_value import CookieValue
    from .session import CookieSession, Device, Grant, Session

T = TypeVar("T")


class SessionStore(Protocol):
    """Keeps the sessions of an app. Each method is one atomic step, and raises `CacheError` when the store is away.

    `touch_seconds` is how often the use of a cookie session is noted.
    """

    touch_seconds: float

    def listen(self, forget: Callable[[str], None]) -> None:
        """Call `forget` with the key of each session that this process ends; others learn it from the feed."""

    def create(self, *, subject: str, device: Device | None = None) -> Grant:
        """A new family of refresh tokens, and its first one. The user's oldest session ends when there are too many."""

    def create_cookie(
        self, *, subject: str, roles: Sequence[str], device: Device | None = None
    ) -> tuple[CookieSession, CookieValue]:
        """A new cookie session, and the value of its cookie."""

    def rotate(self, *, subject: str, session_id: str, token_id: str, device: Device | None = None) -> Grant:
        """Spend the refresh token `token_id` and give its successor.

        A token that was spent within the grace gives the same successor again; one spent longer ago ends the session.
        Raises `InvalidTokenError` (`TOKEN_REVOKED`) then, and when the session is over or unknown.
        """

    def touch(self, cookie: CookieValue) -> CookieSession | None:
        """The cookie session, noted as used now; None when the cookie does not count."""

    def revoke(self, *, subject: str, session_id: str, known_only: bool = False) -> bool:
        """End a session, whether it exists or not: access tokens may live longer. True when it existed.

        With `known_only` nothing is written for a session that does not exist: for ids that come from clients.
        """

    def revoke_cookie(self, cookie: CookieValue) -> bool:
        """End the session of this cookie; True when there was one."""

    def revoke_token(self, *, subject: str, token_id: str, seconds: float) -> None:
        """Refuse one token that belongs to no session for so many seconds, its remaining life."""

    def revoke_all(self, subject: str, *, keep: str | None = None) -> int:
        """End all sessions of a user and refuse all tokens issued until now; returns how many sessions there were.

        With `keep` that session goes on, and its tokens count.
        """

    def list(self, subject: str, *, current_id: str | None = None) -> tuple[Session, ...]:
        """The sessions of a user that are not over, the one used last first."""


class RevocationReader(Protocol):
    """Reads what is known of revocations, in one round trip."""

    def read(self, keys: Sequence[str]) -> Mapping[str, int]:
        """0 for what is not there, else the number stored; raises `CacheError` when the store is away."""


class NearCache(Protocol):
    """`cache.NearCache`: what this process knows, invalidated by the others."""

    def known(self, keys: Sequence[str]) -> Sequence[Any] | None:
        """The values if all of them are known, and can be trusted now; else None."""

    def get_or_load_many(
        self, keys: Sequence[str], load_many: Callable[[Sequence[str]], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """The values; those that are not known, or cannot be trusted now, are loaded together."""

    def get_or_load(self, key: str, load: Callable[[], T]) -> T:
        """The value, loaded when it is not known or cannot be trusted now; what `load` raises is not kept."""

    def peek(self, key: str) -> Hashable:
        """What is known, whether it can be trusted or not."""

    def discard(self, key: str) -> None:
        """Forget it in this process."""


class Outage(Protocol):
    """`RedisOutage`: calls Redis unless it has just failed."""

    def call(self, function: Callable[[], T]) -> T:
        """The function's result; raises `CacheError` when Redis is away, at once when that is known."""
