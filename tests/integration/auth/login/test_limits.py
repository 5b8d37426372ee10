"""L3 over HTTP: only failures count, by address and account, and nobody can lock an owner out for ever."""

import json
import subprocess
import sys
import time
from collections import Counter
from threading import Timer

import pytest

LIMITS = {
    "BACKEND_AUTH_FAILURES_PER_ADDRESS": "4/15 minutes",
    "BACKEND_AUTH_FAILURES_PER_ACCOUNT": "3/15 minutes",
}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def fail(site, count, address="10.0.0.1", login="ada@example.com"):
    return [site.login(login, "wrong", address=address).status_code for _ in range(count)]


def fail_from_everywhere(site, count, login="ada@example.com"):
    return [site.login(login, "wrong", address=f"10.6.{number}.1").status_code for number in range(count)]


def test_successes_do_not_count(make_site):
    """Any number of logins of one account, and of an office behind one address, is fine."""
    site = make_site(**LIMITS)
    assert [site.login().status_code for _ in range(12)] == [200] * 12


def test_failures_of_an_address_count(make_site):
    """One address that tries many accounts is stopped, and told when to come back; others are not."""
    site = make_site(**LIMITS)
    statuses = [site.login(f"user{n}@example.com", "wrong").status_code for n in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    refused = site.login()
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 800 < int(refused.headers["Retry-After"]) <= 900
    assert site.login(address="10.0.0.2").status_code == 200


def test_failures_on_an_account_count_wherever_they_come_from(make_site, hashes):
    """Many addresses that try one account are stopped, whether it exists or not, before any password is hashed."""
    site = make_site(**LIMITS)
    for login in ("ada@example.com", "nobody@example.com"):
        assert fail_from_everywhere(site, 5, login) == [401] * 3 + [429] * 2
    before = hashes.count
    assert site.login(address="10.6.99.1").status_code == 429
    assert hashes.count == before


def test_each_spelling_is_the_same_account(make_site):
    """Case, space and compatibility forms of a login share one count."""
    site = make_site(**LIMITS)
    spellings = ["ada@example.com", "ADA@EXAMPLE.COM", "  ada@example.com ", "\uff41da@example.com"]
    statuses = [
        site.login(login, "wrong", address=f"10.6.{n}.1").status_code for n, login in enumerate(spellings)
    ]
    assert statuses == [401] * 3 + [429]


def test_addresses_of_one_ipv6_network_are_one(make_site):
    """A /64 belongs to one customer, who could use another address each time."""
    site = make_site(**LIMITS)
    statuses = [
        site.login(f"u{n}@example.com", "wrong", address=f"2001:db8:1:2::{n}").status_code for n in range(6)
    ]
    assert statuses == [401] * 4 + [429] * 2
    assert site.login(address="2001:db8:1:3::1").status_code == 200


def test_the_owner_gets_in_during_an_attack(make_site):
    """From where the owner has logged in before, others' failures are no obstacle."""
    site = make_site(**LIMITS)
    assert site.login(address="192.0.2.1").status_code == 200
    fail_from_everywhere(site, 6)
    assert site.login(address="192.0.2.1").status_code == 200
    assert fail(site, 1, "192.0.2.1") == [401]
    assert site.login(address="192.0.2.1").status_code == 200


def test_the_owner_elsewhere_gets_in_by_a_reset(make_site):
    """From a new address an attack is in the way until the window ends, or until the owner resets by mail."""
    site = make_site(**LIMITS)
    fail_from_everywhere(site, 6)
    refused = site.login(address="198.51.100.1")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 900
    site.post("/reset/request", {"login": "ada@example.com"}, address="198.51.100.1")
    body = {"token": site.sent[0].token, "password": site.module.OTHER_PASSWORD}
    assert site.post("/reset", body, address="198.51.100.1").status_code == 200
    assert site.login(password=site.module.OTHER_PASSWORD, address="198.51.100.1").status_code == 200
    assert site.login(password=site.module.OTHER_PASSWORD, address="198.51.100.2").status_code == 429


def test_a_success_forgets_ones_own_mistakes_only(make_site):
    """Mistyping twice now and then never adds up; an attacker's own account cleans no slate."""
    site = make_site(**LIMITS)
    site.add_user("eve@example.com")
    for _ in range(5):
        assert fail(site, 2) == [401, 401]
        assert site.login().status_code == 200
    for number in range(2):
        assert fail(site, 2, "10.3.3.3", f"nobody{number}@example.com") == [401, 401]
        site.login("eve@example.com", address="10.3.3.3")
    assert fail(site, 1, "10.3.3.3", "somebody@example.com") == [429]


def test_a_failure_of_ours_is_nobodys_mistake(make_site):
    """When the database is away while a login is looked at, the attempt is not counted."""
    site = make_site(**LIMITS)
    with site.app.app_context():
        site.app.db.drop_all()
    site.app.testing = False
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    assert {site.login().status_code for _ in range(8)} == {500}


def test_it_counts_here_while_redis_is_away(make_site, redis_server):
    """Redis is gone: failures are counted in this process; when it is back, there again."""
    site = make_site(**LIMITS)
    fail(site, 1)
    redis_server.stop()
    start = time.monotonic()
    assert fail(site, 6, "10.4.4.4") == [401] * 3 + [429] * 3
    assert time.monotonic() - start < 10  # a connection that is waited for takes 20
    redis_server.restart()
    deadline = time.monotonic() + 60
    while site.login(address="10.4.4.5").status_code != 200:
        assert time.monotonic() < deadline


def test_no_login_and_no_address_is_in_redis(make_site, redis_url):
    """What is kept to count failures names nobody."""
    from redis import Redis

    site = make_site(**LIMITS)
    fail(site, 2)
    site.login()
    with Redis.from_url(redis_url) as client:
        for key in client.scan_iter("*failures*"):
            assert client.ttl(key) > 0
            kept = (key, client.zrange(key, 0, -1))
            assert b"ada" not in repr(kept).encode()
            assert b"10.0.0.1" not in repr(kept).encode()


@pytest.fixture
def attackers(login_app):
    """Two processes that wait for orders; they end with the test, whatever comes of it."""
    processes = [
        subprocess.Popen(
            [sys.executable, login_app.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the log
            text=True,
        )
        for _ in range(2)
    ]
    watchdog = Timer(120, lambda: [process.kill() for process in processes])
    watchdog.start()
    yield processes
    watchdog.cancel()
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def test_an_attack_from_many_processes_gets_exactly_the_limit(make_site, attackers, database_url, redis_url):
    """32 threads in each of 2 processes with wrong passwords: exactly ten are looked at, all others refused."""
    make_site()
    for account in ("ada@example.com", "nobody@example.com"):
        for process in attackers:
            process.stdin.write(json.dumps([database_url, redis_url, account]) + "\n")
            process.stdin.flush()
        for process in attackers:
            assert process.stdout.readline() == "ready\n"
        for process in attackers:
            process.stdin.write("\n")
            process.stdin.flush()
        results = [json.loads(process.stdout.readline()) for process in attackers]
        statuses = sum((Counter(result["statuses"]) for result in results), Counter())
        assert statuses == {"401": 10, "429": 54}, account
        assert sum(result["hashes"] for result in results) == 10, account
