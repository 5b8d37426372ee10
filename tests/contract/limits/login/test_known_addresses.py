"""Every store of failure windows: kinds are counted apart and know the same addresses, until they are forgotten."""

import pytest

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.limits.failures.windows.memory import MemoryFailureWindows
from flask_backend_patterns.limits.failures.windows.protocols import Bucket, Rate, Verdict
from flask_backend_patterns.limits.failures.windows.redis import RedisFailureWindows
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker


@pytest.fixture(params=["memory", "redis"])
def windows(request):
    if request.param == "memory":
        return MemoryFailureWindows()
    settings = RedisSettings(url=request.getfixturevalue("redis_url"))
    return RedisFailureWindows(
        lambda: connect(settings), outage=RedisOutage(log=LoggingEventLog(Masker()), ping=bool), prefix="test"
    )


def account(address="home", kind="login", key="ada", *, has_known=True):
    return Bucket(key=key, kind=kind, other=address, rates=(Rate(amount=1, seconds=60),), has_known=has_known)


def fail(windows, bucket, attempt="x"):
    wait = windows.reserve(bucket, attempt)
    if wait == 0:
        windows.settle(bucket, attempt, Verdict.FAILED)
    return wait > 0


def test_kinds_are_counted_apart(windows):
    """What fills one leaves the other empty."""
    assert [fail(windows, account("6.6.6.6", kind)) for kind in ("login", "reset", "login", "reset", "")] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_kinds_know_the_same_addresses(windows):
    """Known by a login, an address passes everything of the account; what knows nobody lets nobody pass."""
    windows.settle(account(), "", Verdict.SUCCEEDED)
    assert not any(fail(windows, account(kind="reset")) for _ in range(3))
    assert [fail(windows, account(kind="pair", has_known=False)) for _ in range(2)] == [False, True]


def test_known_addresses_are_forgotten_together(windows):
    """Those of one account, for all kinds; failures stay, other accounts know theirs."""
    for key in ("ada", "bob"):
        windows.settle(account(key=key), "", Verdict.SUCCEEDED)
        for kind in ("login", "reset"):
            fail(windows, account("6.6.6.6", kind, key))
    windows.forget_known(account("8.8.8.8"))
    windows.forget_known(account(key="nobody"))
    assert [fail(windows, account(kind=kind)) for kind in ("login", "reset")] == [True, True]
    assert [fail(windows, account(kind=kind, key="bob")) for kind in ("login", "reset")] == [False, False]


def test_the_keys_of_one_count_are_on_one_node(redis_url):
    """Redis Cluster runs a script only where all its keys have one hash tag."""
    settings = RedisSettings(url=redis_url)
    client = connect(settings)
    windows = RedisFailureWindows(
        lambda: client, outage=RedisOutage(log=LoggingEventLog(Masker()), ping=bool), prefix="test"
    )
    windows.settle(account(), "", Verdict.SUCCEEDED)
    windows.reserve(account("6.6.6.6", "login"), "y")
    fail(windows, account("6.6.6.6", "reset"))
    windows.reserve(account("6.6.6.7", "verify"), "y")
    assert {key.decode() for key in client.scan_iter()} == {
        "test:known:{ada}",
        "test:attempts:{ada}:login",
        "test:failures:{ada}:reset",
        "test:attempts:{ada}:verify",
    }
