"""Growing waits between failed attempts of one address on one account."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DOUBLINGS = 40  # beyond any cap; larger powers would leave the whole numbers that Lua has


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long to wait after a failure: nothing for the first `free` ones, then `first_seconds`, then twice that, ...

    At most `longest_seconds`. Counted for each pair of address and account, so that nobody can make another one wait; a
    success begins anew. An address that is known to the account waits too.
    """

    free: int = 5
    first_seconds: float = 1.0
    longest_seconds: float = 30.0

    def seconds_after(self, failures: int) -> float:
        """How long to wait after so many failures; the script in Redis counts the same."""
        if failures < max(1, self.free) or not self.first_seconds:
            return 0.0
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - self.free, MAX_DOUBLINGS))
