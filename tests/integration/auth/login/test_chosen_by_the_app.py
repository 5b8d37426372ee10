"""What an app chooses when it makes the login blueprint: API keys, claims of its own, whether old hashes are renewed."""

import logging
import re

import pytest
from werkzeug.security import check_password_hash, generate_password_hash

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.login.options import DEFAULT_FEATURES, FEATURES


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def test_api_keys_are_there_only_when_asked_for():
    """All other features are there by themselves."""
    assert [feature for feature in FEATURES if feature not in DEFAULT_FEATURES] == ["api_keys"]


@pytest.mark.parametrize("authenticators", ["jwt", "session", "jwt,session"])
def test_api_keys_that_nobody_reads_are_refused_when_the_blueprint_is_registered(authenticators, make_site):
    """The routes would make keys that the app answers with 401; the message names the setting."""
    with pytest.raises(SetupError, match="'api_key' to BACKEND_AUTH_AUTHENTICATORS"):
        make_site(BACKEND_AUTH_AUTHENTICATORS=authenticators, blueprint={"features": ["login", "api_keys"]})


def claims_of(site, tokens):
    with site.app.app_context():
        return site.auth.verifier.verify(tokens["access_token"]).claims


def test_claims_of_the_app_are_in_access_tokens_and_stay(make_site):
    """`claims(user)` gets the user who logs in; its claims are in the tokens of later refreshes too."""
    site = make_site(blueprint={"claims": lambda user: {"tenant": user.name, "plan": {"seats": 3}}})
    site.change_user(name="acme")
    tokens = site.tokens()
    for _ in range(3):
        claims = claims_of(site, tokens)
        assert (claims["tenant"], claims["plan"]) == ("acme", {"seats": 3})
        tokens = site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).get_json()["data"]


def test_claims_that_are_ours_are_refused(make_site):
    """The app cannot say by accident who somebody is; nobody is left with a session then."""
    site = make_site(blueprint={"claims": lambda user: {"roles": ["admin"]}})
    with pytest.raises(SetupError, match="roles"):
        site.login()
    with site.app.app_context():
        assert site.auth.sessions.list(str(site.user().id)) == ()


def test_a_session_in_a_cookie_has_no_claims(make_site):
    """It begins all the same."""
    site = make_site(
        BACKEND_AUTH_AUTHENTICATORS="session", blueprint={"claims": lambda user: {"tenant": "acme"}}
    )
    assert site.login().status_code == 200
    assert site.me(None) == 200


@pytest.mark.parametrize("is_renewed", [True, False])
def test_whether_a_login_renews_an_old_hash(is_renewed, make_site, login_app):
    """BACKEND_AUTH_PASSWORD_REHASH = False: for an app that still verifies by `check_password_hash` itself."""
    site = make_site(BACKEND_AUTH_PASSWORD_REHASH=is_renewed)
    old = generate_password_hash(login_app.PASSWORD, method="pbkdf2:sha256:1000")
    site.change_user(password_hash=old)
    assert site.login().status_code == site.login().status_code == 200
    now = site.user().password_hash
    assert now.startswith("$argon2id$") if is_renewed else now == old
    assert is_renewed or check_password_hash(now, login_app.PASSWORD)


def logged(caplog, event):
    lines = [record.getMessage() for record in caplog.records if f"auth.{event} " in record.getMessage()]
    assert lines, event
    return [re.search(r"session=(\S+)", line)[1] for line in lines]


def test_the_log_names_the_session(make_site, caplog):
    """An incident is followed from login to logout by the session's id, which is no secret and not masked."""
    site = make_site()
    with caplog.at_level(logging.INFO):
        first, second, third = (site.tokens() for _ in range(3))
        site.post("/logout", token=first["access_token"])
        site.request("DELETE", f"/auth/sessions/{second['session_id']}", token=third["access_token"])
    assert logged(caplog, "login_succeeded") == [item["session_id"] for item in (first, second, third)]
    assert logged(caplog, "logged_out") == [first["session_id"]]
    assert logged(caplog, "session_ended") == [second["session_id"]]


def test_the_log_names_the_session_of_a_cookie(make_site, caplog):
    """Logging in and out."""
    site = make_site(BACKEND_AUTH_AUTHENTICATORS="session")
    with caplog.at_level(logging.INFO):
        session_id = site.login().get_json()["data"]["session_id"]
        csrf = site.client.get_cookie("backend_session_csrf").value
        site.post("/logout", headers={"X-CSRF-TOKEN": csrf})
    assert logged(caplog, "login_succeeded") == logged(caplog, "logged_out") == [session_id]
