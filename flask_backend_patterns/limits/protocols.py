"""What the parts of the feature say to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A request's weight on one limit: `amount` in `window_seconds` for `key`; `cost` of it is asked for now (0: only look).

    `strategy` is one of `limits.settings`. With GCRA `amount` is the burst, refilled evenly over the window.
    """

    key: str
    amount: int
    window_seconds: int
    cost: int
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a limit stands after a decision.

    `remaining` is what may still be asked for now, `reset_seconds` until it is all there again, `retry_seconds` until
    the cost asked for fits (0.0 when it was allowed by this limit; the cost may never fit: then the whole window).
    """

    is_allowed: bool
    remaining: int
    reset_seconds: float
    retry_seconds: float


class Windows(Protocol):
    """Counts. One call is one atomic step: all charges fit and are taken, or none is."""

    def charge(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """The standing of each, in order; the request may go on when all are allowed. Redis: raises `CacheError`."""

    def clear(self, *keys: str) -> None:
        """Forget what was counted for these keys."""
