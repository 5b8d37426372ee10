"""A bounded cache in the process, used only while its feed of invalidations can be trusted."""

from __future__ import annotations

import enum
import threading
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .feed import InvalidationFeed

V = TypeVar("V")


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING  # no value is known, which is not the same as the value None


class NearCache(Generic[V]):
    """Values by key, at most `max_entries` of them, each used for `ttl_seconds` at most. Thread-safe; a hit takes no lock.

    A value is stored only when its key was not invalidated, and the feed not lost, from before it was loaded until
    after (PITFALLS C7). What the loader reads must be the current state, so not a replica that lags. Keys should not
    come from strangers unchecked: they push out others. Values are shared by all callers, so treat them as frozen.
    The least recently used half is forgotten at once when room is needed.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        ttl_seconds: float,
        feed: InvalidationFeed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._max_entries = max_entries
        # key -> (value, when its time is over). What is used moves from the older into the recent ones; when these are
        # full they become the older ones. Read without the lock, changed under it.
        self._recent: dict[str, tuple[V, float]] = {}
        self._older: dict[str, tuple[V, float]] = {}
        # key -> the loads at work that have not been overtaken by an invalidation.
        self._loads: dict[str, _Load] = {}
        self._lock = threading.RLock()  # reentrant: a finalizer may run anywhere
        reset_in_children(self)
        feed.listen(self._forget)

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def get_or_load(self, key: str, load: Callable[[], V]) -> V:
        """The value of `key`: the known one if it can be trusted, else what `load()` returns; its exceptions pass through."""
        if not self._feed.is_trusted:
            return load()
        entry = self._recent.get(key) or self._promoted(key)
        if entry is not None and self._clock() < entry[1]:
            return entry[0]
        return self._loaded([key], lambda _: {key: load()})[key]

    def known(self, keys: Iterable[str]) -> list[V] | None:
        """The values of `keys` if all are known and can be trusted, else None; loads nothing."""
        if not self._feed.is_trusted:
            return None
        now, recent = self._clock(), self._recent
        found = []
        for key in keys:
            entry = recent.get(key) or self._promoted(key)
            if entry is None or now >= entry[1]:
                return None
            found.append(entry[0])
        return found

    def get_or_load_many(
        self, keys: Iterable[str], load_many: Callable[[list[str]], Mapping[str, V]]
    ) -> dict[str, V]:
        """The values of `keys`, in their order; `load_many` gets those that are not known, all at once.

        A key that `load_many` leaves out has no value: it is left out of the result, and not remembered.
        """
        wanted = tuple(keys)
        known: dict[str, V] = {}
        if self._feed.is_trusted:
            now, recent = self._clock(), self._recent
            for key in wanted:
                entry = recent.get(key) or self._promoted(key)
                if entry is not None and now < entry[1]:
                    known[key] = entry[0]
            if len(known) == len(wanted):
                return known
            unknown = [key for key in dict.fromkeys(wanted) if key not in known]
            found = self._loaded(unknown, load_many) if unknown else {}
        else:
            found = load_many(list(dict.fromkeys(wanted))) if wanted else {}
        return {
            key: found[key] if key in found else known[key] for key in wanted if key in found or key in known
        }

    def peek(self, key: str) -> V | Missing:
        """What was known of `key` last, or `MISSING`: whether or not it can be trusted or its time is over.

        For callers that cannot load, and for whom something known is better than nothing: what was revoked stays so.
        """
        entry = self._recent.get(key) or self._older.get(key)
        return MISSING if entry is None else entry[0]

    def discard(self, key: str) -> None:
        """Forget `key` in this process, also what is being loaded for it. Others are told by the feed's `publish`."""
        self._forget((key,))

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; what its threads were loading never arrives."""
        self._lock = threading.RLock()
        self._loads = {}

    def _promoted(self, key: str) -> tuple[V, float] | None:
        """The entry, moved from the older to the recent ones."""
        if key not in self._older:
            return None
        with self._lock:
            entry = self._older.get(key)  # looked up again: it may have been invalidated since
            if entry is None:
                return self._recent.get(key)
            self._store(key, entry)
            return entry

    def _loaded(self, keys: list[str], load_many: Callable[[list[str]], Mapping[str, V]]) -> Mapping[str, V]:
        expires_at = (
            self._clock() + self._ttl_seconds
        )  # counted from before the load: the value is as old as that
        loads = self._begin(keys)
        values: Mapping[str, V] = {}
        try:
            values = load_many(keys)
        finally:
            self._end(loads, values, expires_at)
        return values

    def _begin(self, keys: list[str]) -> dict[str, _Load]:
        with self._lock:
            loads = {key: self._loads.setdefault(key, _Load()) for key in keys}
            for load in loads.values():
                load.callers += 1
        return loads

    def _end(self, loads: dict[str, _Load], values: Mapping[str, V], expires_at: float) -> None:
        """Store what nothing has happened to since `_begin`."""
        with self._lock:
            for key, load in loads.items():
                if self._loads.get(key) is not load:
                    continue
                load.callers -= 1
                if not load.callers:
                    del self._loads[key]
                if key in values:
                    self._store(key, (values[key], expires_at))

    def _store(self, key: str, entry: tuple[V, float]) -> None:
        """Put among the recent ones; the caller holds the lock. At every moment a reader finds one entry or the other."""
        if not self._max_entries:
            return
        if key not in self._recent and len(self._recent) >= max(1, self._max_entries // 2):
            self._older = self._recent if self._max_entries > 1 else {}
            self._recent = {}
        self._recent[key] = entry
        self._older.pop(key, None)

    def _forget(self, keys: tuple[str, ...] | None) -> None:
        with self._lock:
            if keys is None:
                self._recent, self._older, self._loads = {}, {}, {}
                return
            for key in keys:
                self._recent.pop(key, None)
                self._older.pop(key, None)
                self._loads.pop(key, None)


class _Load:
    """Callers that load one key at the same time, with no invalidation in between; invalidated once it is not in `_loads`."""

    __slots__ = ("callers",)

    def __init__(self) -> None:
        self.callers = 0
