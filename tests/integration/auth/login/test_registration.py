"""`/register`, `/verify`, `/verify/resend`: nobody learns who has an account but who reads its messages."""

import pytest
from marshmallow import Schema, fields
from sqlalchemy import func, select

from flask_backend_patterns import SetupError

ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
ADA = {"login": "ada@example.com", "password": "correct horse battery"}
EVE = {"login": "eve@example.com", "password": "correct horse battery"}


def shown(answer):
    return answer.status_code, answer.get_data(), {k: v for k, v in answer.headers if k != "X-Request-ID"}


def kinds(site):
    return [(item.kind, item.user.auth_login, item.token is not None) for item in site.sent]


def verify(site):
    site.change_user(verified_at=func.now())


@ON_BOTH
def test_a_known_address_is_answered_like_an_unknown_one(site, hashes):
    """The same answer after one password hash each; the owner is told by a message."""
    verify(site)
    before = hashes.count
    unknown = shown(site.post("/register", EVE))
    assert hashes.count == before + 1
    known = shown(site.post("/register", ADA | {"password": "another password"}))
    assert hashes.count == before + 2
    assert known == unknown
    assert unknown[0] == 202
    assert kinds(site) == [
        ("verify", "eve@example.com", True),
        ("already_registered", "ada@example.com", False),
    ]
    assert site.login(password="another password").status_code == 401


@ON_BOTH
def test_registering_again_before_verifying_sends_the_token_again(site):
    """The first message may have been lost; the same password is the same person."""
    site.post("/register", EVE)
    site.post("/register", EVE | {"login": "EVE@example.com"})
    assert [item.kind for item in site.sent] == ["verify", "verify"]
    assert site.post("/verify", {"token": site.sent[0].token}).status_code == 422
    assert site.post("/verify", {"token": site.sent[1].token}).status_code == 200
    assert site.login("eve@example.com", EVE["password"]).status_code == 200


def test_an_inactive_account_is_told_nothing(site):
    """The answer is the same, and no message goes out."""
    site.change_user(is_active=False)
    assert site.post("/register", ADA).status_code == 202
    assert site.post("/verify/resend", {"login": ADA["login"]}).status_code == 202
    assert site.post("/reset/request", {"login": ADA["login"]}).status_code == 202
    assert site.sent == []


@ON_BOTH
def test_a_token_verifies_once(site):
    """The address is verified by the first use; the second is told so, naming the field."""
    site.post("/register", EVE)
    [message] = site.sent
    assert message.expires_in_seconds == 86_400
    assert not site.user("eve@example.com").auth_is_verified
    assert site.post("/verify", {"token": message.token}).status_code == 200
    assert site.user("eve@example.com").auth_is_verified
    again = site.post("/verify", {"token": message.token})
    assert (again.status_code, again.get_json()["error"]["details"][0]["field"]) == (422, "token")


def test_a_token_verifies_the_address_it_was_sent_to(site):
    """Who changes the address after the message was sent has not verified the new one."""
    site.post("/register", EVE)
    site.change_user("eve@example.com", email="president@example.com")
    assert site.post("/verify", {"token": site.sent[0].token}).status_code == 422
    assert not site.user("president@example.com").auth_is_verified


def test_tokens_of_one_purpose_do_not_serve_another(site):
    """A token to verify sets no password, and one to reset verifies nothing by itself."""
    site.post("/register", EVE)
    site.post("/reset/request", {"login": ADA["login"]})
    verify_token, reset_token = (item.token for item in site.sent)
    assert site.post("/reset", {"token": verify_token, "password": "tall giraffe clip"}).status_code == 422
    assert site.post("/verify", {"token": reset_token}).status_code == 422
    assert site.post("/verify", {"token": verify_token}).status_code == 200
    assert site.post("/reset", {"token": reset_token, "password": "tall giraffe clip"}).status_code == 200


def test_asking_for_the_token_again(site):
    """Unknown, verified and waiting addresses are answered alike; only the last is sent something."""
    site.add_user("waiting@example.com")
    verify(site)
    answers = [
        shown(site.post("/verify/resend", {"login": login}))
        for login in ("nobody@example.com", "ada@example.com", "waiting@example.com")
    ]
    assert answers == [answers[0]] * 3
    assert kinds(site) == [("verify", "waiting@example.com", True)]


