"""Refuses the `cache.clear()` that would empty our Redis: limits, sessions and queues go with it (PITFALLS R4)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from .backends.app_redis import is_redis_backend, is_same, prefix_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from flask import Flask

    from .._shared_redis import SharedRedis

OUR_PREFIX: Final = "backend:"  # of every key of ours, see SharedRedis.key
_MARK: Final = "_flask_backend_patterns_clear"


def guard_clear(app: Flask, redis: SharedRedis | None, undo: ExitStack | None = None) -> None:
    """Make `clear` of the app's caches raise `SetupError` where it would delete keys of ours.

    Flask-Caching deletes all keys with its prefix, and with an empty one the whole database. Whether it is our Redis is
    looked at when it is called. Safe to call again; `undo` takes it back.
    """
    if redis is None:
        return
    for backend in (app.extensions.get("cache") or {}).values():
        if is_redis_backend(backend) and not hasattr(backend, _MARK):
            backend.clear = partial(_clear, backend, backend.clear, redis)
            setattr(backend, _MARK, True)
            if undo is not None:
                undo.callback(_restore, backend)


def _clear(backend: Any, clear: Any, redis: SharedRedis) -> Any:
    prefix = prefix_of(backend)
    if _covers_ours(prefix) and redis.run(lambda client: is_same(backend._write_client, client)):  # noqa: SLF001 - it has no public name
        raise SetupError(
            f"cache.clear() with CACHE_KEY_PREFIX={prefix!r} would delete the limits, sessions and queues that are in the "
            f"same Redis; set CACHE_KEY_PREFIX to a name of the cache's own, or invalidate by tags."
        )
    return clear()


def _covers_ours(prefix: str) -> bool:
    return prefix.startswith(OUR_PREFIX) or fnmatchcase(OUR_PREFIX, prefix + "*")


def _restore(backend: Any) -> None:
    del backend.clear
    delattr(backend, _MARK)
