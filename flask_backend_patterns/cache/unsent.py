"""Invalidations that the store could not be told, remembered until it can be."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from .._after_fork import reset_in_children
from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .protocols import ValueStore

MAX_NAMES: Final = 10_000
RETRY_SECONDS: Final = 0.25


class UnsentInvalidations:
    """At most `max_names` of them; with more, everything is to be forgotten. Thread-safe.

    While there are any, the process must not read the store: it still has the values that they are about.
    """

    def __init__(self, *, max_names: int = MAX_NAMES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_names = max_names
        self._clock = clock
        self._keys: set[str] = set()
        self._tags: set[str] = set()
        self._prefixes: set[str] = set()
        self._is_everything = False
        self._retry_at = 0.0
        self.is_empty = True
        self._lock = threading.Lock()  # of the sets
        self._sending = threading.Lock()
        reset_in_children(self)

    def add(
        self,
        *,
        keys: Iterable[str] = (),
        tags: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        everything: bool = False,
    ) -> None:
        """Remember."""
        with self._lock:
            self.is_empty = False
            self._keys.update(keys)
            self._tags.update(tags)
            self._prefixes.update(prefixes)
            if everything or len(self._keys) + len(self._tags) + len(self._prefixes) > self._max_names:
                self._is_everything = True
                self._keys, self._tags, self._prefixes = set(), set(), set()

    def send(self, store: ValueStore, *, everything_tag: str) -> bool:
        """Send what is remembered, if anything; whether nothing is left. One at a time tries, at most four times a second."""
        if self.is_empty:
            return True
        if self._clock() < self._retry_at or not self._sending.acquire(blocking=False):
            return False
        try:
            return self._send(store, everything_tag)
        finally:
            self._sending.release()

    def reset_after_fork(self) -> None:
        """The parent sends what it has not sent; the child does, too: twice is harmless, never is not."""
        self._lock, self._sending = threading.Lock(), threading.Lock()

    def _send(self, store: ValueStore, everything_tag: str) -> bool:
        with self._lock:
            keys, tags, prefixes = tuple(self._keys), tuple(self._tags), tuple(self._prefixes)
            everything = self._is_everything
            self._keys, self._tags, self._prefixes, self._is_everything = set(), set(), set(), False
        try:
            if everything:
                store.invalidate(tags=(everything_tag,))
            elif keys or tags:
                store.invalidate(keys=keys, tags=tags)
            for prefix in prefixes:
                store.invalidate(prefix=prefix)
        except CacheError:
            self._retry_at = self._clock() + RETRY_SECONDS
            self.add(keys=keys, tags=tags, prefixes=prefixes, everything=everything)
            return False
        with self._lock:
            self.is_empty = not (self._keys or self._tags or self._prefixes or self._is_everything)
            return self.is_empty
