"""Keeps the leases of slow loads alive, by one thread for the whole process."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import TYPE_CHECKING, Final

from .._after_fork import reset_in_children
from ..errors import CacheError

if TYPE_CHECKING:
    from .protocols import Lease, ValueStore

RENEWALS_PER_LEASE: Final = 3
IDLE_SECONDS: Final = 10.0


class LeaseKeeper:
    """Renews what is held, three times in the life of a lease; its thread ends when nothing was held for a while."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[ValueStore, Lease, float]] = {}  # by owner
        self._interval = float("inf")
        self._thread: threading.Thread | None = None
        self._condition = threading.Condition(threading.RLock())
        reset_in_children(self)

    def hold(self, store: ValueStore, lease: Lease, lease_seconds: float) -> None:
        """Renew from now on."""
        interval = lease_seconds / RENEWALS_PER_LEASE
        with self._condition:
            self._held[lease.owner] = (store, lease, lease_seconds)
            if interval < self._interval:
                self._interval = interval
                self._condition.notify()
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="cache-leases", daemon=True)
                # no thread to be had (a limit, or the end of the process): the lease ends when its time is over
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def drop(self, lease: Lease) -> None:
        """Renew no more."""
        self._held.pop(lease.owner, None)

    def reset_after_fork(self) -> None:
        """What the parent's threads hold is theirs."""
        self._condition = threading.Condition(threading.RLock())
        self._held, self._thread, self._interval = {}, None, float("inf")

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            with self._condition:
                self._condition.wait(self._interval)
                held = list(self._held.values())
                if held:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > IDLE_SECONDS:
                    self._thread, self._interval = None, float("inf")
                    return
            self._renew(held)

    def _renew(self, held: list[tuple[ValueStore, Lease, float]]) -> None:
        groups: dict[tuple[int, float], list[tuple[ValueStore, Lease]]] = {}
        for store, lease, seconds in held:
            groups.setdefault((id(store), seconds), []).append((store, lease))
        for (_, seconds), members in groups.items():
            try:
                members[0][0].renew([lease for _, lease in members], lease_seconds=seconds)
            except CacheError:
                continue  # the leases run out, and whoever takes them over is fenced from what comes late


@functools.cache
def process_keeper() -> LeaseKeeper:
    """The one of this process."""
    return LeaseKeeper()