def test_a_weak_password_is_refused_for_everybody(site):
    """Refused before anybody is looked up: known and unknown addresses get the same 422, and nothing is sent."""
    answers = [
        site.post("/register", {"login": login, "password": "short"})
        for login in (ADA["login"], EVE["login"])
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].get_json()["error"]["details"] == answers[1].get_json()["error"]["details"]
    assert answers[0].get_json()["error"]["details"][0]["field"] == "password"
    assert site.sent == []


def test_requests_for_messages_are_limited(make_site):
    """Nobody's mailbox is flooded: known and unknown addresses alike, by account and by address."""
    site = make_site(BACKEND_AUTH_FAILURES_PER_ACCOUNT="1/hour", BACKEND_AUTH_FAILURES_PER_ADDRESS="5/hour")
    for login in ("ada@example.com", "nobody@example.com"):
        statuses = [
            site.post("/reset/request", {"login": login}, address=f"10.{len(login)}.0.{n}").status_code
            for n in range(12)
        ]
        assert statuses == [202] * 10 + [429] * 2
    assert len(site.sent) == 10
    flood = [site.post("/register", EVE | {"login": f"e{n}@example.com"}).status_code for n in range(7)]
    assert flood == [202] * 5 + [429] * 2
    assert site.login().status_code == 200


@ON_BOTH
def test_without_a_notifier_nothing_is_written(make_site):
    """The error says how to hand one over, and no user is left behind without a message."""
    site = make_site(notifier=None)
    for path, body in (
        ("/register", EVE),
        ("/reset/request", {"login": ADA["login"]}),
        ("/verify/resend", {"login": ADA["login"]}),
    ):
        with pytest.raises(SetupError, match="BACKEND_AUTH_NOTIFIER"):
            site.post(path, body)
    assert site.user("eve@example.com") is None


def test_a_notifier_that_fails_changes_no_answer(make_site, caplog):
    """The answer is the same, the failure is logged, and the token is in no log."""
    seen = []

    def broken(message):
        seen.append(message)
        raise RuntimeError(f"cannot deliver {message.token} to {message.user.auth_login}")

    site = make_site(notifier=broken)
    with caplog.at_level("DEBUG"):
        assert site.post("/register", EVE).status_code == 202
    assert "auth.notification_failed" in caplog.text
    assert "RuntimeError" in caplog.text
    assert seen[0].token not in caplog.text
    assert "eve@example.com" not in caplog.text


@ON_BOTH
def test_what_else_is_asked_goes_to_the_store(make_site):
    """`details` is a schema of the app's: wrong details are named, right ones stored."""

    class Details(Schema):
        name = fields.String(required=True, validate=lambda text: len(text) < 20)

    site = make_site(blueprint={"details": Details})
    missing = site.post("/register", EVE)
    assert (missing.status_code, missing.get_json()["error"]["details"][0]["field"]) == (422, "details")
    wrong = site.post("/register", EVE | {"details": {"name": 1}})
    assert wrong.get_json()["error"]["details"][0]["field"] == "details.name"
    assert site.post("/register", EVE | {"details": {"name": "Eve"}}).status_code == 202
    assert site.user("eve@example.com").name == "Eve"


def test_logins_that_are_no_addresses(make_site):
    """With `email_logins=False` anything registers that can be a login."""
    site = make_site(blueprint={"email_logins": False})
    assert site.post("/register", EVE | {"login": "Ève the 1st"}).status_code == 202
    assert site.user("ève the 1st") is not None


@ON_BOTH
def test_a_race_to_register_makes_one_user(site):
    """Many requests at once for one address: all 202, one user, one password."""
    from concurrent.futures import ThreadPoolExecutor

    def register(number):
        body = {"login": "race@example.com", "password": f"correct horse {number}"}
        client = site.app.test_client()
        return site.post("/register", body, client=client, address=f"10.7.{number}.1").status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(register, range(8)))
    assert statuses == [202] * 8
    with site.app.app_context():
        count = select(func.count()).where(site.app.User.email == "race@example.com")
        assert site.app.db.session.scalar(count) == 1
    successes = [
        site.login("race@example.com", f"correct horse {n}", address=f"10.8.{n}.1").status_code
        for n in range(8)
    ]
    assert successes.count(200) == 1
