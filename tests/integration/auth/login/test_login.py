"""`POST /login`: one answer for all that is wrong, one amount of work, and nothing lost when things change meanwhile."""

import json

import argon2
import pytest
from werkzeug.security import generate_password_hash

from flask_backend_patterns import ConflictError, SQLAlchemyUsers

ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
WRONG = {
    "unknown": ("nobody@example.com", None),
    "wrong password": ("ada@example.com", "wrong"),
    "inactive": ("inactive@example.com", None),
    "inactive, wrong password": ("inactive@example.com", "wrong"),
    "no password": ("oauth@example.com", None),
    "unreadable hash": ("broken@example.com", None),
}


@pytest.fixture
def crowd(make_site):
    site = make_site()
    site.add_user("inactive@example.com", is_active=False)
    site.add_user("oauth@example.com", password=None)
    site.add_user("broken@example.com")
    site.change_user("broken@example.com", password_hash="$argon2id$v=19$nonsense")
    site.login("nobody@example.com", address="10.9.9.9")  # makes the decoy
    return site


def shown(response):
    """All of an answer that a client sees, but for what is random."""
    body = response.get_json()
    body["error"].pop("request_id", None)
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-ID"}
    return response.status_code, json.dumps(body), headers


def test_whatever_is_wrong_is_answered_alike(crowd, hashes):
    """Unknown, wrong, inactive, without a password: the same status, body and headers after one password hash."""
    answers, counts = {}, {}
    for name, (login, password) in WRONG.items():
        before = hashes.count
        answers[name] = shown(crowd.login(login, password))
        counts[name] = hashes.count - before
    first = answers["unknown"]
    assert first[0] == 401
    assert json.loads(first[1])["error"]["code"] == "INVALID_CREDENTIALS"
    assert first[2]["WWW-Authenticate"] == "Bearer"
    assert answers == dict.fromkeys(WRONG, first)
    # A hash that cannot be read fails before it is computed, so the decoy's is the one that is.
    assert counts == dict.fromkeys(WRONG, 1) | {"unreadable hash": counts["unreadable hash"]}
    assert 1 <= counts["unreadable hash"] <= 2


@ON_BOTH
def test_a_login_gives_tokens_that_count(site):
    """The answer has the members of RFC 6749, 5.1, is not to be stored, and its tokens are accepted."""
    answer = site.login("  ADA@Example.com ")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    tokens = answer.get_json()["data"]
    assert tokens["token_type"] == "Bearer"
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (900, 604_800)
    assert site.me(tokens["access_token"]) == 200
    assert site.me(tokens["refresh_token"]) == 401


@ON_BOTH
def test_roles_of_the_user_are_in_the_token(site):
    """What the user's row says today is what the token says."""
    site.change_user(roles=["customer", "support"])
    token = site.tokens()["access_token"]
    assert site.auth.verifier.verify(token).roles == ("customer", "support")


def test_the_device_is_named_by_the_client(site):
    """The list of sessions shows the name that was given, and where it was."""
    tokens = site.post(
        "/login",
        {"login": "ada@example.com", "password": site.module.PASSWORD, "device": "Ada's phone"},
        headers={"User-Agent": "Browser/1"},
    ).get_json()["data"]
    [session] = site.request("GET", "/auth/sessions", token=tokens["access_token"]).get_json()["data"]
    assert session["device"] == {"name": "Ada's phone", "user_agent": "Browser/1", "address": "10.0.0.1"}


def test_unverified_users_log_in_unless_told_otherwise(make_site):
    """Where addresses have to be verified, the right password is told so, and a wrong one is told nothing."""
    assert make_site().login().status_code == 200
    strict = make_site(with_user=False, blueprint={"require_verified": True})
    refused = strict.login()
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "NOT_VERIFIED")
    assert strict.login(password="wrong").status_code == 401


@ON_BOTH
def test_hashes_of_older_apps_are_replaced_at_login(site):
    """A hash that werkzeug made works once more, and is an Argon2id hash afterwards."""
    site.change_user(password_hash=generate_password_hash(site.module.PASSWORD, method="pbkdf2:sha256:1000"))
    assert site.login().status_code == 200
    assert site.user().password_hash.startswith("$argon2id$")
    assert site.login().status_code == 200


