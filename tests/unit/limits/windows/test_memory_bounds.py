"""Windows in memory stay within their bounds, and what is being counted is not pushed out."""

import pytest

from flask_backend_patterns.limits.backends.limit_plan import plan_of
from flask_backend_patterns.limits.backends.memory import MemoryWindows
from flask_backend_patterns.limits.protocols import Charge
from flask_backend_patterns.limits.settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW


def charge(key, strategy=FIXED_WINDOW, amount=3):
    return [Charge(key=key, amount=amount, window_seconds=3600, cost=1, strategy=strategy)]


@pytest.mark.parametrize("strategy", [FIXED_WINDOW, SLIDING_WINDOW, GCRA])
def test_a_flood_of_keys_neither_grows_it_nor_frees_a_caller(strategy):
    """20,000 callers pass; the one who keeps on asking stays refused, though only refusals are heard from him."""
    windows = MemoryWindows(max_keys=1000, clock=lambda: 1000.0)
    for _ in range(3):
        windows.charge(charge("hot", strategy))
    for number in range(20_000):
        windows.charge(charge(f"flood {number}", strategy))
        if number % 400 == 0:
            assert not windows.charge(charge("hot", strategy))[0].is_allowed
    assert len(windows) <= 1000
    assert not windows.charge(charge("hot", strategy))[0].is_allowed


def test_one_caller_with_many_limits_is_bounded_too():
    """Rates that a program makes up for each request are as many counts."""
    windows = MemoryWindows(max_keys=100, clock=lambda: 1000.0)
    for amount in range(1, 2000):
        windows.charge(charge("a", amount=amount))
    assert len(windows) <= 100


def test_looking_leaves_nothing_behind():
    """A cost of nothing is not counted, so it takes no place."""
    windows = MemoryWindows(max_keys=100)
    for number in range(50):
        windows.charge([Charge(key=str(number), amount=1, window_seconds=1, cost=0, strategy=GCRA)])
    assert len(windows) == 0


def test_threads_that_first_meet_a_limit_at_once_count_together():
    """Each may make its plan; all get the same one, by which what is counted is found again."""
    made = [plan_of.__wrapped__("gcra", 7, 11) for _ in range(3)]
    assert made[0] is made[1] is made[2] is plan_of("gcra", 7, 11)
