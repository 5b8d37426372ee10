"""Which tokens have been revoked: answered from this process's memory, from Redis where that does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import CacheError, ServiceUnavailableError
from ..settings import CLOSED
from .known_revocations import KnownRevocations
from .session import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .keys import SessionKeys
    from .protocols import NearCache, RevocationReader


# What is kept of a session or token that has ended, later than any time; see `shared.lua`.
ENDED: Final = 2**53 - 1


class Revocations:
    """A `RevocationList` over the near cache.

    The session (or token) and its user are looked up together: no round trip while the cache knows both and is trusted,
    one otherwise. `access_outage` decides what is not known while Redis is away; what is known to be revoked stays so.
    """

    def __init__(
        self,
        *,
        reader: RevocationReader,
        cache: NearCache,
        keys: SessionKeys,
        access_outage: str,
        known: KnownRevocations | None = None,
    ) -> None:
        self._reader = reader
        self._cache = cache
        self._keys = keys
        self._is_closed = access_outage == CLOSED
        self._known = KnownRevocations() if known is None else known

    def is_revoked(
        self, *, subject: str, session_id: str | None, token_id: str | None, issued_at: float
    ) -> bool:
        """See `RevocationList`. Tokens issued in the very microsecond of a "log out everywhere" are revoked."""
        keys = self._names(subject, session_id, token_id)
        values = self._cache.known(keys)
        return self._look_up(keys, issued_at) if values is None else _holds(values, issued_at)

    def _look_up(self, keys: Sequence[str], issued_at: float) -> bool:
        """The same when not all is known here: in one round trip."""
        try:
            values = self._cache.get_or_load_many(keys, self._load)
        except CacheError as error:
            if _holds(self._remembered(keys), issued_at):
                return True
            if self._is_closed:
                raise ServiceUnavailableError(retry_after=error.retry_after) from error
            return False
        return _holds([values[key] for key in keys], issued_at)

    def is_known_revoked(
        self, *, subject: str, session_id: str | None, token_id: str | None, issued_at: float
    ) -> bool:
        """Whether this process knows it to be revoked; asks nobody. For when Redis is away."""
        keys = self._names(subject, session_id, token_id)
        return _holds(self._remembered(keys), issued_at)

    def learn(self, facts: Mapping[str, int]) -> None:
        """This process has just written `facts`: they count here at once, before the invalidation comes back."""
        self._known.learn(facts)
        for key in facts:
            self._cache.discard(key)

    def _names(self, subject: str, session_id: str | None, token_id: str | None) -> tuple[str, ...]:
        of = self._keys.of(subject)
        if session_id is not None:
            return of.not_before, of.revoked_session(session_id)
        if token_id is not None:
            return of.not_before, of.revoked_token(token_id)
        return (of.not_before,)

    def _load(self, keys: Sequence[str]) -> Mapping[str, int]:
        found = self._reader.read(keys)
        self._known.learn(found)
        return {key: max(value, self._known.get(key)) for key, value in found.items()}

    def _remembered(self, keys: Sequence[str]) -> list[int]:
        """What is known without Redis: facts, and what the cache has although it may be out of date."""
        cached = [self._cache.peek(key) for key in keys]
        return [
            max(value if isinstance(value, int) else 0, self._known.get(key))
            for key, value in zip(keys, cached, strict=True)
        ]


def _holds(values: Sequence[int], issued_at: float) -> bool:
    """Whether "not before" (in microseconds) and, if there is one, the record of the session or token say revoked.

    The record of a session that was kept is the "not before" of that moment, which does not concern it.
    """
    record = values[1] if len(values) > 1 else 0
    if record >= ENDED:
        return True
    return values[0] > record and round(issued_at * MICROSECONDS) <= values[0]
