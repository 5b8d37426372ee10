"""Every store of windows counts alike: exactly, all or nothing, and says to the microsecond when there is room."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flask_backend_patterns.limits.backends.limit_plan import MAX_AMOUNT, MAX_WINDOW_SECONDS
from flask_backend_patterns.limits.backends.redis import RedisWindows
from flask_backend_patterns.limits.protocols import Charge
from flask_backend_patterns.limits.settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW

from .reference import Model

STRATEGIES = [FIXED_WINDOW, SLIDING_WINDOW, GCRA]
SECOND = 1_000_000
START = 1_800_000_000 * SECOND

many_examples = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def charge(key="a", *, amount=5, seconds=60, cost=1, strategy=FIXED_WINDOW):
    return Charge(key=key, amount=amount, window_seconds=seconds, cost=cost, strategy=strategy)


def one(windows, wanted):
    (standing,) = windows.charge([wanted])
    return standing


# A request: the limits that it meets (which, what it costs), and how much later than the one before it comes.
limits_met = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=3)
pauses = st.one_of(st.integers(0, 2_500_000), st.sampled_from(["retry", "too early", "reset", "window", 0]))
requests = st.lists(st.tuples(pauses, limits_met), max_size=14)


def limit(number, name, cost):
    """Two of each strategy; those with an even number share a key."""
    strategy, amount, seconds = [
        (FIXED_WINDOW, 3, 1),
        (FIXED_WINDOW, 7, 2),
        (SLIDING_WINDOW, 3, 1),
        (SLIDING_WINDOW, 7, 2),
        (GCRA, 3, 1),
        (GCRA, 7, 2),
    ][number]
    return charge(
        f"{name}:{number % 2 and number}", amount=amount, seconds=seconds, cost=cost, strategy=strategy
    )


def step(pause, standings, charges):
    """Microseconds; the words mean the last answer."""
    waits = [round(standing.retry_seconds * SECOND) for standing in standings]
    match pause:
        case "retry":
            return max(waits, default=0)
        case "too early":
            return max(0, max(waits, default=0) - 1)
        case "reset":
            return max((round(standing.reset_seconds * SECOND) for standing in standings), default=0)
        case "window":
            return max((charge.window_seconds for charge in charges), default=0) * SECOND
    return pause


@many_examples
@given(requests)
@example([(0, [(2, 3)]), ("window", [(2, 1)]), ("too early", [(2, 1)]), (1, [(2, 1)])])
@example([(0, [(5, 4)]), (0, [(5, 3)]), ("retry", [(5, 1)]), ("too early", [(5, 2)])])
def test_counts_like_the_model_and_says_when_there_is_room(windows, clock, fresh, wanted):
    """Any sequence of requests on any mix of limits: what fits, what is left, when it fits, when all is there again."""
    model, name = Model(), fresh()
    standings, charges = (), []
    clock.now = START
    for pause, met in wanted:
        clock.now += step(pause, standings, charges)
        charges = [limit(number, name, cost) for number, cost in met]
        expected = model.charge(charges, clock.now)
        standings = windows.charge(charges)
        assert [(standing.is_allowed, standing.remaining) for standing in standings] == expected
        for asked, standing in zip(charges, standings, strict=True):
            counted = model.limit(asked)
            cost = sum(other.cost for other in charges if model.limit(other) is counted)
            check_moments(counted, standing, cost, clock.now)


def check_moments(counted, standing, cost, now):
    """`retry` and `reset` are the first moments at which what they promise is so, to the microsecond."""
    reset, retry = round(standing.reset_seconds * SECOND), round(standing.retry_seconds * SECOND)
    assert counted.room(now + reset) == counted.amount
    assert reset == 0 or counted.room(now + reset - 1) < counted.amount
    if cost > counted.amount:
        assert retry == counted.window
    elif standing.is_allowed:
        assert retry == 0
    else:
        assert counted.room(now + retry) >= cost
        assert counted.room(now + retry - 1) < cost


amounts = st.one_of(st.integers(1, MAX_AMOUNT), st.sampled_from([1, 7, 999_999, 99_999_989, MAX_AMOUNT]))
lengths = st.one_of(st.integers(1, MAX_WINDOW_SECONDS), st.sampled_from([1, 86_399, MAX_WINDOW_SECONDS]))


@many_examples
@given(
    st.sampled_from(STRATEGIES),
    amounts,
    lengths,
    st.lists(st.tuples(st.integers(-3 * 10**5, 10**6), st.integers(0, 10**6)), max_size=12),
)
@example(SLIDING_WINDOW, MAX_AMOUNT, MAX_WINDOW_SECONDS, [(0, 999_999), (10**6, 7), (1, 300_000), (1, 10**6)])
@example(GCRA, 99_999_989, MAX_WINDOW_SECONDS, [(0, 10**6), (0, 1), (333_333, 333_333), (1, 10**6)])
def test_lua_counts_as_exactly_as_whole_numbers_do(both, clock, fresh, strategy, amount, seconds, wanted):
    """Up to the largest limits, and when the clock is set back, Redis's floating point numbers lose nothing.

    Pauses and costs are millionths of the window and of the amount.
    """
    name = fresh()
    clock.now = START  # examples share the clock; it must not run away into the year 5000
    for pause, cost in wanted:
        clock.now += pause * seconds
        asked = [charge(name, amount=amount, seconds=seconds, cost=amount * cost // 10**6, strategy=strategy)]
        in_redis, in_memory = (windows.charge(asked) for windows in both)
        assert in_redis == in_memory


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_lets_exactly_the_amount_through_at_once(windows, strategy):
    """Ten are ten; the eleventh is refused, and says how long to wait."""
    found = [one(windows, charge(amount=10, strategy=strategy)) for _ in range(12)]
    assert [standing.is_allowed for standing in found] == [True] * 10 + [False] * 2
    assert [standing.remaining for standing in found] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert found[-1].retry_seconds > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("amount", "seconds"), [(1, 2), (1, 60), (2, 60), (3, 60), (10, 1)])
def test_who_keeps_asking_gets_the_rate(windows, clock, strategy, amount, seconds):
    """Small rates too: ten windows let ten amounts through, and nobody is told to wait longer than a window."""
    clock.now = START
    allowed = 0
    for _ in range(10 * 40):
        standing = one(windows, charge(amount=amount, seconds=seconds, strategy=strategy))
        allowed += standing.is_allowed
        assert standing.retry_seconds <= seconds
        clock.now += seconds * SECOND // 40
    assert 10 * amount <= allowed <= 11 * amount


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("amount", "seconds"), [(1, 2), (2, 60), (5, 60)])
def test_a_steady_caller_is_never_refused(windows, clock, strategy, amount, seconds):
    """Who comes just as often as the rate says, to the microsecond."""
    clock.now = START
    for _ in range(3 * amount + 2):
        assert one(windows, charge(amount=amount, seconds=seconds, strategy=strategy)).is_allowed
        clock.now += seconds * SECOND // amount


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cost_of_nothing_only_looks(windows, strategy):
    """Looking changes nothing, and is never refused."""
    for _ in range(3):
        assert one(windows, charge(cost=0, strategy=strategy)).remaining == 5
    one(windows, charge(cost=5, strategy=strategy))
    assert one(windows, charge(cost=0, strategy=strategy)).is_allowed
    assert one(windows, charge(cost=0, strategy=strategy)).remaining == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_costs_more_than_the_amount_never_fits(windows, strategy):
    """It is told to wait for a window, and takes nothing."""
    refused = one(windows, charge(cost=6, strategy=strategy))
    assert (refused.is_allowed, refused.remaining, refused.retry_seconds) == (False, 5, 60.0)
    assert one(windows, charge(cost=5, strategy=strategy)).is_allowed


def test_all_or_nothing(windows):
    """A request that one limit refuses takes nothing from the others, whatever their order and strategy."""
    tight = charge("tight", amount=1)
    assert all(standing.is_allowed for standing in windows.charge([tight, charge("wide", strategy=GCRA)]))
    for order in (1, -1):
        standings = windows.charge([tight, charge("wide", strategy=GCRA)][::order])[::order]
        assert [standing.is_allowed for standing in standings] == [False, True]
        assert standings[1].remaining == 4
        assert standings[1].retry_seconds == 0.0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_charges_on_one_limit_add_up(windows, strategy):
    """The same limit twice in a request is one limit with both costs."""
    twice = [charge(cost=2, strategy=strategy), charge(cost=1, strategy=strategy)]
    assert [standing.remaining for standing in windows.charge(twice)] == [2, 2]
    assert [standing.is_allowed for standing in windows.charge(twice)] == [False, False]
    assert one(windows, charge(cost=2, strategy=strategy)).is_allowed


def test_other_limits_of_a_key_count_apart(windows):
    """Burst and sustained limits, tiers and strategies may have the same key."""
    first = [
        charge(),
        charge(amount=6),
        charge(seconds=61),
        charge(strategy=GCRA),
        charge(strategy=SLIDING_WINDOW),
    ]
    assert [standing.remaining for standing in windows.charge(first)] == [4, 5, 4, 4, 4]
    assert [standing.remaining for standing in windows.charge(first)] == [3, 4, 3, 3, 3]


def test_clear_forgets_all_limits_of_a_key_and_no_others(windows):
    """By key or by its beginning; letters that mean something in patterns mean nothing here."""
    for key in ("a", "b", "a*", "x/1", "x/2", "x[1]", ""):
        windows.charge([charge(key), charge(key, strategy=GCRA)])
    windows.clear()
    windows.clear("a", "nobody")
    windows.clear("a*")
    assert one(windows, charge("a", cost=0)).remaining == 5
    assert one(windows, charge("a", cost=0, strategy=GCRA)).remaining == 5
    assert one(windows, charge("b", cost=0)).remaining == 4
    assert windows.clear_all("x/") >= 2
    assert windows.clear_all("x?") == 0
    assert [one(windows, charge(key, cost=0)).remaining for key in ("x/1", "x/2", "x[1]", "")] == [5, 5, 4, 4]


@pytest.mark.parametrize("key", ["", "a b", "\r\n$1", "käse", "\udcff", "{other}", "k" * 10_000])
def test_any_text_is_a_key(windows, key):
    """Whatever a header may hold is counted for itself."""
    windows.charge([charge(key)])
    assert one(windows, charge(key)).remaining == 3
    assert one(windows, charge(key + "x")).remaining == 4


@pytest.mark.parametrize(
    "wrong",
    [{"cost": -1}, {"amount": 0}, {"amount": MAX_AMOUNT + 1}, {"seconds": 0}, {"strategy": "moving"}],
)
def test_a_limit_that_cannot_be_counted_is_a_fault_of_the_program(windows, wrong):
    """It is a ValueError before anything is counted."""
    with pytest.raises(ValueError, match=r"cost|limit of|strategy"):
        windows.charge([charge(), charge(**wrong)])
    assert one(windows, charge(cost=0)).remaining == 5


def test_nothing_asked_is_nothing_answered(windows):
    """No limits, no trip."""
    assert windows.charge([]) == ()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_redis_forgets_what_does_not_matter_any_more(shared_redis, strategy):
    """By Redis's own clock: each key lives until it says nothing any more, and a second; refusals write nothing."""
    windows = RedisWindows(shared_redis)
    key = shared_redis.key("limits", "a")
    reset = one(windows, charge(strategy=strategy, seconds=30)).reset_seconds
    life = 60 if strategy == SLIDING_WINDOW else reset  # the next window goes on from where this one ends
    assert life - 10 < shared_redis.client.pttl(key) / 1000 <= life + 1.001
    windows.charge([charge(strategy=strategy, seconds=7200, cost=4)])
    longest = one(windows, charge(strategy=strategy, seconds=7200, cost=0)).reset_seconds
    windows.charge([charge(strategy=strategy, seconds=30)])  # the shorter limit of a key cuts nothing off
    longest = 14_400 if strategy == SLIDING_WINDOW else longest
    assert longest - 10 < shared_redis.client.pttl(key) / 1000 <= longest + 1.001
    windows.charge([charge("b", strategy=strategy), charge(strategy=strategy, seconds=7200, cost=4)])
    windows.charge([charge("b", strategy=strategy, cost=0)])
    assert shared_redis.client.keys() == [key.encode()]
