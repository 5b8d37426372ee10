"""What this process knows to be refused, so that asking again costs nothing.

What a bucket says about a request it refuses (`Standing.retry_seconds`) is the soonest moment at which the same request,
alone, would fit; others can only make it later. Only an operator makes room earlier, or a role that a caller is given: so
nothing is known for longer than `MAX_SECONDS`, then the bucket is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from .recent_entries import RecentEntries

MAX_ENTRIES: Final = 20_000
MAX_SECONDS: Final = 5.0
# How keys of buckets are named to the other processes, beside what else is told there (`InvalidationFeed`).
FEED_PREFIX: Final = "limits:bucket:"

Clock: TypeAlias = Callable[[], float]


def feed_key(key: str) -> str:
    """What to publish when somebody has cleared the bucket `key`: all processes forget that it refuses."""
    return FEED_PREFIX + key


def buckets_in(keys: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The keys of buckets among those of a message; None for all."""
    if keys is None:
        return None
    return tuple(key.removeprefix(FEED_PREFIX) for key in keys if key.startswith(FEED_PREFIX))


class Refusals:
    """Buckets that are known to refuse: key -> from which cost on, until when, and how long that is known.

    Thread-safe, bounded.

    A key has to stand for one amount in one window: tiers that share a key would answer for each other. `clock` is in
    seconds, from any beginning.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, clock: Clock = time.monotonic) -> None:
        self._entries: RecentEntries[str, tuple[int, float, float]] = RecentEntries(max_entries)
        self._clock = clock

    def note(self, key: str, cost: int, retry_seconds: float) -> None:
        """`cost` was refused; it fits in `retry_seconds` at the earliest."""
        if retry_seconds <= 0:
            return
        known, now = self._entries.get(key), self._clock()
        # What refuses less also refuses more; the other way round nothing is known.
        if known is None or cost <= known[0] or known[2] <= now:
            self._entries.put(key, (cost, now + retry_seconds, now + min(retry_seconds, MAX_SECONDS)))

    def retry_seconds(self, key: str, cost: int) -> float:
        """In how many seconds to ask again; 0.0 when it is not known to be refused."""
        known = self._entries.get(key)
        if known is None or cost < known[0]:
            return 0.0
        now = self._clock()
        return max(0.0, known[1] - now) if now < known[2] else 0.0

    def forget(self, *keys: str) -> None:
        """Somebody has made room in these buckets."""
        self._entries.discard(*keys)

    def hear(self, keys: tuple[str, ...] | None) -> None:
        """A listener for the feed: forget what is named by `feed_key`, everything for None."""
        buckets = buckets_in(keys)
        if buckets is None:
            self._entries.clear()
        elif buckets:
            self._entries.discard(*buckets)
