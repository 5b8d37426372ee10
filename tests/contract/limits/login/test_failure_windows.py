"""Every store of failure windows keeps the same promises: exact, moving, held, forgiven."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.limits.failures.waits import Waits
from flask_backend_patterns.limits.failures.windows.memory import MemoryFailureWindows
from flask_backend_patterns.limits.failures.windows.protocols import (
    BUSY_SECONDS,
    HELD_SECONDS,
    KNOWN_SECONDS,
    MAX_KNOWN,
    Bucket,
    Rate,
    Verdict,
)
from flask_backend_patterns.limits.failures.windows.redis import RedisFailureWindows
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

START = 1_800_000_000.0
RATES = (Rate(amount=3, seconds=60),)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def redis_windows(url, clock, prefix="test"):
    settings_ = RedisSettings(url=url)
    return RedisFailureWindows(
        lambda: connect(settings_),
        outage=RedisOutage(log=LoggingEventLog(Masker()), ping=bool),
        prefix=prefix,
        clock=clock,
    )


@pytest.fixture(params=["memory", "redis"])
def windows(request, clock):
    if request.param == "memory":
        return MemoryFailureWindows(clock=clock)
    return redis_windows(request.getfixturevalue("redis_url"), clock)


def account(address="a", rates=RATES, key="account"):
    return Bucket(key=key, other=address, rates=rates, has_known=True)


def fail(windows, bucket, attempt):
    wait = windows.reserve(bucket, attempt)
    if wait == 0:
        windows.settle(bucket, attempt, Verdict.FAILED)
    return wait


def test_a_window_takes_exactly_its_amount_and_says_when_there_is_room(windows, clock):
    """Three failures in a minute are looked at; the fourth waits until the first has left the window, to the second."""
    for second in range(3):
        assert fail(windows, account(), str(second)) == 0
        clock.now += 1
    assert fail(windows, account(), "x") == pytest.approx(57)
    clock.now += 56.5
    assert fail(windows, account(), "x") == pytest.approx(0.5)
    clock.now += 0.5
    assert fail(windows, account(), "x") == 0
    assert fail(windows, account(), "y") == pytest.approx(1)


def test_refused_attempts_do_not_prolong_the_wait(windows, clock):
    """Somebody who goes on trying every second is let in when the window has passed."""
    for number in range(3):
        fail(windows, account(), str(number))
    for second in range(59):
        clock.now = START + second
        assert fail(windows, account(), f"r{second}") == pytest.approx(60 - second)
    clock.now = START + 60
    assert fail(windows, account(), "late") == 0


def test_several_rates_hold_at_once(windows, clock):
    """The longest wait of all rates counts."""
    bucket = account(rates=(Rate(amount=2, seconds=10), Rate(amount=3, seconds=100)))
    assert [fail(windows, bucket, str(number)) for number in range(2)] == [0, 0]
    assert fail(windows, bucket, "2") == pytest.approx(10)
    clock.now += 10
    assert fail(windows, bucket, "3") == 0
    clock.now += 10
    assert fail(windows, bucket, "4") == pytest.approx(80)


def test_held_places_count_and_come_back(windows):
    """Three attempts being looked at leave no room; the fourth is told to come back soon, not after a window."""
    for number in range(3):
        assert windows.reserve(account(), str(number)) == 0
    assert windows.reserve(account(), "x") == pytest.approx(BUSY_SECONDS)
    windows.settle(account(), "1", Verdict.NONE)
    assert windows.reserve(account(), "x") == 0


def test_successes_are_not_counted(windows):
    """Any number of successes leaves the window empty."""
    bucket = Bucket(key="address", other="b", rates=RATES)
    for number in range(20):
        assert windows.reserve(bucket, str(number)) == 0
        windows.settle(bucket, str(number), Verdict.SUCCEEDED)
    assert [fail(windows, bucket, f"f{number}") for number in range(3)] == [0, 0, 0]


def test_a_place_of_a_process_that_died_comes_back(windows, clock):
    """A place that nobody gives up ends by itself, and never becomes a failure."""
    for number in range(3):
        windows.reserve(account(), str(number))
    clock.now += HELD_SECONDS - 1
    assert windows.reserve(account(), "x") > 0
    clock.now += 1
    assert windows.reserve(account(), "x") == 0
    windows.settle(account(), "0", Verdict.FAILED)  # it was alive after all, too late to count
    assert [fail(windows, account(), f"f{number}") for number in range(2)] == [0, 0]


def test_a_success_forgets_the_failures_of_its_pair_only(windows):
    """What another address has failed on the account stays counted."""
    other = account("attacker")
    assert [
        fail(windows, bucket, str(number)) for number, bucket in enumerate([other, account(), account()])
    ] == [0] * 3
    windows.settle(account(), "", Verdict.SUCCEEDED)
    assert [fail(windows, other, f"n{number}") for number in range(3)][:2] == [0, 0]
    assert fail(windows, other, "last") > 0


def test_an_address_that_has_logged_in_passes_a_full_window(windows, clock):
    """The owner gets in while somebody else fills the window, for 30 days after the last login."""
    windows.settle(account("home"), "", Verdict.SUCCEEDED)
    for number in range(3):
        fail(windows, account("attacker"), str(number))
    assert windows.reserve(account("attacker"), "x") > 0
    assert windows.reserve(account("elsewhere"), "x") > 0
    for number in range(10):
        assert fail(windows, account("home"), f"typo{number}") == 0
    clock.now += 61
    assert [fail(windows, account("attacker"), f"again{number}") for number in range(3)] == [0, 0, 0]
    clock.now = START + KNOWN_SECONDS
    assert [fail(windows, account("home"), f"old{number}") for number in range(4)][3] > 0


def test_an_account_knows_a_bounded_number_of_addresses(windows, clock):
    """The address unused for longest is forgotten, not the newest."""
    for number in range(MAX_KNOWN + 1):
        clock.now += 1
        windows.settle(account(f"home{number}"), "", Verdict.SUCCEEDED)
    for number in range(3):
        fail(windows, account("attacker"), str(number))
    assert windows.reserve(account("home0"), "x") > 0
    assert windows.reserve(account("home1"), "x") == 0
    assert windows.reserve(account(f"home{MAX_KNOWN}"), "x") == 0


def test_buckets_are_apart(windows):
    """A full window of one account says nothing about another."""
    for number in range(3):
        fail(windows, account(), str(number))
    assert fail(windows, account(key="another"), "x") == 0


def test_as_many_threads_as_there_are_get_exactly_the_places(windows):
    """64 threads at once hold three places."""
    with ThreadPoolExecutor(64) as threads:
        waits = list(threads.map(lambda number: windows.reserve(account(), str(number)), range(64)))
    assert sum(wait == 0 for wait in waits) == 3


WAITS = Waits(free=2, first_seconds=4.0, longest_seconds=20.0)


def patient(address="a", key="account", amount=1_000):
    rates = (Rate(amount=amount, seconds=600),)
    return Bucket(key=key, other=address, rates=rates, has_known=True, waits=WAITS)


def test_waits_grow_to_their_cap(windows, clock):
    """Two failures are free; then 4, 8, 16 seconds, and never more than 20; to the second, on both stores."""
    assert [fail(windows, patient(), f"free{number}") for number in range(2)] == [0, 0]
    for number, seconds in enumerate([4, 8, 16, 20, 20]):
        assert fail(windows, patient(), "x") == pytest.approx(seconds)
        clock.now += seconds - 0.5
        assert fail(windows, patient(), "x") == pytest.approx(0.5)
        clock.now += 0.5
        assert fail(windows, patient(), str(number)) == 0


def test_waits_are_of_one_pair(windows):
    """Nobody can make another address wait, nor an address that tries another account."""
    for number in range(2):
        fail(windows, patient(), str(number))
    assert fail(windows, patient(), "x") > 0
    assert fail(windows, patient("elsewhere"), "x") == 0
    assert fail(windows, patient(key="another"), "x") == 0


def test_a_success_ends_the_waits(windows, clock):
    """The next mistakes are free again."""
    for number in range(2):
        fail(windows, patient(), str(number))
    clock.now += 4
    assert windows.reserve(patient(), "right") == 0
    windows.settle(patient(), "right", Verdict.SUCCEEDED)
    assert [fail(windows, patient(), f"n{number}") for number in range(2)] == [0, 0]
    assert fail(windows, patient(), "x") == pytest.approx(4)


def test_a_known_address_waits_and_is_not_locked_out(windows, clock):
    """It passes a window that is full for all others, once it has waited; it learns the wait, not the window."""
    windows.settle(patient("home", amount=1), "", Verdict.SUCCEEDED)
    assert fail(windows, patient("attacker", amount=1), "full") == 0
    for number in range(2):
        assert fail(windows, patient("home", amount=1), str(number)) == 0
    assert fail(windows, patient("home", amount=1), "x") == pytest.approx(4)
    clock.now += 4
    assert fail(windows, patient("home", amount=1), "y") == 0
    assert fail(windows, patient("attacker", amount=1), "z") == pytest.approx(596)


def test_of_several_that_have_waited_one_goes_on(windows, clock):
    """64 threads at once, when the wait is over: one password is looked at, known address or not."""
    for who in ("stranger", "home"):
        if who == "home":
            windows.settle(patient(who), "", Verdict.SUCCEEDED)
        for number in range(2):
            fail(windows, patient(who), str(number))
        clock.now += 4
        with ThreadPoolExecutor(64) as threads:
            attempts = [f"{who}{number}" for number in range(64)]
            waits = list(threads.map(windows.reserve, [patient(who)] * 64, attempts))
        assert sum(wait == 0 for wait in waits) == 1
        assert max(waits) == pytest.approx(4)


def test_failures_are_forgotten_with_their_window(windows, clock):
    """Ten minutes without a failure: as if there had been none."""
    for number in range(2):
        fail(windows, patient(), str(number))
    clock.now += 600
    assert [fail(windows, patient(), f"n{number}") for number in range(2)] == [0, 0]
    assert fail(windows, patient(), "x") == pytest.approx(4)


steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "failed", "succeeded", "none", "wait"]),
        st.sampled_from("abc"),
        st.floats(0.25, 40, width=16),
    ),
    max_size=40,
)


class Model:
    """The slow and obvious form: everything that ever happened, looked through each time."""

    def __init__(self):
        self.failures, self.held, self.known, self.waits = [], {}, {}, {}

    def reserve(self, now, address, attempt):
        count, last, failed = self.waits.get(address, (0, 0, 0))
        count = count if now - failed < 60 else 0
        pause = 0 if count < 2 else max(0, last + min(20, 4 * 2 ** (count - 2)) - now)
        wait = self.room(now, address)
        if max(pause, wait):
            return max(pause, wait)
        if count >= 2:
            self.waits[address] = (count, now, failed)
        if self.known.get(address, -1e12) <= now - KNOWN_SECONDS:
            self.held[attempt] = (now, address)
        return 0

    def room(self, now, address):
        if self.known.get(address, -1e12) > now - KNOWN_SECONDS:
            return 0
        recent = [when for when, _ in self.failures if when > now - 60]
        held = [when for when, _ in self.held.values() if when > now - HELD_SECONDS]
        if len(recent) >= 3:
            return sorted(recent)[-3] + 60 - now
        if len(recent) + len(held) >= 3:
            return BUSY_SECONDS
        return 0

    def settle(self, now, address, attempt, verdict):
        held = self.held.pop(attempt, None)
        if verdict == "failed" and held and held[0] > now - HELD_SECONDS:
            self.failures.append((now, address))
        if verdict == "failed":
            count, _, failed = self.waits.get(address, (0, 0, 0))
            self.waits[address] = ((count if now - failed < 60 else 0) + 1, now, now)
        if verdict == "succeeded":
            self.waits.pop(address, None)
            self.failures = [item for item in self.failures if item[1] != address]
            self.known[address] = now


def tried_by(address):
    return Bucket(key="account", other=address, rates=RATES, has_known=True, waits=WAITS)


prefixes = itertools.count()


@pytest.mark.parametrize("kind", ["memory", "redis"])
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_it_agrees_with_counting_everything(request, kind, steps):
    """Whatever happens in whatever order, each answer is that of a list of all that ever happened."""
    clock, model = Clock(), Model()
    windows = (
        MemoryFailureWindows(clock=clock)
        if kind == "memory"
        else redis_windows(request.getfixturevalue("redis_url"), clock, prefix=f"p{next(prefixes)}")
    )
    attempts = []
    for number, (what, address, seconds) in enumerate(steps):
        if what == "wait":
            clock.now += seconds
        elif what == "reserve":
            expected = model.reserve(clock.now, address, str(number))
            assert windows.reserve(tried_by(address), str(number)) == pytest.approx(expected, abs=1e-5)
            attempts.append((address, str(number)))
        elif attempts:
            tried, attempt = attempts.pop(0)
            if model.held.get(attempt, (clock.now,))[0] <= clock.now - HELD_SECONDS:
                continue  # a place that has ended: whether it is swept already is not promised
            model.settle(clock.now, tried, attempt, what)
            windows.settle(tried_by(tried), attempt, Verdict(what))


def test_memory_is_bounded(clock):
    """A flood of accounts forgets the oldest instead of growing."""
    windows = MemoryFailureWindows(clock=clock, max_buckets=100)
    for number in range(1_000):
        fail(windows, account(key=str(number)), "x")
        windows.settle(account(key=str(number)), "", Verdict.SUCCEEDED)
    assert len(windows._failures) == len(windows._held) == len(windows._known) == 100


def test_redis_forgets_what_no_longer_matters(redis_url, clock):
    """Every key in Redis has an end, and none holds a login or an address."""
    windows = redis_windows(redis_url, clock)
    fail(windows, account(), "x")
    windows.reserve(account(), "y")
    windows.settle(account("b"), "", Verdict.SUCCEEDED)
    client = connect(RedisSettings(url=redis_url))
    ttls = {key: client.ttl(key) for key in client.scan_iter()}
    assert ttls == {
        b"test:failures:{account}": pytest.approx(60, abs=2),
        b"test:attempts:{account}": pytest.approx(HELD_SECONDS, abs=2),
        b"test:known:{account}": pytest.approx(KNOWN_SECONDS, abs=2),
    }


def test_redis_tells_the_time_without_a_clock(redis_url):
    """All machines count by Redis's own clock, in the same units."""
    windows = redis_windows(redis_url, None)
    for number in range(3):
        assert fail(windows, account(), str(number)) == 0
    assert 50 < fail(windows, account(), "x") <= 60
