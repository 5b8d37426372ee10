"""Which store an app gets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from .._shared_redis import SharedRedis
from .backends.app_redis import has_same_address, is_redis_backend, prefix_of, url_of
from .backends.flask_caching_store import ENTRIES_A_SLOT, MAX_SLOTS, MIN_SLOTS, FlaskCachingStore
from .backends.memory_store import MemoryStore
from .backends.redis_store import RedisStore
from .clearing import guard_clear
from .feed import encode_keys
from .settings import AUTO, FLASK_CACHING, MEMORY, REDIS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Flask

    from .._foundation import Foundation
    from .protocols import ValueStore
    from .settings import CacheSettings

OF_ONE_PROCESS: Final = ("SimpleCache", "NullCache")  # Flask-Caching's backends whose values nobody else has


def find_store(app: Flask, settings: CacheSettings, base: Foundation, channel: str) -> ValueStore:
    """The store that `BACKEND_CACHE_STORE` names; `auto` takes Redis, else the app's `Cache`, else this process.

    To be called when a value is first asked for: the app's `Cache` may be set up after us. Connects to nothing. Raises
    `SetupError` when what is wanted is not there.
    """
    guard_clear(app, base.redis)
    if settings.store in (AUTO, REDIS) and base.redis is not None:
        return RedisStore(base.redis, channel=channel)
    if settings.store == REDIS:
        raise SetupError("BACKEND_CACHE_STORE is 'redis', but BACKEND_REDIS_URL is not set.")
    if settings.store == MEMORY:
        return MemoryStore()
    cache = base.wrapped.find(app, "cache")
    if cache is not None:
        return _on_flask_caching(app.extensions["cache"][cache], base, channel)
    if settings.store == FLASK_CACHING:
        raise SetupError(
            "BACKEND_CACHE_STORE is 'flask-caching', but the app has no Cache; call cache.init_app(app)."
        )
    return MemoryStore()


def _on_flask_caching(backend: Any, base: Foundation, channel: str) -> ValueStore:
    if is_redis_backend(backend):
        return _on_redis_of(backend, base, channel)
    tell: Callable[[Sequence[str]], object] | None = None
    is_shared = type(backend).__name__ not in OF_ONE_PROCESS
    if not is_shared:
        tell = len  # nobody else has its values
    elif base.redis is not None:
        tell = partial(_publish, base.redis, channel)
    return FlaskCachingStore(
        backend, namespace=base.namespace, slots=slots_for(backend), is_shared=is_shared, tell=tell
    )


def slots_for(backend: Any) -> int:
    """How many slots suit a backend: few where it holds few entries."""
    threshold = getattr(backend, "_threshold", 0)
    return max(MIN_SLOTS, min(MAX_SLOTS, threshold // ENTRIES_A_SLOT)) if threshold else MAX_SLOTS


def _on_redis_of(backend: Any, base: Foundation, channel: str) -> RedisStore:
    """Its Redis and key prefix, but neither its pickles nor its patience: each decision is one step there, too."""
    client = backend._write_client  # noqa: SLF001 - it has no public name
    prefix = f"{prefix_of(backend)}backend:cache:{{{base.namespace}}}:"
    if base.redis is not None and has_same_address(client, base.redis.client):  # which asks nobody
        return RedisStore(base.redis, channel=channel, prefix=prefix)
    url = url_of(client)
    if url is None:
        raise SetupError(
            "The app's Cache reaches Redis in a way that has no URL; set BACKEND_REDIS_URL for cached values."
        )
    settings = replace(base.redis_settings, url=url)
    redis = SharedRedis(settings, namespace=base.namespace, log=base.log)
    # The feed of invalidations is not on that Redis.
    return RedisStore(redis, channel=None, prefix=prefix)


def _publish(redis: SharedRedis, channel: str, names: Sequence[str]) -> None:
    redis.command("PUBLISH", channel, encode_keys(tuple(names)))
