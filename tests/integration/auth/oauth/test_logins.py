"""Logging in by a provider, from the first click to the page behind the login."""

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask_smorest import Api

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.auth.oauth import oauth_blueprint

PATH = "/orders?page=2"


def test_a_stranger_gets_an_account_and_a_login(site):
    """Browser to provider and back, a new verified user without a password, cookies, and on to the page wanted."""
    browser = site.browser()
    answer = browser.log_in(query="?next=/orders%3Fpage%3D2")
    assert (answer.status_code, answer.headers["Location"]) == (303, PATH)
    assert answer.headers["Cache-Control"] == "no-store"
    (user,) = site.users()
    assert (user.email, user.auth_is_verified, user.auth_password_hash) == ("ada@example.org", True, None)
    assert site.links() == [("u-1", user.auth_id)]
    assert browser.me().json()["data"]["id"] == user.auth_id


def test_whoever_comes_back_gets_the_same_account(site, provider):
    """By issuer and subject: also with another address."""
    first = site.browser()
    first.log_in()
    provider.order(user={"sub": "u-1", "email": "countess@example.org", "email_verified": False})
    second = site.browser()
    assert second.log_in().status_code == 303
    assert second.me().json()["data"]["id"] == first.me().json()["data"]["id"]
    assert len(site.users()) == 1


def test_subjects_differ_by_case(site, provider):
    """`U-1` is not `u-1`."""
    site.browser().log_in()
    provider.order(user={"sub": "U-1", "email": "eve@example.org", "email_verified": True})
    site.browser().log_in()
    assert len(site.users()) == 2


