"""Revocations that this process has learned of: facts that no outage and no lost data can undo."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class KnownRevocations:
    """Numbers by key, which only grow; bounded, the oldest goes first. Thread-safe; reading takes no lock."""

    def __init__(self, max_entries: int = 10_000) -> None:
        self._max_entries = max_entries
        self._values: dict[str, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> int:
        """What is known, 0 for nothing."""
        return self._values.get(key, 0)

    def learn(self, facts: Mapping[str, int]) -> None:
        """Remember what is not 0."""
        with self._lock:
            for key, value in facts.items():
                if value:
                    self._values[key] = max(value, self._values.pop(key, 0))
            while len(self._values) > self._max_entries:
                del self._values[next(iter(self._values))]
