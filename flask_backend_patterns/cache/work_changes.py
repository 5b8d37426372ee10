"""What a unit of work has changed in the cache: told after its commit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import has_app_context

from .access import engine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .aside import CacheAside
    from .pending_write import PendingWrite


def _present_caches() -> Sequence[CacheAside]:
    engine = engine_of("Invalidations")
    return () if engine is None else (engine,)


def log_lost(names: Iterable[str]) -> None:
    """Log that nobody was told of these."""
    logging.getLogger("flask_backend_patterns").error(
        "cache_invalidation_lost: committed outside an app context, so no cache was told of %s; commit inside one, or "
        "say watch_changes(sessions, app=app)",
        ", ".join(list(names)[:5]),
    )


class Invalidations:
    """What a unit of work has changed: collected while it lasts, and sent after its commit.

    A savepoint has one of its own, which `add_all` joins to the outer one when it is released. Not for several threads
    at once.
    """

    def __init__(
        self,
        *,
        find_caches: Callable[[], Sequence[CacheAside]] = _present_caches,
        note_lost: Callable[[Iterable[str]], None] = log_lost,
    ) -> None:
        self._keys: dict[str, None] = {}
        self._tags: dict[str, None] = {}
        self._writes: dict[str, PendingWrite] = {}  # by key: the last one counts
        self._announced: set[tuple[str, str]] = set()
        self._find_caches = find_caches
        self._note_lost = note_lost
        self._caches: dict[CacheAside, None] = {}

    def __bool__(self) -> bool:
        return bool(self._keys or self._tags or self._writes)

    def add(self, *, tags: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Forget these after the commit, in the app of now or of then."""
        self._tags.update(dict.fromkeys(tags))
        self._keys.update(dict.fromkeys(keys))
        self._note_caches()

    def add_write(self, write: PendingWrite) -> None:
        """Keep this value after the commit."""
        earlier = self._writes.get(write.key)
        if earlier is not None:
            earlier.cancel()
        self._writes[write.key] = write
        self._note_caches()

    def add_all(self, other: Invalidations) -> None:
        """Those of a part that was committed into this one."""
        self._tags.update(other._tags)
        self._keys.update(other._keys)
        self._announced.update(other._announced)
        self._caches.update(other._caches)
        for write in other._writes.values():
            self.add_write(write)

    def prepare(self) -> None:
        """To be called before the commit, in the current app; again when something was added since.

        Should the process die in between, nothing old stays: see `CacheAside.announce`.
        """
        tags = [tag for tag in self._tags if ("t", tag) not in self._announced]
        keys = [key for key in self._keys if ("k", key) not in self._announced]
        if tags or keys:
            for cache in self._note_caches():
                cache.announce(tags=tags, keys=keys)
            self._announced.update([("t", tag) for tag in tags], [("k", key) for key in keys])
        for write in self._writes.values():
            write.prepare()

    def send(self) -> None:
        """Forget and write. Never raises for a store that is away."""
        tags, keys, writes = tuple(self._tags), tuple(self._keys), tuple(self._writes.values())
        self._keys, self._tags, self._writes, self._announced = {}, {}, {}, set()
        caches = self._note_caches()
        if tags or keys:
            if not caches and not has_app_context():
                self._note_lost((*tags, *keys))
            for cache in caches:
                cache.invalidate(tags=tags, keys=keys)
        for write in writes:
            write.finish()

    def discard(self) -> None:
        """Nothing has happened. What was to be forgotten is, since it may have been read while it was not committed."""
        tags, keys = tuple(self._tags), tuple(self._keys)
        self.cancel_writes()
        self._keys, self._tags, self._announced = {}, {}, set()
        for cache in self._note_caches() if tags or keys else ():
            cache.invalidate(tags=tags, keys=keys)

    def cancel_writes(self) -> None:
        """Keep no values: forget their keys instead."""
        for write in self._writes.values():
            write.cancel()
        self._keys.update(dict.fromkeys(self._writes))
        self._writes = {}

    def _note_caches(self) -> tuple[CacheAside, ...]:
        self._caches.update(dict.fromkeys(self._find_caches()))
        return tuple(self._caches)
