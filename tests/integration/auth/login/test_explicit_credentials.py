"""What a client sends on purpose beats the cookies that its browser adds, and needs no CSRF value."""

from itertools import permutations

import pytest
from flask import jsonify

from flask_backend_patterns import current_actor, require_auth


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


@pytest.fixture
def make_door(make_site):
    """A site with `POST /who`, an API key of bob's, an access token of bob's, and ada's cookies of both kinds."""

    def make(*, order, locations=("headers", "cookies")):
        site = make_site(BACKEND_AUTH_AUTHENTICATORS=order, JWT_TOKEN_LOCATION=list(locations))

        @site.app.post("/who")
        @require_auth
        def who():
            return jsonify(id=current_actor.id, method=current_actor.method)

        bob = str(site.add_user("bob@example.com"))
        with site.app.app_context():
            site.key = site.auth.api_keys.create(bob, name="k", scopes=["*"]).key
            site.token = site.auth.tokens.issue(bob, roles=[]).access_token
        return site

    return make


def log_in(site, delivery):
    credentials = {"login": "ada@example.com", "password": site.module.PASSWORD, "delivery": delivery}
    assert site.post("/login", credentials).status_code == 200


def ask(site, **headers):
    answer = site.client.post("/who", headers=headers)
    return answer.status_code, answer.get_json().get("method")


@pytest.mark.parametrize("order", list(permutations(["jwt", "api_key", "session"])), ids=",".join)
@pytest.mark.parametrize("cookies", ["session", "cookies"])
def test_a_header_beats_a_cookie(order, cookies, make_door):
    """In whatever order the settings name them: a token or a key in a header decides, and no CSRF value is wanted."""
    site = make_door(order=order)
    log_in(site, cookies)
    assert ask(site) == (403, None)  # the cookies alone need their CSRF value
    assert ask(site, Authorization=f"Bearer {site.token}") == (200, "jwt")
    assert ask(site, **{"X-API-Key": site.key}) == (200, "api_key")


@pytest.mark.parametrize("header", [{"Authorization": "Bearer nonsense"}, {"X-API-Key": "nonsense"}], ids=str)
def test_a_header_that_does_not_count_is_no_header_to_overlook(header, make_door):
    """401, although the cookie would have let the caller in."""
    site = make_door(order="session,jwt,api_key")
    log_in(site, "session")
    assert site.client.get("/me").status_code == 200
    assert site.client.get("/me", headers=header).status_code == 401


def test_the_header_beats_the_cookie_of_tokens_too(make_door):
    """`JWT_TOKEN_LOCATION = ["cookies", "headers"]` does not change it."""
    site = make_door(order="jwt", locations=("cookies", "headers"))
    log_in(site, "cookies")
    assert ask(site, Authorization=f"Bearer {site.token}") == (200, "jwt")


def test_credentials_of_another_kind_leave_the_cookie(make_door):
    """`Authorization: Basic`, which a proxy may want, says nothing to us: the cookie counts, with its CSRF value."""
    site = make_door(order="jwt,api_key,session")
    log_in(site, "session")
    csrf = site.client.get_cookie("backend_session_csrf").value
    assert ask(site, Authorization="Basic eDp5") == (403, None)
    assert ask(site, Authorization="Basic eDp5", **{"X-CSRF-TOKEN": csrf}) == (200, "session")


@pytest.mark.parametrize("locations", [["cookies"], ["headers"], ["headers", "cookies"]], ids=str)
def test_each_place_that_the_app_names_is_read_and_no_other(locations, make_door):
    """A place that JWT_TOKEN_LOCATION leaves out is not looked at."""
    site = make_door(order="jwt", locations=locations)
    headers = {"Authorization": f"Bearer {site.token}"}
    assert site.client.get("/me", headers=headers).status_code == (200 if "headers" in locations else 401)
    site.client.set_cookie("access_token_cookie", site.token)
    assert site.client.get("/me").status_code == (200 if "cookies" in locations else 401)
