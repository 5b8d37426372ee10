"""Counts in the process: where there is no Redis, and while it is away."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from ..._after_fork import reset_in_children
from ..protocols import Standing
from .counting import COUNTING
from .limit_plan import SECOND, LimitPlan, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..protocols import Charge
    from .counting import State

    Bucket: TypeAlias = tuple[str, LimitPlan]


class MemoryWindows:
    """The counts of one process, of at most `max_keys` keys and limits; thread-safe, the same rules as `RedisWindows`.

    The least recently used half is forgotten at once when room is needed, so a flood of keys does not push out one that
    is being counted. What was counted before a fork counts in the child too. `clock` is in seconds, from any beginning.
    """

    def __init__(self, *, max_keys: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_recent = max(1, max_keys // 2)
        self._clock = clock
        # What is used moves from the older into the recent ones; when these are full they become the older ones.
        self._recent: dict[Bucket, State] = {}
        self._older: dict[Bucket, State] = {}
        self._lock = threading.Lock()
        reset_in_children(self)

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def charge(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See `Windows`. Raises `ValueError` as `RedisWindows` does, and nothing else."""
        costs: dict[Bucket, int] = {}
        buckets = []
        for charge in charges:
            if charge.cost < 0:
                raise ValueError(f"a cost of {charge.cost}; expected 0 or more")
            bucket = (charge.key, plan_of(charge.strategy, charge.amount, charge.window_seconds))
            costs[bucket] = costs.get(bucket, 0) + charge.cost
            buckets.append(bucket)
        with self._lock:
            standings = self._charged(costs, round(self._clock() * SECOND))
        return tuple(standings[bucket] for bucket in buckets)

    def clear(self, *keys: str) -> None:
        """See `Windows`; looks at everything that is kept."""
        wanted = set(keys)
        self._drop(lambda key: key in wanted)

    def clear_all(self, prefix: str) -> int:
        """Forget all keys that begin with `prefix`; how many counts there were."""
        return self._drop(lambda key: key.startswith(prefix))

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def _charged(self, costs: dict[Bucket, int], now: int) -> dict[Bucket, Standing]:
        states, waits = {}, {}
        for bucket, cost in costs.items():
            plan = bucket[1]
            counting, tick = COUNTING[plan.strategy], now // plan.tick
            state = states[bucket] = counting.at(self._known(bucket), plan, tick)
            waits[bucket] = plan.window if cost > plan.amount else counting.wait(state, plan, tick, cost)
        if not any(waits.values()):
            for bucket, cost in costs.items():
                if cost:
                    states[bucket] = COUNTING[bucket[1].strategy].taken(states[bucket], bucket[1], cost)
                    self._store(bucket, states[bucket])
        return {bucket: _standing(bucket[1], state, now, waits[bucket]) for bucket, state in states.items()}

    def _known(self, bucket: Bucket) -> State | None:
        """The state, which has been used now: a refusal keeps what it stands on too."""
        state = self._recent.get(bucket)
        if state is None and (state := self._older.get(bucket)) is not None:
            self._store(bucket, state)
        return state

    def _store(self, bucket: Bucket, state: State) -> None:
        if bucket not in self._recent and len(self._recent) >= self._max_recent:
            self._older, self._recent = self._recent, {}
        self._recent[bucket] = state
        self._older.pop(bucket, None)

    def _drop(self, is_wanted: Callable[[str], bool]) -> int:
        with self._lock:
            count = 0
            for kept in (self._recent, self._older):
                for bucket in [bucket for bucket in kept if is_wanted(bucket[0])]:
                    del kept[bucket]
                    count += 1
            return count


def _standing(plan: LimitPlan, state: State, now: int, wait: int) -> Standing:
    counting, tick = COUNTING[plan.strategy], now // plan.tick
    begin = tick * plan.tick - now  # up to a tick ago
    reset = counting.reset(state, plan, tick)
    return Standing(
        is_allowed=not wait,
        remaining=max(0, plan.amount - counting.used(state, plan, tick)),
        reset_seconds=(begin + reset * plan.tick) / SECOND if reset else 0.0,
        retry_seconds=(begin + wait * plan.tick) / SECOND if wait else 0.0,
    )
