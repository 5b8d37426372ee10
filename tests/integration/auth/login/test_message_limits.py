"""Requests for messages: one address is soon stopped, and cannot stop the owner with itself."""

import pytest

LIMITS = {
    "BACKEND_AUTH_FAILURES_PER_ADDRESS": "100/15 minutes",
    "BACKEND_AUTH_FAILURES_PER_ACCOUNT": "3/15 minutes",
}
ADA = {"login": "ada@example.com"}
PATHS = {
    "/reset/request": ADA,
    "/verify/resend": ADA,
    "/register": ADA | {"password": "correct horse battery"},
}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def ask(site, path, address, count=1):
    return [site.post(path, PATHS[path], address=address).status_code for _ in range(count)]


@pytest.mark.parametrize("path", PATHS)
def test_one_address_cannot_use_up_the_messages_of_an_account(make_site, path):
    """A third of the account's failures for each address; others ask on."""
    site = make_site(**LIMITS | {"BACKEND_AUTH_FAILURES_PER_ACCOUNT": "7/15 minutes"})
    assert ask(site, path, "6.6.6.6", 5) == [202] * 3 + [429] * 2
    assert ask(site, path, "9.9.9.9") == [202]


def test_the_owner_resets_by_mail_from_a_new_address_during_an_attack(make_site):
    """Logins and messages of the account are attacked from one address: another one resets, and is in."""
    site = make_site(**LIMITS)
    assert [site.login(password="wrong", address="6.6.6.6").status_code for _ in range(4)] == [401] * 3 + [
        429
    ]
    for path in PATHS:
        assert ask(site, path, "6.6.6.6", 3)[-1] == 429
    assert site.login(address="9.9.9.9").status_code == 429
    assert ask(site, "/reset/request", "9.9.9.9") == [202]
    body = {"token": site.sent[-1].token, "password": "tall giraffe paper clip"}
    assert site.post("/reset", body, address="9.9.9.9").status_code == 200
    assert site.login(password="tall giraffe paper clip", address="9.9.9.9").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_an_account_gets_so_many_messages_at_most_and_known_addresses_may_ask_on(make_site, path):
    """Ten times as many as failures, from wherever; where the owner has logged in before, no flood is in the way."""
    site = make_site(**LIMITS)
    assert site.login(address="8.8.8.8").status_code == 200
    statuses = [status for number in range(32) for status in ask(site, path, f"10.6.{number}.1")]
    assert statuses == [202] * 30 + [429] * 2
    assert ask(site, path, "9.9.9.9") == [429]
    assert ask(site, path, "8.8.8.8") == [202]


def test_after_a_flood_the_last_message_still_counts(make_site):
    """When no more are sent for now, the token of the last one resets the password, from a new address too."""
    site = make_site(**LIMITS)
    for number in range(31):
        ask(site, "/reset/request", f"10.6.{number}.1")
    for path in ("/verify/resend", "/register"):  # other messages have counts of their own
        assert ask(site, path, "10.7.1.1") == [202]
    token = [message.token for message in site.sent if message.kind == "reset"][29]
    body = {"token": token, "password": "tall giraffe paper clip"}
    assert ask(site, "/reset/request", "9.9.9.9") == [429]
    assert site.post("/reset", body, address="9.9.9.9").status_code == 200


def test_one_address_asks_for_so_many_in_all(make_site):
    """All kinds of messages together, for whichever accounts, known or not."""
    site = make_site(**LIMITS | {"BACKEND_AUTH_FAILURES_PER_ADDRESS": "5/15 minutes"})
    paths = ["/reset/request", "/verify/resend"] * 4
    statuses = [site.post(path, {"login": f"u{n}@example.com"}).status_code for n, path in enumerate(paths)]
    assert statuses == [202] * 5 + [429] * 3
