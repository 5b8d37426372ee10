"""Builds what near caches share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._redis import connect
from .._redis_outage import RedisOutage
from .backends.local_feed import LocalFeed
from .backends.redis_feed import RedisFeed
from .near_cache import NearCache

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .._redis import RedisSettings
    from .feed import InvalidationFeed


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The feed of invalidations of an app, the channel it listens to, and whether its Redis is away."""

    channel: str
    feed: InvalidationFeed
    outage: RedisOutage

    def make_near_cache(self, *, max_entries: int, ttl_seconds: float) -> NearCache[Any]:
        """A near cache that the feed keeps true."""
        return NearCache(max_entries=max_entries, ttl_seconds=ttl_seconds, feed=self.feed)


def build(namespace: str, redis: RedisSettings, *, log: EventLog) -> CacheState:
    """The state of an app; connects to nothing. Apps of one namespace share their invalidations."""
    channel = f"backend:cache:{namespace}"
    outage = RedisOutage(log=log)
    feed: InvalidationFeed = LocalFeed()
    if redis.url is not None:
        feed = RedisFeed(partial(connect, redis), channel=channel, log=log, outage=outage)
    return CacheState(channel=channel, feed=feed, outage=outage)
