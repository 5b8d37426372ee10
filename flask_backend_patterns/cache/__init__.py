"""Cached values, near and in a store, kept true by tags and by invalidations over Redis."""

from .access import get_many_or_load, get_or_load, get_or_load_async, invalidate, write_through
from .aside import CacheAside
from .backends.local_feed import LocalFeed
from .backends.redis_feed import RedisFeed
from .commit import (
    Invalidations,
    invalidate_after_commit,
    watch_changes,
    write_through_after_commit,
)
from .decorators import CachedCoroutine, CachedFunction, cached
from .feed import EVERYTHING, InvalidationFeed, Listener, decode_keys, encode_keys, publish_script
from .keys import UnstableKeyError
from .memo import memo
from .near_cache import MISSING, Missing, NearCache
from .policy import NotStored
from .uncacheable import UncacheableValueError
from .view_cache import cache_control, cached_view

__all__ = [
    "EVERYTHING",
    "MISSING",
    "CacheAside",
    "CachedCoroutine",
    "CachedFunction",
    "InvalidationFeed",
    "Invalidations",
    "Listener",
    "LocalFeed",
    "Missing",
    "NearCache",
    "NotStored",
    "RedisFeed",
    "UncacheableValueError",
    "UnstableKeyError",
    "cache_control",
    "cached",
    "cached_view",
    "decode_keys",
    "encode_keys",
    "get_many_or_load",
    "get_or_load",
    "get_or_load_async",
    "invalidate",
    "invalidate_after_commit",
    "memo",
    "publish_script",
    "watch_changes",
    "write_through",
    "write_through_after_commit",
]
