"""A bounded table in the process, for what strangers may fill."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from .._after_fork import reset_in_children

K = TypeVar("K")
V = TypeVar("V")


class RecentEntries(Generic[K, V]):
    """Values by key, at most `max_entries` of them; when room is needed the half that was used longest ago is forgotten.

    Thread-safe; `get` takes no lock for what was used lately. It never yields None for a key that is there, so values
    should not be None.
    """

    __slots__ = ("__weakref__", "_half", "_lock", "_older", "_recent")

    def __init__(self, max_entries: int) -> None:
        self._half = max(1, max_entries // 2)
        # What is used moves from the older into the recent ones; when these are full they become the older ones.
        self._recent: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._lock = threading.Lock()
        reset_in_children(self)

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def get(self, key: K) -> V | None:
        """The value of `key`, or None."""
        found = self._recent.get(key)
        if found is not None or key not in self._older:
            return found
        with self._lock:
            found = self._older.get(key)  # looked up again: it may have been discarded since
            if found is not None:
                self._store(key, found)
            return found

    def put(self, key: K, value: V) -> None:
        """Keep `value` for `key`, in place of the one that is there."""
        with self._lock:
            self._store(key, value)

    def discard(self, *keys: K) -> None:
        """Forget `keys`; those that are not there do not matter."""
        with self._lock:
            for key in keys:
                self._recent.pop(key, None)
                self._older.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._recent, self._older = {}, {}

    def items(self) -> list[tuple[K, V]]:
        """What is there at this moment."""
        with self._lock:
            return [*self._older.items(), *self._recent.items()]

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def _store(self, key: K, value: V) -> None:
        """Put among the recent ones; the caller holds the lock. At every moment a reader finds one entry or the other."""
        if key not in self._recent and len(self._recent) >= self._half:
            self._older, self._recent = self._recent, {}
        self._recent[key] = value
        self._older.pop(key, None)
