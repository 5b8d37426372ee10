"""A line of the log that many requests would write: one does now and then, and says how many did not."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from .._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_SECONDS: Final = 10.0


class RareLines:
    """Lets one line through in `quiet_seconds`. Thread-safe; one for each process."""

    def __init__(
        self, *, quiet_seconds: float = QUIET_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet_seconds = quiet_seconds
        self._clock = clock
        self._next_at: float | None = None
        self._held_back = 0
        self._lock = threading.RLock()
        reset_in_children(self)

    def next_line(self) -> int | None:
        """How many were held back since the last one, when this one is to be written; None when it is held back."""
        with self._lock:
            now = self._clock()
            if self._next_at is not None and now < self._next_at:
                self._held_back += 1
                return None
            self._next_at = now + self._quiet_seconds
            held_back, self._held_back = self._held_back, 0
            return held_back

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.RLock()
