"""What has been invalidated lately: what a session has read before that must not be kept after it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from .._after_fork import reset_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_NAMES: Final = 10_000


class RecentChanges:
    """The names that invalidations were about, each with its time; with more than `max_names` all count as changed.

    Told by this process and by the feed. Thread-safe.
    """

    def __init__(self, *, max_names: int = MAX_NAMES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_names = max_names
        self._clock = clock
        self._changed_at: dict[str, float] = {}
        self._all_changed_at = float("-inf")
        self._lock = threading.Lock()
        reset_in_children(self)

    def note(self, names: Iterable[str] | None) -> None:
        """These have changed now; None for everything."""
        now = self._clock()
        with self._lock:
            if names is not None:
                self._changed_at.update(dict.fromkeys(names, now))
            if names is None or len(self._changed_at) > self._max_names:
                self._changed_at = {}
                self._all_changed_at = now

    def any_since(self, moment: float, names: Iterable[str]) -> bool:
        """Whether one of `names` has changed since, or may have."""
        if self._all_changed_at >= moment:
            return True
        changed_at = self._changed_at
        return any(changed_at.get(name, float("-inf")) >= moment for name in names)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()
