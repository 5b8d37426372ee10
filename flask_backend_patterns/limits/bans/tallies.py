"""Refusals that a process has counted and not yet told the others, so that not each one costs a trip."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ..._after_fork import reset_in_children
from ..recent_entries import RecentEntries

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE: Final = 8  # a process keeps back at most this part of what may still come
TELL_SECONDS: Final = 1.0  # and for no longer than this, while more come


class _Tally:
    __slots__ = ("began", "kept_back", "known", "told_at")

    def __init__(self, now: float) -> None:
        self.began = now
        self.told_at = now
        self.known = 0  # in all processes, as far as is known here
        self.kept_back = 0


class Tallies:
    """By network. Thread-safe, bounded; a process that is alone loses none and is late with none.

    `let_pass` and `window_seconds` are those of `Bans`. Of several processes each may keep back an eighth of what was
    left to come when it last asked.
    """

    def __init__(
        self,
        *,
        let_pass: int,
        window_seconds: float,
        max_entries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._let_pass = let_pass
        self._window_seconds = window_seconds
        self._clock = clock
        self._tallies: RecentEntries[str, _Tally] = RecentEntries(max_entries)
        self._lock = threading.Lock()
        reset_in_children(self)

    def due(self, network: str) -> int:
        """How many refusals to tell now that there is one more; 0: none yet."""
        now = self._clock()
        with self._lock:
            tally = self._tallies.get(network)
            if tally is None or now >= tally.began + self._window_seconds:
                self._tallies.put(network, tally := _Tally(now))
            tally.kept_back += 1
            is_first, is_late = not tally.known, now >= tally.told_at + TELL_SECONDS
            if not (is_first or is_late or tally.kept_back > (self._let_pass - tally.known) // SHARE):
                return 0
            due, tally.kept_back, tally.told_at = tally.kept_back, 0, now
            tally.known += due
            return due

    def note(self, network: str, counted: int) -> None:
        """All processes together have counted so many; 0: they begin anew."""
        with self._lock:
            if not counted:
                self._tallies.discard(network)
            elif (tally := self._tallies.get(network)) is not None:
                tally.known = max(tally.known, counted)

    def forget(self, network: str) -> None:
        """It begins anew."""
        self._tallies.discard(network)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; what the parent kept back, the parent tells."""
        self._lock = threading.Lock()
        self._tallies.clear()
