"""Verified tokens by their whole text: bounded, without a list of ages to keep."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .claims import VerifiedToken


class TokenCache:
    """Two generations: what is asked for moves to the young one, and when that is full the old one goes as a whole.

    Holds at most `max_entries`. Reading takes no lock: a lookup that meets a change of generations is a miss at worst.
    """

    __slots__ = ("_lock", "_old", "_young", "_young_limit")

    def __init__(self, max_entries: int) -> None:
        self._young_limit = max_entries // 2 or max_entries
        self._young: dict[str, VerifiedToken] = {}
        self._old: dict[str, VerifiedToken] = {}
        self._lock = threading.Lock()

    def get(self, token: str) -> VerifiedToken | None:
        """What is known of `token`."""
        found = self._young.get(token)
        if found is None:
            found = self._old.get(token)
            if found is not None:
                self.put(token, found)
        return found

    def put(self, token: str, verified: VerifiedToken) -> None:
        """Remember it."""
        if self._young_limit == 0:
            return
        with self._lock:
            if len(self._young) >= self._young_limit:
                self._old = self._young if self._young_limit > 1 else {}
                self._young = {}
            self._old.pop(token, None)
            self._young[token] = verified

    def discard(self, token: str) -> None:
        """Forget it."""
        with self._lock:
            self._young.pop(token, None)
            self._old.pop(token, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._young) + len(self._old)
