"""What counts as one account and one address, which settings are refused, what an attempt costs."""

import threading

import pytest

from flask_backend_patterns import CacheError, ConfigError, RateLimitError
from flask_backend_patterns.limits.failures.counting import Failures, account_of, network_of, read_rates
from flask_backend_patterns.limits.failures.windows.protocols import Rate


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def make(per_address="100/minute", per_account="3/minute", **options):
    return Failures(per_address=per_address, per_account=per_account, **options)


def fail(failures, address="10.0.0.1", account="ada"):
    with failures.attempt(address=address, account=account) as attempt:
        attempt.fail()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, ""),
        ("", ""),
        ("unix:", "unix:"),
        ("\ud800", "\ud800"),
    ],
)
def test_what_one_address_is(address, network):
    """IPv4 addresses count alone, IPv6 by network; what is none counts as it is."""
    assert network_of(address) == network


@pytest.mark.parametrize("login", ["ada@x.com", " ADA@X.COM\t", "\uff21da@x.com", "ada@x.com\u2003"])
def test_what_one_account_is(login):
    """Spellings that a store may take for the same account are the same here."""
    assert account_of(login) == "ada@x.com"


@pytest.mark.parametrize(
    "text", ["", "x", "0/minute", "5", "5/fortnight", "-1/minute", "5/minute;;", "5/minute,"]
)
def test_rates_that_cannot_be_are_named(text):
    """The error names the setting, its value and what is expected; both settings at once."""
    with pytest.raises(ConfigError) as caught:
        make(text, text)
    assert len(caught.value.problems) == 2
    assert "BACKEND_AUTH_FAILURES_PER_ADDRESS" in caught.value.problems[0]
    assert repr(text) in caught.value.problems[1]


def test_rates_in_the_notation_of_limits():
    """One rate or several."""
    problems = []
    assert read_rates("K", "10 per 15 minutes; 50/day", problems) == (
        Rate(amount=10, seconds=900),
        Rate(amount=50, seconds=86_400),
    )
    assert problems == []


def test_a_refusal_says_when_to_come_back():
    """`retry_after` is the rest of the window."""
    clock = Clock()
    failures = make(clock=clock)
    for _ in range(3):
        fail(failures)
    clock.now = 20.0
    with pytest.raises(RateLimitError) as caught:
        fail(failures)
    assert caught.value.retry_after == 40.0
    clock.now = 60.0
    fail(failures)


def test_an_attempt_without_a_verdict_counts_for_nothing():
    """An exception of ours gives the place back; one raised after `fail` keeps the failure."""
    failures = make()

    def break_off(*, after_failing):
        with failures.attempt(address="10.0.0.1", account="ada") as attempt:
            if after_failing:
                attempt.fail()
            raise KeyError

    for after_failing in [False] * 10 + [True] * 3:
        with pytest.raises(KeyError):
            break_off(after_failing=after_failing)
    with pytest.raises(RateLimitError):
        fail(failures)


def test_a_full_account_gives_the_address_its_place_back():
    """Being refused for the account uses up nothing of the address."""
    failures = make(per_address="4/minute")
    for number in range(3):
        fail(failures, f"10.0.1.{number}")
    for _ in range(10):
        with pytest.raises(RateLimitError):
            fail(failures)
    for number in range(4):
        fail(failures, account=f"other{number}")
    with pytest.raises(RateLimitError):
        fail(failures, account="other")


def test_kinds_are_counted_apart():
    """Bad reset tokens do not use up logins."""
    failures = make(per_address="1/minute")
    for kind in ("login", "token", "message"):
        with failures.attempt(address="10.0.0.1", kind=kind) as attempt:
            attempt.fail()
        with pytest.raises(RateLimitError), failures.attempt(address="10.0.0.1", kind=kind):
            pass


def test_a_success_elsewhere_forgives():
    """`note_success`: who has shown by other means that the account is theirs gets in although it was full."""
    failures = make()
    who = {"address": "10.0.0.1", "account": "ada"}
    for _ in range(3):
        with failures.attempt(**who) as attempt:
            attempt.fail()
    with pytest.raises(RateLimitError), failures.attempt(**who):
        pass
    failures.note_success(**who)
    with failures.attempt(**who):
        pass


def test_hashes_depend_on_the_secret_and_not_on_the_spelling():
    """Logs of one app can be matched with each other, and not with a list of addresses."""
    failures = make(secret="s" * 32)
    assert failures.hidden("Ada@x.com") == failures.hidden(" ada@X.com")
    assert failures.hidden("ada@x.com") != make(secret="t" * 32).hidden("ada@x.com")
    assert failures.hidden("\ud800\x00")
    assert "ada" not in failures.hidden("ada@x.com")


class AwayWindows:
    """Shared windows whose store is away from a given call on."""

    def __init__(self, good_calls):
        self.good_calls = good_calls

    def _call(self):
        self.good_calls -= 1
        if self.good_calls < 0:
            raise CacheError

    def reserve(self, bucket, attempt):
        self._call()
        return 0.0

    def settle(self, bucket, attempt, verdict):
        self._call()


@pytest.mark.parametrize("good_calls", range(5))
def test_a_store_that_goes_away_at_any_moment_breaks_no_login(good_calls):
    """Whichever of the steps it misses, the login goes on, and failures are counted here from then on."""
    windows = AwayWindows(good_calls)
    failures = make(find_shared=lambda: windows)
    with failures.attempt(address="10.0.0.1", account="ada") as attempt:
        attempt.succeed()
    for _ in range(3):
        fail(failures, "10.0.0.2")
    fail(failures, "10.0.0.2", "other")
    assert windows.good_calls < 0


def test_known_addresses_are_remembered_here_too():
    """Who logged in while Redis was there passes while it is away."""
    windows = AwayWindows(4)  # two places held, two given up
    failures = make(find_shared=lambda: windows)
    with failures.attempt(address="10.0.0.1", account="ada") as attempt:
        attempt.succeed()
    for number in range(3):
        fail(failures, f"10.0.1.{number}")
    with pytest.raises(RateLimitError):
        fail(failures, "10.0.0.9")
    fail(failures, "10.0.0.1")


def test_the_store_is_looked_for_once():
    """`find_shared` is called at first use, not before, and not again."""
    calls = []
    failures = make(find_shared=lambda: calls.append(1))
    assert calls == []
    for _ in range(3):
        fail(failures)
    assert calls == [1]


def test_threads_get_exactly_the_rate():
    """64 threads at once: three are looked at."""
    failures, looked_at, start = make(), [], threading.Barrier(64)

    def run(number):
        start.wait(60)
        try:
            with failures.attempt(address=f"10.0.{number}.1", account="ada") as attempt:
                looked_at.append(number)
                attempt.fail()
        except RateLimitError:
            return

    threads = [threading.Thread(target=run, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(looked_at) == 3
