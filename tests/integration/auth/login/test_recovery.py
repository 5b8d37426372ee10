"""What a reset and a change of the password end, and who is known to an account."""

from datetime import UTC, datetime

import pytest

from flask_backend_patterns.auth.login.options import FEATURES

NEW = "tall giraffe paper clip"
LIMITS = {"BACKEND_AUTH_FAILURES_PER_ACCOUNT": "3/15 minutes"}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def reset(site, address="10.0.0.1"):
    site.post("/reset/request", {"login": "ada@example.com"}, address=address)
    answer = site.post("/reset", {"token": site.sent[-1].token, "password": NEW}, address=address)
    assert answer.status_code == 200


def attack(site):
    return [site.login(password="wrong", address=f"10.6.{number}.1").status_code for number in range(4)]


def make_keyed(make_site, **config):
    return make_site(BACKEND_AUTH_AUTHENTICATORS="jwt,api_key", blueprint={"features": FEATURES}, **config)


def make_key(site, token):
    return site.post("/api-keys", {"name": "report"}, token=token)


def test_a_reset_ends_api_keys_and_a_change_does_not(make_site):
    """A reset means that the account was in doubt; nobody else's keys end, and new ones may be made."""
    site = make_keyed(make_site)
    site.add_user("bob@example.com")
    keys = [
        make_key(site, site.tokens(login=login)["access_token"]).get_json()["data"]["key"]
        for login in ("ada@example.com", "bob@example.com")
    ]

    def statuses():
        return [site.client.get("/me", headers={"X-API-Key": key}).status_code for key in keys]

    change = {"old_password": site.module.PASSWORD, "new_password": site.module.OTHER_PASSWORD + "s"}
    assert site.post("/password", change, token=site.tokens()["access_token"]).status_code == 200
    assert statuses() == [200, 200]
    reset(site)
    assert statuses() == [401, 200]
    assert make_key(site, site.tokens(password=NEW)["access_token"]).status_code == 201


def test_keys_are_only_made_by_who_has_just_logged_in(make_site):
    """A refreshed token, which a thief may have, is asked to log in again; it may still list and end keys."""
    site = make_keyed(make_site)
    tokens = site.tokens()
    fresh = site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).get_json()["data"]
    refused = make_key(site, fresh["access_token"])
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "FRESH_LOGIN_REQUIRED")
    made = make_key(site, tokens["access_token"]).get_json()["data"]
    assert site.request("GET", "/auth/api-keys", token=fresh["access_token"]).status_code == 200
    path = f"/auth/api-keys/{made['id']}"
    assert site.request("DELETE", path, token=fresh["access_token"]).status_code == 204


def test_a_person_has_so_many_keys_at_most(make_site):
    """The 51st is a 409 that says what to do; an ended one makes room."""
    site = make_keyed(make_site)
    token = site.tokens()["access_token"]
    ids = [make_key(site, token).get_json()["data"]["id"] for _ in range(50)]
    refused = make_key(site, token)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, "CONFLICT")
    assert "end one" in refused.get_json()["error"]["message"]
    site.request("DELETE", f"/auth/api-keys/{ids[0]}", token=token)
    assert [make_key(site, token).status_code for _ in range(2)] == [201, 409]


def test_a_login_that_was_refused_for_want_of_proof_makes_no_address_known(make_site):
    """Who registered somebody else's address has not logged in to it: the account's limit holds for them."""
    site = make_site(blueprint={"require_verified": True}, **LIMITS)
    assert site.login(address="6.6.6.6").status_code == 403
    attack(site)
    assert site.login(address="6.6.6.6").status_code == 429
    site.change_user(verified_at=datetime.now(UTC))
    assert site.login(password="wrong", address="6.6.6.6").status_code == 429


def test_after_a_reset_only_its_address_is_known(make_site):
    """Where the thief logged in before, the account's limit holds again; where the owner reset it, it is no obstacle."""
    site = make_site(**LIMITS)
    assert site.login(address="6.6.6.6").status_code == 200
    reset(site, "8.8.8.8")
    assert attack(site) == [401] * 3 + [429]
    assert site.login(password="wrong", address="6.6.6.6").status_code == 429
    assert site.login(password=NEW, address="8.8.8.8").status_code == 200


@pytest.mark.parametrize("change", [{"is_active": False}, None], ids=["inactive", "deleted"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions", None),
        ("DELETE", "/sessions/x", None),
        ("POST", "/logout-all", None),
        ("POST", "/password", {"old_password": "correct horse battery", "new_password": NEW}),
        ("GET", "/api-keys", None),
        ("POST", "/api-keys", {"name": "more", "scopes": ["*"]}),
        ("DELETE", "/api-keys/x", None),
    ],
)
def test_an_account_that_is_switched_off_changes_nothing(make_site, change, method, path, body):
    """An access token lives on for minutes; what would outlive it is not to be had with it."""
    site = make_keyed(make_site)
    token = site.tokens()["access_token"]
    if change is None:
        with site.app.app_context():
            site.app.db.session.delete(site._row("ada@example.com"))
            site.app.db.session.commit()
    else:
        site.change_user(**change)
    answer = site.request(method, f"/auth{path}", token=token, json=body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "TOKEN_REVOKED")


def test_changing_the_password_ends_tokens_without_a_session(site):
    """What an app made by Flask-JWT-Extended, say: refused, like every session but the one that changed it."""
    here, there = site.tokens(), site.tokens()
    claims = site.auth.verifier.verify(here["access_token"]).claims
    names = ("sub", "iat", "exp", "type")
    loose = site.auth.tokens._signer.sign({name: claims[name] for name in names} | {"jti": "loose"})
    assert site.me(loose) == 200
    body = {"old_password": site.module.PASSWORD, "new_password": NEW}
    assert site.post("/password", body, token=here["access_token"]).status_code == 200
    assert [site.me(token) for token in (here["access_token"], there["access_token"], loose)] == [
        200,
        401,
        401,
    ]
    assert site.post("/refresh", {"refresh_token": here["refresh_token"]}).status_code == 200
