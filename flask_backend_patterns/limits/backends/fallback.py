"""Counts in Redis, and in the process while Redis is away."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from ...errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._contribution import EventLog
    from ..protocols import Charge, Standing
    from .memory import MemoryWindows
    from .redis import RedisWindows

QUIET_SECONDS = 60.0


class FallbackWindows:
    """`shared` while it answers, `memory` while it does not: then each process allows the whole of a limit.

    Nothing is carried over: while Redis is away a process counts from nothing (or from its last such time, if that is
    not over), and what it counted then does not matter once Redis is back, which it finds out by itself.

    A Redis that answers, but refuses to count (it is full, or only to be read), is a `limits_not_shared` in the log, once
    in `QUIET_SECONDS`; its going away is told by `RedisOutage`.
    """

    def __init__(
        self,
        shared: RedisWindows,
        memory: MemoryWindows,
        *,
        log: EventLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._memory = memory
        self._log = log
        self._clock = clock
        self._told_at = -math.inf

    @property
    def is_down(self) -> bool:
        """Whether the process counts for itself; costs nothing."""
        return self._shared.is_down

    def charge(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See `Windows`. Never raises for what Redis does; within a millisecond while it is known to be away."""
        if not self._shared.is_down:
            try:
                return self._shared.charge(charges)
            except CacheError as error:
                self._tell(error)
        return tuple([standing._replace(is_stopgap=True) for standing in self._memory.charge(charges)])

    def clear(self, *keys: str) -> None:
        """See `Windows`. Raises `CacheError` when the shared counts could not be reached; those of this process are gone."""
        self._memory.clear(*keys)
        self._shared.clear(*keys)

    def clear_all(self, prefix: str) -> int:
        """Forget all keys that begin with `prefix`, as `clear` does; how many there were in Redis."""
        self._memory.clear_all(prefix)
        return self._shared.clear_all(prefix)

    def _tell(self, error: CacheError) -> None:
        """Threads may tell it twice; none waits for another."""
        now = self._clock()
        if self._log is None or self._shared.is_down or now < self._told_at + QUIET_SECONDS:
            return
        self._told_at = now
        self._log.warning("limits_not_shared", cause=str(error.__cause__ or error))
