"""A near cache in the process, kept true by invalidations over Redis."""

from .backends.local_feed import LocalFeed
from .backends.redis_feed import RedisFeed
from .feed import EVERYTHING, InvalidationFeed, Listener, decode_keys, encode_keys, publish_script
from .near_cache import MISSING, Missing, NearCache

__all__ = [
    "EVERYTHING",
    "MISSING",
    "InvalidationFeed",
    "Listener",
    "LocalFeed",
    "Missing",
    "NearCache",
    "RedisFeed",
    "decode_keys",
    "encode_keys",
    "publish_script",
]
