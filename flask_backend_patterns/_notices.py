"""Counts what would be said again and again, so that it is said now and then, with how often it happened."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_BETWEEN: Final = 60.0
MAX_NAMES: Final = 1000  # kept at once; with more, all are forgotten, and said again


class Notices:
    """What has happened, by event and name. Thread-safe; one for each process. `clock` gives seconds of any origin."""

    def __init__(
        self, *, seconds_between: float = SECONDS_BETWEEN, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_between = seconds_between
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, int]] = {}  # when it was said last, how often since
        self._lock = threading.RLock()  # reentrant: a finalizer may run anywhere
        reset_in_children(self)

    def times(self, event: str, name: str = "") -> int:
        """To be called when it happens: how often since it was said last, or 0 when it is not to be said now."""
        now = self._clock()
        with self._lock:
            said_at, count = self._known.get((event, name), (float("-inf"), 0))
            if now - said_at < self._seconds_between:
                self._known[event, name] = (said_at, count + 1)
                return 0
            if len(self._known) >= MAX_NAMES:
                self._known = {}
            self._known[event, name] = (now, 0)
            return count + 1

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.RLock()
