"""Numbers by chance that protect nothing: ids of requests, and what spreads waits and lives.

They are ours alone: an app that says `random.seed(1)` in each of its processes gives no two requests one id, and its own
numbers, which it may want to be the same in each run, are not disturbed by threads of ours.
"""

from __future__ import annotations

import random
from typing import Final

from ._after_fork import reset_in_children


class Chance(random.Random):
    """A generator of its own, begun by the system's, and anew in each forked child. Thread-safe, as `random` is."""

    def __init__(self) -> None:
        super().__init__()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """A child goes on otherwise than its parent and the other children."""
        self.seed()


CHANCE: Final = Chance()