def test_a_hash_of_today_is_left_alone(site):
    """A login that needs no new hash writes none."""
    before = site.user().password_hash
    assert site.login().status_code == 200
    assert site.user().password_hash == before


def changing(password_hash):
    """A store whose user gets another hash right after it was read: somebody else is changing the password."""

    class Store(SQLAlchemyUsers):
        armed = False

        def find_by_login(self, login):
            found = super().find_by_login(login)
            if self.armed:
                self.armed = False
                self.set_password_hash(found.auth_id, password_hash(self))
            return found

    return Store


@ON_BOTH
def test_a_password_that_is_changed_while_it_is_checked_counts_no_more(make_site):
    """A login with the old password that began before a reset leaves no session behind after it."""
    site = make_site(users=changing(lambda store: store.new_hash))
    with site.app.app_context():
        site.app.users.new_hash = site.auth.passwords.hash(site.module.OTHER_PASSWORD)
    site.app.users.armed = True
    refused = site.login()
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "INVALID_CREDENTIALS")
    with site.app.app_context():
        assert site.auth.sessions.list(str(site.user().id)) == ()
    assert site.login(password=site.module.OTHER_PASSWORD).status_code == 200


@ON_BOTH
def test_a_new_hash_of_the_same_password_meanwhile_is_no_change(make_site):
    """Two logins at once may both renew the hash; both users are in."""
    site = make_site(users=changing(lambda store: store.new_hash))
    with site.app.app_context():
        site.app.users.new_hash = site.auth.passwords.hash(site.module.PASSWORD)
    site.app.users.armed = True
    assert site.login().status_code == 200


@ON_BOTH
def test_renewing_a_hash_never_undoes_a_change(make_site):
    """An old hash is not renewed over the password that was set while it was checked."""
    site = make_site(users=changing(lambda store: store.new_hash))
    site.change_user(password_hash=generate_password_hash(site.module.PASSWORD, method="pbkdf2:sha256:1000"))
    with site.app.app_context():
        site.app.users.new_hash = site.auth.passwords.hash(site.module.OTHER_PASSWORD)
    site.app.users.armed = True
    assert site.login().status_code == 401
    assert site.user().password_hash == site.app.users.new_hash


def test_a_hash_that_cannot_be_stored_leaves_the_login_alone(make_site):
    """Who is right is in, also when the store refuses the new hash."""

    class Store(SQLAlchemyUsers):
        def set_password_hash(self, auth_id, password_hash, *, replaces=None):
            raise ConflictError

    site = make_site(users=Store)
    site.change_user(password_hash=generate_password_hash(site.module.PASSWORD, method="pbkdf2:sha256:1000"))
    assert site.login().status_code == 200


@ON_BOTH
def test_no_connection_is_held_while_a_password_is_hashed(make_site, monkeypatch):
    """Every connection is back in its pool before a hash, which takes far longer than any query."""
    site = make_site()
    site.change_user(password_hash=generate_password_hash(site.module.PASSWORD, method="pbkdf2:sha256:1000"))
    with site.app.app_context():
        engine = site.app.db.engine
    held = []
    for name in ("hash", "verify"):
        work = getattr(argon2.PasswordHasher, name)

        def watched(*arguments, work=work, name=name):
            held.append((name, engine.pool.checkedout()))
            return work(*arguments)

        monkeypatch.setattr(argon2.PasswordHasher, name, watched)
    assert site.login().status_code == 200  # renews the hash
    assert site.login().status_code == 200
    assert site.login("nobody@example.com").status_code == 401
    assert {name for name, _ in held} == {"hash", "verify"}
    assert {count for _, count in held} == {0}


def test_without_redis_a_login_says_what_is_missing(make_site):
    """Tokens of a login need Redis; the error names the setting."""
    from flask_backend_patterns import SetupError

    site = make_site(redis=None)
    with pytest.raises(SetupError, match="BACKEND_REDIS_URL"):
        site.login()
