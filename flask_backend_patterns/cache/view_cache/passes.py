"""Remembers for a moment whose responses are not kept, so that nobody waits for one that he would not get."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PASS_SECONDS: Final = 2.0
MAX_PASSES: Final = 10_000


class Passes:
    """Keys whose last response was for its caller alone. Thread-safe; all are forgotten at once when room is needed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, key: str) -> None:
        """From now on, for two seconds."""
        if len(self._until) >= MAX_PASSES:
            self._until = {}
        self._until[key] = self._clock() + PASS_SECONDS

    def has(self, key: str) -> bool:
        """Whether nobody should wait for the response of `key`."""
        until = self._until.get(key)
        return until is not None and self._clock() < until
