"""Sends, when the process ends, what stores could not be told; and says so where they still cannot."""

from __future__ import annotations

import atexit
import functools
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from .._after_fork import reset_in_children

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .unsent import UnsentInvalidations

EXIT_SECONDS: Final = 1.0  # so long the end of a process waits for a store that is away
PAUSE_SECONDS: Final = 0.05


class Sender(Protocol):
    """What has something to send."""

    log: EventLog
    unsent: UnsentInvalidations

    def send_unsent(self) -> bool:
        """Whether nothing is left."""


class LastSenders:
    """Those of one process, held weakly; at work at its regular end (also by `sys.exit`, as on gunicorn's SIGTERM)."""

    def __init__(self) -> None:
        self._senders: WeakSet[Sender] = WeakSet()
        self._lock = threading.Lock()
        atexit.register(self.send)
        reset_in_children(self)

    def add(self, sender: Sender) -> None:
        """It has something to send."""
        with self._lock:
            self._senders.add(sender)

    def send(self, seconds: float = EXIT_SECONDS) -> None:
        """Send all there is, for `seconds` at most; what is left then is said in the log: other processes read old values."""
        deadline = time.monotonic() + seconds
        with self._lock:
            waiting = [sender for sender in self._senders if not sender.unsent.is_empty]
        while waiting := [sender for sender in waiting if not sender.send_unsent()]:
            if time.monotonic() >= deadline:
                break
            time.sleep(PAUSE_SECONDS)
        for sender in waiting:
            sender.log.error(
                "cache_invalidations_lost",
                hint="The process ended while the store was away. Once it is back: flask backend cache invalidate --everything",
            )

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()


@functools.cache
def last_senders() -> LastSenders:
    """The ones of this process."""
    return LastSenders()
