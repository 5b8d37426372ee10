"""A limit with its numbers chosen so that every store counts it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW

MAX_AMOUNT = 100_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
MAX_PLANS = 100_000
MAX_PRODUCT = 2**52  # of amount and window in ticks: Lua's numbers are exact up to 2^53
SECOND = 1_000_000  # microseconds

CODES = {FIXED_WINDOW: "f", SLIDING_WINDOW: "s", GCRA: "g"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimitPlan:
    """What a store needs of a limit. A tick is `tick` microseconds: one, except for very large limits.

    `arguments` are strategy, amount, window and tick as the script in Redis reads them.
    """

    strategy: str
    amount: int
    window: int
    tick: int
    arguments: tuple[bytes, ...]


_MADE: dict[tuple[str, int, int], LimitPlan] = {}


@lru_cache(maxsize=4096)
def plan_of(strategy: str, amount: int, window_seconds: int) -> LimitPlan:
    """The plan of a limit, always the same one while it is in use.

    Raises `ValueError` for an unknown strategy, or numbers that are not between 1 and the largest ones above.
    """
    if strategy not in CODES:
        raise ValueError(f"unknown strategy {strategy!r}; expected one of {', '.join(CODES)}")
    if not (1 <= amount <= MAX_AMOUNT and 1 <= window_seconds <= MAX_WINDOW_SECONDS):
        raise ValueError(
            f"a limit of {amount} in {window_seconds} seconds; expected 1 to {MAX_AMOUNT} in 1 to {MAX_WINDOW_SECONDS}"
        )
    tick = next(
        tick
        for tick in (10**power for power in range(7))
        if amount * window_seconds * SECOND // tick <= MAX_PRODUCT
    )
    window = window_seconds * SECOND // tick
    plan = LimitPlan(
        strategy=strategy,
        amount=amount,
        window=window,
        tick=tick,
        arguments=tuple(str(part).encode() for part in (CODES[strategy], amount, window, tick)),
    )
    if len(_MADE) >= MAX_PLANS:
        _MADE.clear()
    # Threads that ask for it first at the same moment get one and the same: what they count is kept by it.
    return _MADE.setdefault((strategy, amount, window_seconds), plan)
