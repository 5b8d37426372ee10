"""Floods of work and of messages: what counts, and against whom."""

import pytest

from flask_backend_patterns import CacheError, RateLimitError
from flask_backend_patterns.errors import ServiceUnavailableError
from flask_backend_patterns.limits.failures.counting import Failures


def make(per_address="3/minute", per_account="6/minute", **options):
    return Failures(per_address=per_address, per_account=per_account, **options)


def try_login(failures, address="6.6.6.6", account="ada", code="OVERLOADED"):
    try:
        with failures.attempt(address=address, account=account):
            raise ServiceUnavailableError("busy", code=code)
    except RateLimitError:
        return "limited"
    except ServiceUnavailableError:
        return "busy"


def test_overload_counts_for_the_address():
    """Who takes all the room there is to hash passwords is stopped like who guesses them."""
    failures = make()
    assert [try_login(failures) for _ in range(5)] == ["busy"] * 3 + ["limited"] * 2
    assert try_login(failures, "8.8.8.8", "bob") == "busy"


def test_overload_does_not_count_for_the_account():
    """Nothing was found out about it: its owner is not stopped elsewhere."""
    failures = make(per_account="2/minute")
    for number in range(20):
        assert try_login(failures, f"6.6.6.{number}") == "busy"
    with failures.attempt(address="8.8.8.8", account="ada") as attempt:
        attempt.fail()


def test_other_outages_are_nobodys_fault():
    """A database that is away gives the place back."""
    failures = make()
    assert [try_login(failures, code="SERVICE_UNAVAILABLE") for _ in range(20)] == ["busy"] * 20


def test_overload_is_answered_although_the_store_goes_away():
    """The 503 stays a 503."""

    class Windows:
        def reserve(self, bucket, attempt):
            return 0.0

        def settle(self, bucket, attempt, verdict):
            raise CacheError

    assert try_login(make(find_shared=Windows)) == "busy"


def ask(failures, address, kind="reset", account="ada"):
    try:
        failures.count_message(address=address, account=account, kind=kind)
    except RateLimitError as error:
        return error.retry_after
    return 0


def test_messages_have_a_count_for_each_pair_and_a_far_higher_one_for_all():
    """Of 6 failures in a minute: 2 messages for one address, 60 for the account; refused ones use up nothing."""
    failures = make(per_address="1000/minute")
    assert [ask(failures, "6.6.6.6") > 0 for _ in range(10)] == [False] * 2 + [True] * 8
    assert [ask(failures, f"10.0.0.{number}") > 0 for number in range(60)] == [False] * 58 + [True] * 2
    assert 0 < ask(failures, "9.9.9.9") <= 60
    assert ask(failures, "9.9.9.9", kind="verify") == 0
    assert ask(failures, "9.9.9.9", account="bob") == 0


def test_known_addresses_pass_the_account_for_messages_too():
    """Known by a login; within what one address may ask for."""
    failures = make(per_address="1000/minute")
    failures.note_success(address="8.8.8.8", account="ADA")
    for number in range(60):
        ask(failures, f"10.0.0.{number}")
    assert ask(failures, "9.9.9.9") > 0
    assert [ask(failures, "8.8.8.8") > 0 for _ in range(3)] == [False, False, True]


def test_messages_do_not_use_up_logins():
    """Nor does a refused message forget, or add, anything that logins count."""
    failures = make(per_address="1000/minute")
    for number in range(70):
        ask(failures, f"10.0.0.{number}")
    for number in range(6):
        with failures.attempt(address=f"10.0.0.{number}", account="ada") as attempt:
            attempt.fail()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_recovery_leaves_one_known_address(is_away):
    """The others meet the account's limit again, also where the store goes away in between."""

    class Gone:
        def reserve(self, *_):
            raise CacheError

        settle = forget_known = reserve

    failures = make(per_address="1000/minute", find_shared=Gone if is_away else None)
    for address in ("6.6.6.6", "8.8.8.8"):
        failures.note_success(address=address, account="ada")
    failures.note_recovery(address="8.8.8.8", account="ada")
    for number in range(6):
        with failures.attempt(address=f"10.0.0.{number}", account="ada") as attempt:
            attempt.fail()
    with pytest.raises(RateLimitError), failures.attempt(address="6.6.6.6", account="ada"):
        pass
    with failures.attempt(address="8.8.8.8", account="ada"):
        pass
