"""Builds the cache of an app."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._redis import connect
from .backends.local_feed import LocalFeed
from .backends.redis_feed import RedisFeed
from .near_cache import NearCache

if TYPE_CHECKING:
    from flask import Flask

    from .._foundation import Foundation
    from ..declarations import Declaration
    from ..guard import Enforcer
    from .feed import InvalidationFeed
    from .settings import CacheSettings


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The feed of invalidations of an app and the channel it listens to; what near caches are made with."""

    settings: CacheSettings
    channel: str
    feed: InvalidationFeed

    def make_near_cache(self, *, max_entries: int, ttl_seconds: float) -> NearCache[Any]:
        """A near cache that the feed keeps true."""
        return NearCache(max_entries=max_entries, ttl_seconds=ttl_seconds, feed=self.feed)


def build(app: Flask, settings: CacheSettings, base: Foundation) -> CacheState:
    """The state of an app; connects to nothing. Apps of one namespace share their invalidations.

    The feed and its near caches are there in any case; `settings.enabled` is about cached functions and views.
    """
    del app
    channel = f"backend:cache:{base.namespace}"
    feed: InvalidationFeed = LocalFeed()
    if base.redis is not None:
        feed = RedisFeed(
            partial(connect, base.redis_settings),
            channel=channel,
            log=base.log,
            outage=base.redis.outage,
        )
    return CacheState(settings=settings, channel=channel, feed=feed)


def enforcers(state: CacheState) -> dict[type[Declaration], Enforcer]:
    """Who enforces what this feature can declare (`@cached_view`, `@cache_control`)."""
    del state
    return {}