def test_two_providers_may_give_the_same_subject(make_site, provider, second_provider):
    """A subject is one of its issuer only."""
    site = make_site({"first": provider, "second": second_provider})
    second_provider.order(user={"sub": "u-1", "email": "eve@example.org", "email_verified": True})
    ada, eve = site.browser(), site.browser()
    ada.log_in("first")
    eve.log_in("second")
    assert ada.me().json()["data"]["id"] != eve.me().json()["data"]["id"]


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/html;q=0.5"])
def test_a_client_that_asks_for_json_gets_tokens(site, accept):
    """Instead of redirect and cookies: the address to go to, and the tokens of RFC 6749, 5.1."""
    browser = site.browser()
    begun = browser.get("/auth/oauth/first", headers={"Accept": accept})
    assert (begun.status_code, begun.headers["Cache-Control"]) == (200, "no-store")
    back = browser.get(begun.json()["data"]["authorization_url"])
    answer = browser.get(back.headers["Location"], headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    tokens = answer.json()["data"]
    assert tokens["token_type"] == "Bearer"
    assert browser.http.cookies.get("access_token_cookie") is None
    header = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert site.browser().get("/me", headers=header).status_code == 200


@pytest.mark.parametrize(
    "accept", ["*/*", "", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]
)
def test_a_browser_gets_a_redirect(site, accept):
    """Whoever takes anything, or a page first, is a browser."""
    assert site.browser().log_in(headers={"Accept": accept}).status_code == 303


def test_an_app_with_tokens_in_headers_only_answers_with_them(make_site, provider):
    """There a redirect would lose the tokens."""
    site = make_site({"first": provider}, JWT_TOKEN_LOCATION=["headers"])
    answer = site.browser().log_in()
    assert (answer.status_code, "access_token" in answer.json()["data"]) == (200, True)


def test_an_app_with_server_side_sessions_begins_one(make_site, provider):
    """The opaque cookie, and nothing else."""
    site = make_site({"first": provider}, BACKEND_AUTH_AUTHENTICATORS=["session"])
    browser = site.browser()
    assert browser.log_in().status_code == 303
    assert browser.me().json()["data"]["method"] == "session"


def test_cookies_are_out_of_reach_of_scripts(site):
    """HttpOnly, SameSite=Lax, ten minutes, only for the routes of the provider."""
    cookie = site.browser().get("/auth/oauth/first").headers["Set-Cookie"]
    assert cookie.startswith("backend_oauth_")
    kept = {part for part in cookie.split("; ")[1:] if not part.startswith("Expires=")}
    assert kept == {"Max-Age=600", "HttpOnly", "Path=/auth/oauth/first", "SameSite=Lax"}


def test_over_https_no_other_host_can_set_the_cookie(make_site, provider):
    """`__Host-` with Secure and Path=/ (RFC 6265bis, 4.1.3)."""
    site = make_site({"first": provider})
    response = site.app.test_client().get("/auth/oauth/first", base_url="https://shop.example")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-backend_oauth_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "redirect_uri=https%3A%2F%2Fshop.example%2Fauth%2Foauth%2Ffirst%2Fcallback" in response.location
    client = site.app.test_client()
    begun = client.get("/auth/oauth/first", base_url="https://shop.example")
    state = begun.location.partition("&state=")[2].partition("&")[0]
    gone = client.get(
        f"/auth/oauth/first/callback?error=access_denied&state={state}&iss={provider.issuer}",
        base_url="https://shop.example",
    )
    assert gone.status_code == 403
    assert gone.headers["Set-Cookie"].startswith("__Host-backend_oauth_")
    assert "Max-Age=0" in gone.headers["Set-Cookie"]


def test_the_redirect_uri_can_be_set(make_site, provider):
    """For apps that do not know what they are called outside."""
    site = make_site({"first": provider.settings(redirect_uri="https://shop.example/cb")})
    assert (
        "redirect_uri=https%3A%2F%2Fshop.example%2Fcb"
        in site.browser().get("/auth/oauth/first").headers["Location"]
    )


def test_parameters_of_the_request(make_site, provider):
    """PKCE with S256, state, nonce, scopes and what the settings add."""
    site = make_site({"first": provider.settings(parameters={"prompt": "login"}, scopes="openid email")})
    browser = site.browser()
    sent = parse_qs(urlsplit(browser.get("/auth/oauth/first").headers["Location"]).query)
    again = parse_qs(urlsplit(browser.get("/auth/oauth/first").headers["Location"]).query)
    assert (sent["prompt"], sent["scope"], sent["response_type"]) == (["login"], ["openid email"], ["code"])
    assert sent["code_challenge_method"] == ["S256"]
    for secret in ("state", "nonce", "code_challenge"):
        assert len(sent[secret][0]) == 43
        assert sent[secret] != again[secret]
    assert "code_verifier" not in sent


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get_logs_in(site, method):
    """Other methods are refused."""
    assert site.browser().http.request(method, f"{site.url}/auth/oauth/first").status_code == 405


def test_unknown_providers_are_not_found(site):
    """404, on each route."""
    browser = site.browser()
    for path in (
        "/auth/oauth/third",
        "/auth/oauth/third/callback?state=x",
        "/auth/oauth/FIRST",
        "/auth/oauth/%00",
    ):
        assert browser.get(path).status_code == 404


def test_nothing_secret_is_logged(make_site, provider, caplog):
    """No code, state, nonce, verifier, token or client secret; what is logged says who and how."""
    site = make_site({"first": provider})
    with caplog.at_level(logging.DEBUG):
        browser = site.browser()
        callback = browser.begin().headers["Location"]
        browser.get(callback)
    own = [record.getMessage() for record in caplog.records if record.name.startswith("flask_backend")]
    assert any("auth.oauth_login" in line and "registered" in line for line in own)
    code = callback.partition("code=")[2].partition("&")[0]
    state = callback.partition("state=")[2].partition("&")[0]
    for secret in (code, state, provider.client_secret, browser.http.cookies["access_token_cookie"]):
        assert not any(secret in line for line in own)


def test_the_routes_are_in_the_document():
    """With what they answer; `link` asks for credentials, the others do not."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    app.config.update(SECRET_KEY="s" * 40, JWT_SECRET_KEY="j" * 40)
    BackendPatterns().init_app(app)
    api = Api(app)
    api.register_blueprint(oauth_blueprint())
    paths = api.spec.to_dict()["paths"]
    begin = paths["/auth/oauth/{provider}"]["get"]
    assert begin["security"] == []
    assert [one["name"] for one in begin["parameters"]] == ["next"]
    assert "303" in begin["responses"]
    assert paths["/auth/oauth/{provider}/callback"]["get"]["responses"].keys() >= {"303", "429"}
    link = paths["/auth/oauth/{provider}/link"]["post"]
    assert link.get("security") != []
    assert "401" in link["responses"]
