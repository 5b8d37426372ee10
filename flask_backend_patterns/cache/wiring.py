"""Builds the cache of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._contribution import Contribution
from .._first_request import at_first_request
from .aside import CacheAside
from .backends.local_feed import LocalFeed
from .backends.redis_feed import RedisFeed
from .clearing import guard_clear
from .near_values import NearValues
from .state import CacheState
from .stores import find_store
from .view_cache import wiring as view_cache

if TYPE_CHECKING:
    from contextlib import ExitStack

    from flask import Flask

    from .._foundation import Foundation
    from .._shared_redis import SharedRedis
    from ..declarations import Declaration
    from ..guard import Enforcer
    from .feed import InvalidationFeed
    from .settings import CacheSettings

__all__ = ["CacheState", "build", "contribution", "enforcers", "install"]


def build(app: Flask, settings: CacheSettings, base: Foundation) -> CacheState:
    """The state of an app; connects to nothing. Apps of one namespace share their invalidations.

    The feed and its near caches are there in any case; `settings.enabled` is about cached functions and views.
    """
    # In a Cluster its messages have to come from the node that has the keys: the same hash tag.
    channel = f"backend:cache:{{{base.namespace}}}"
    feed: InvalidationFeed = LocalFeed()
    redis = base.redis
    if redis is not None:
        feed = RedisFeed(lambda: redis.client, channel=channel, log=base.log, outage=redis.outage)
    aside = _engine(app, settings, base, channel, feed) if settings.enabled else None
    return CacheState(settings=settings, channel=channel, feed=feed, aside=aside)


def _engine(
    app: Flask, settings: CacheSettings, base: Foundation, channel: str, feed: InvalidationFeed
) -> CacheAside:
    near = NearValues(
        max_entries=settings.near_entries,
        max_bytes=settings.near_bytes,
        ttl_seconds=settings.near_seconds,
        feed=feed,
    )
    engine = CacheAside(
        settings,
        find_store=lambda: find_store(app, settings, base, channel),
        near=near,
        publish=feed.publish,
        log=base.log,
        metrics=base.metrics,
    )
    if base.redis is not None:
        base.redis.on_recovery(engine.send_unsent)
    return engine


def enforcers(state: CacheState) -> dict[type[Declaration], Enforcer]:
    """Who enforces what this feature can declare (`@cached_view`, `@cache_control`)."""
    return {} if state.aside is None else view_cache.enforcers(state.aside)


def install(app: Flask, redis: SharedRedis | None, undo: ExitStack) -> None:
    """Keep the `clear` of the app's caches from our Redis (PITFALLS R4): of those that are there by now."""
    guard_clear(app, redis, undo)


def contribution(app: Flask, state: CacheState, redis: SharedRedis | None) -> Contribution:
    """`Cache-Control` as declared, and a look at what is there at the first request, when the app is complete.

    It comes before that of authentication, which fills the gap.
    """
    ours = Contribution() if state.aside is None else view_cache.contribution()
    log = None if state.aside is None else state.aside.log

    def look() -> None:
        guard_clear(app, redis)
        if log is not None:
            view_cache.log_unsafe_views(app, log)

    return Contribution(begin=at_first_request(look), headers=ours.headers)
