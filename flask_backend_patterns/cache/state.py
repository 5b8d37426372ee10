"""What the cache keeps for an app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .near_cache import NearCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .aside import CacheAside
    from .feed import InvalidationFeed
    from .settings import CacheSettings


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The feed of invalidations of an app and the channel it listens to; what near caches are made with.

    `aside` is the engine of cached functions and views, None when the cache is switched off.
    """

    settings: CacheSettings
    channel: str
    feed: InvalidationFeed
    aside: CacheAside | None = None
    # What each `@cached` function has compiled for this app; None where it is just called.
    functions: dict[Any, Any] = field(default_factory=dict, repr=False)

    def make_near_cache(self, *, max_entries: int, ttl_seconds: float) -> NearCache[Any]:
        """A near cache that the feed keeps true."""
        return NearCache(max_entries=max_entries, ttl_seconds=ttl_seconds, feed=self.feed)

    def stats(self) -> Mapping[str, Any]:
        """Facts for people: what is kept near, what was asked for, and what the store says. `CacheError` if it is away."""
        if self.aside is None:
            return {}
        return {**self.aside.stats(), "store": self.aside.store.stats()}
