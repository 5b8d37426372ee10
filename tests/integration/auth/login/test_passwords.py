"""`/reset/request`, `/reset`, `/password`: a new password ends what the old one had begun."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
NEW = "tall giraffe paper clip"


def reset_token(site, login="ada@example.com"):
    assert site.post("/reset/request", {"login": login}).status_code == 202
    return site.sent[-1].token


def details(answer):
    assert answer.status_code == 422
    return [detail["field"] for detail in answer.get_json()["error"]["details"]]


def test_asking_for_a_reset_tells_nothing(site, hashes):
    """Known, unknown and inactive addresses: the same answer, no password hash; only the first is sent a token."""
    site.add_user("gone@example.com", is_active=False)
    before = hashes.count
    answers = [
        site.post("/reset/request", {"login": login})
        for login in ("ada@example.com", "nobody@example.com", "gone@example.com")
    ]
    shown = [(item.status_code, item.get_data(), sorted(dict(item.headers).keys())) for item in answers]
    assert shown == [shown[0]] * 3
    assert hashes.count == before
    [message] = site.sent
    assert (message.kind, message.expires_in_seconds) == ("reset", 3_600)


@ON_BOTH
def test_a_known_address_costs_the_database_what_an_unknown_one_does(site):
    """A request for a reset writes as much for nobody as for somebody: the statements are the same in kind."""
    from sqlalchemy import event

    seen = []
    with site.app.app_context():
        engine = site.app.db.engine
    event.listen(
        engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement.split()[0])
    )
    kinds = []
    for login in ("ada@example.com", "nobody@example.com", "ada@example.com", "nobody@example.com"):
        seen.clear()
        site.post("/reset/request", {"login": login})
        kinds.append([word for word in seen if word in {"SELECT", "INSERT", "DELETE", "UPDATE"}])
    assert kinds[2] == kinds[3]  # the first ones look for expired tokens too, once a minute


@ON_BOTH
def test_a_reset_ends_every_session(site):
    """The new password counts, the old one does not, and no token of before does."""
    first, second = site.tokens(), site.tokens()
    answer = site.post("/reset", {"token": reset_token(site), "password": NEW})
    assert answer.status_code == 200
    assert [site.me(item["access_token"]) for item in (first, second)] == [401, 401]
    assert site.post("/refresh", {"refresh_token": first["refresh_token"]}).status_code == 401
    assert site.login().status_code == 401
    assert site.me(site.tokens(password=NEW)["access_token"]) == 200


@ON_BOTH
def test_a_reset_token_counts_once(site):
    """The second use is refused and changes nothing."""
    token = reset_token(site)
    assert site.post("/reset", {"token": token, "password": NEW}).status_code == 200
    assert details(site.post("/reset", {"token": token, "password": "another password"})) == ["token"]
    assert site.login(password=NEW).status_code == 200


def test_a_weak_password_keeps_the_token(site):
    """Whoever chooses badly may choose again."""
    token = reset_token(site)
    assert details(site.post("/reset", {"token": token, "password": "short"})) == ["password"]
    assert details(site.post("/reset", {"token": token, "password": "ada@example.com"})) == ["password"]
    assert site.login().status_code == 200
    assert site.post("/reset", {"token": token, "password": NEW}).status_code == 200


def test_the_last_token_is_the_one_that_counts(site):
    """Asking again ends the token of before."""
    first, second = reset_token(site), reset_token(site)
    assert details(site.post("/reset", {"token": first, "password": NEW})) == ["token"]
    assert site.post("/reset", {"token": second, "password": NEW}).status_code == 200


@ON_BOTH
def test_a_reset_verifies_the_address(site):
    """Who read the message owns the address."""
    assert not site.user().auth_is_verified
    site.post("/reset", {"token": reset_token(site), "password": NEW})
    assert site.user().auth_is_verified


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"email": "new@example.com"}], ids=["inactive", "moved"]
)
def test_a_token_ends_with_what_it_was_sent_for(site, change):
    """An account that was switched off, or that has another address now, is not opened by an old message."""
    token = reset_token(site)
    site.change_user(**change)
    assert details(site.post("/reset", {"token": token, "password": NEW})) == ["token"]


@ON_BOTH
def test_many_use_one_token_at_once(site):
    """Eight requests with one token and eight passwords: exactly one is done, and its password counts."""
    token = reset_token(site)

    def reset(number):
        body = {"token": token, "password": f"tall giraffe {number}"}
        client = site.app.test_client()
        return site.post("/reset", body, client=client, address=f"10.5.{number}.1").status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(reset, range(8)))
    assert sorted(statuses) == [200] + [422] * 7
    winner = statuses.index(200)
    assert site.login(password=f"tall giraffe {winner}").status_code == 200


def test_bad_tokens_are_counted_by_address(make_site):
    """Whoever guesses tokens is stopped, with a word on when to come back; good passwords are not looked at then."""
    site = make_site(BACKEND_AUTH_FAILURES_PER_ADDRESS="3/15 minutes")
    token = reset_token(site)
    body = {"token": "a" * 43, "password": NEW}
    assert [site.post("/reset", body).status_code for _ in range(4)] == [422, 422, 422, 429]
    refused = site.post("/verify", {"token": "a" * 43})
    assert refused.status_code == 429
    assert 800 < int(refused.headers["Retry-After"]) <= 900
    assert site.post("/reset", body | {"token": token}, address="10.0.0.2").status_code == 200


@ON_BOTH
def test_nothing_changes_when_sessions_cannot_be_ended(site, redis_server):
    """Redis is away: 503, the old password and the token stay as they are; later the same token does it."""
    token = reset_token(site)
    body = {"token": token, "password": NEW}
    redis_server.stop()
    refused = site.post("/reset", body)
    assert refused.status_code == 503
    assert "Retry-After" in refused.headers
    with site.app.app_context():
        assert site.auth.passwords.verify(site.module.PASSWORD, site.user().password_hash)
    redis_server.restart()
    deadline = time.monotonic() + 60
    while (answer := site.post("/reset", body)).status_code == 503:
        assert time.monotonic() < deadline
    assert answer.status_code == 200


@ON_BOTH
def test_changing_the_password_keeps_this_session_only(site):
    """The caller goes on; every other session ends, and open reset tokens with them."""
    here, there = site.tokens(), site.tokens()
    token = reset_token(site)
    body = {"old_password": site.module.PASSWORD, "new_password": NEW}
    assert site.post("/password", body, token=here["access_token"]).status_code == 200
    assert site.me(here["access_token"]) == 200
    assert site.me(there["access_token"]) == 401
    assert site.login().status_code == 401
    assert site.login(password=NEW).status_code == 200
    assert details(site.post("/reset", {"token": token, "password": "another password"})) == ["token"]


def test_changing_the_password_wants_the_old_one(make_site):
    """A wrong old password names its field and is counted; a stolen session is not enough to guess on."""
    site = make_site(BACKEND_AUTH_FAILURES_PER_ADDRESS="3/hour")
    token = site.tokens()["access_token"]
    body = {"old_password": "wrong", "new_password": NEW}
    answers = [site.post("/password", body, token=token) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 429]
    assert details(answers[0]) == ["old_password"]


def test_a_weak_new_password_is_refused(site):
    """The field that is wrong is the new one."""
    body = {"old_password": site.module.PASSWORD, "new_password": "short"}
    assert details(site.post("/password", body, token=site.tokens()["access_token"])) == ["new_password"]


@ON_BOTH
def test_somebody_without_a_password_sets_one_by_a_reset(site):
    """An account made by another login gets its first password by the message."""
    site.add_user("oauth@example.com", password=None)
    site.post("/reset", {"token": reset_token(site, "oauth@example.com"), "password": NEW})
    assert site.login("oauth@example.com", NEW).status_code == 200
