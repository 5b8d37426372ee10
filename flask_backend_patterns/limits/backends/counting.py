"""The arithmetic of the strategies, as in `charge.lua`: states are tuples of ticks and counts, None for nothing counted.

A state whose time is over says the same as None. One from the future is from before the clock was set back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW

if TYPE_CHECKING:
    from .limit_plan import LimitPlan

State: TypeAlias = "tuple[int, ...]"


class Counting(Protocol):
    """How one strategy counts; all times in ticks."""

    def at(self, state: State | None, plan: LimitPlan, now: int) -> State:
        """What there is now."""

    def wait(self, state: State, plan: LimitPlan, now: int, cost: int) -> int:
        """After how long the cost fits, 0 for now; `cost` is at most the amount."""

    def taken(self, state: State, plan: LimitPlan, cost: int) -> State:
        """With the cost counted."""

    def used(self, state: State, plan: LimitPlan, now: int) -> int:
        """How much of the amount is not there, in whole numbers."""

    def reset(self, state: State, plan: LimitPlan, now: int) -> int:
        """After how long it is all there again."""


class FixedWindow:
    """(begin, count); the window begins with its first charge."""

    def at(self, state: State | None, plan: LimitPlan, now: int) -> State:
        """See `Counting`."""
        if state is None or now >= state[0] + plan.window:
            return (now, 0)
        return (min(state[0], now), state[1])

    def wait(self, state: State, plan: LimitPlan, now: int, cost: int) -> int:
        """See `Counting`."""
        return 0 if state[1] + cost <= plan.amount else state[0] + plan.window - now

    def taken(self, state: State, plan: LimitPlan, cost: int) -> State:
        """See `Counting`."""
        del plan
        return (state[0], state[1] + cost)

    def used(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        del plan, now
        return state[1]

    def reset(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        return state[0] + plan.window - now if state[1] else 0


class SlidingWindow:
    """(begin, previous, current): the previous window counts by the share of it that is still in sight.

    Rounded down, as it was a tick ago: who comes every window / amount gets through, however small the amount is.
    """

    def at(self, state: State | None, plan: LimitPlan, now: int) -> State:
        """See `Counting`."""
        if state is None:
            return (now, 0, 0)
        begin, previous, current = min(state[0], now), state[1], state[2]
        if now < begin + plan.window:
            return (begin, previous, current)
        if now < begin + 2 * plan.window:
            return (begin + plan.window, current, 0)
        return (now, 0, 0)

    def wait(self, state: State, plan: LimitPlan, now: int, cost: int) -> int:
        """See `Counting`."""
        if self.used(state, plan, now) + cost <= plan.amount:
            return 0
        begin, previous, current = state
        room = plan.amount - current - cost
        if room >= 0:  # once enough of the previous window is out of sight
            return begin + plan.window - (room + 1) * plan.window // previous - now
        return begin + 2 * plan.window - (plan.amount - cost + 1) * plan.window // current - now

    def taken(self, state: State, plan: LimitPlan, cost: int) -> State:
        """See `Counting`."""
        del plan
        return (state[0], state[1], state[2] + cost)

    def used(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        begin, previous, current = state
        return current + max(0, (previous * (begin + plan.window - now) - 1) // plan.window)

    def reset(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        begin, previous, current = state
        if current:
            return begin + 2 * plan.window - plan.window // current - now
        return max(0, begin + plan.window - plan.window // previous - now) if previous else 0


class Gcra:
    """(when, debt): what was not yet refilled then; a cost of 1 adds `window`, a tick takes `amount` away.

    The generic cell rate algorithm with the theoretical arrival time kept as when + debt / amount, without rounding.
    """

    def at(self, state: State | None, plan: LimitPlan, now: int) -> State:
        """See `Counting`."""
        if state is None:
            return (now, 0)
        debt = state[1] - (now - state[0]) * plan.amount
        return (now, min(max(0, debt), plan.amount * plan.window))

    def wait(self, state: State, plan: LimitPlan, now: int, cost: int) -> int:
        """See `Counting`."""
        del now
        return max(0, -(-(state[1] + (cost - plan.amount) * plan.window) // plan.amount))

    def taken(self, state: State, plan: LimitPlan, cost: int) -> State:
        """See `Counting`."""
        return (state[0], state[1] + cost * plan.window)

    def used(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        del now
        return -(-state[1] // plan.window)

    def reset(self, state: State, plan: LimitPlan, now: int) -> int:
        """See `Counting`."""
        del now
        return -(-state[1] // plan.amount)


COUNTING: dict[str, Counting] = {FIXED_WINDOW: FixedWindow(), SLIDING_WINDOW: SlidingWindow(), GCRA: Gcra()}
