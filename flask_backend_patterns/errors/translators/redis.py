"""Translates redis-py's exceptions."""

from __future__ import annotations

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..tree import CacheError


def translate(error: Exception) -> CacheError:
    """A route that cannot do without Redis is away while Redis is."""
    failure = CacheError()
    failure.is_outage = isinstance(error, (RedisConnectionError, RedisTimeoutError))
    return failure
