"""Tokens in the body, tokens in cookies, a session in a cookie: set safely, refreshed, and ended."""

from http.cookies import SimpleCookie

import pytest

COOKIES = {"JWT_TOKEN_LOCATION": ["cookies"]}
BOTH = {"JWT_TOKEN_LOCATION": ["headers", "cookies"]}
SESSION = {"BACKEND_AUTH_AUTHENTICATORS": "session"}
TOKEN_COOKIES = {"access_token_cookie", "refresh_token_cookie"}
CSRF_COOKIES = {"csrf_access_token", "csrf_refresh_token"}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def cookies_of(response):
    found = SimpleCookie()
    for header in response.headers.getlist("Set-Cookie"):
        found.load(header)
    return found


def csrf(site, name="csrf_access_token", path="/"):
    return {"X-CSRF-TOKEN": site.client.get_cookie(name, path=path).value}


def test_cookies_are_out_of_reach(make_site):
    """Token cookies are HttpOnly and SameSite=Lax, their CSRF values readable; the body has no token."""
    site = make_site(**COOKIES)
    answer = site.login()
    cookies = cookies_of(answer)
    assert set(cookies) == TOKEN_COOKIES | CSRF_COOKIES
    for name, cookie in cookies.items():
        assert bool(cookie["httponly"]) is (name in TOKEN_COOKIES)
        assert (cookie["samesite"], cookie["path"], cookie["secure"], cookie["max-age"]) == (
            "Lax",
            "/",
            "",
            "",
        )
    data = answer.get_json()["data"]
    assert not data.keys() & {"access_token", "refresh_token"}
    assert data["csrf_token"] == cookies["csrf_access_token"].value
    assert data["csrf_refresh_token"] == cookies["csrf_refresh_token"].value
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("config", "options"),
    [({"JWT_COOKIE_SECURE": True}, {}), ({}, {"base_url": "https://localhost"})],
    ids=["set", "https"],
)
def test_cookies_are_secure_when_told_or_when_the_request_is(make_site, config, options):
    """`Secure` follows JWT_COOKIE_SECURE, and a secure request sets it by itself."""
    for cookie in cookies_of(make_site(**COOKIES, **config).login(**options)).values():
        assert cookie["secure"]


def test_the_settings_of_flask_jwt_extended_name_the_cookies(make_site):
    """`JWT_*` decides names, paths, domain, SameSite and lifetime."""
    site = make_site(
        **COOKIES,
        JWT_ACCESS_COOKIE_NAME="a",
        JWT_REFRESH_COOKIE_NAME="r",
        JWT_ACCESS_CSRF_COOKIE_NAME="ca",
        JWT_REFRESH_CSRF_COOKIE_NAME="cr",
        JWT_REFRESH_COOKIE_PATH="/auth/refresh",
        JWT_COOKIE_SAMESITE="Strict",
        JWT_COOKIE_DOMAIN="example.com",
        JWT_SESSION_COOKIE=False,
    )
    cookies = cookies_of(site.login())
    assert set(cookies) == {"a", "r", "ca", "cr"}
    assert cookies["r"]["path"] == "/auth/refresh"
    for cookie in cookies.values():
        assert (cookie["samesite"], cookie["domain"]) == ("Strict", "example.com")
        assert int(cookie["max-age"]) == 604_800


def test_cookies_authenticate_and_refresh(make_site):
    """The cookies log in; refreshing wants the CSRF value, spends the token, and answers with cookies again."""
    site = make_site(**COOKIES)
    site.login()
    assert site.me(None) == 200
    refused = site.post("/refresh", {})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "CSRF_FAILED")
    assert "X-CSRF-TOKEN" in refused.get_json()["error"]["message"]
    assert site.post("/refresh", {}, headers={"X-CSRF-TOKEN": "ü"}).status_code == 403
    assert site.post("/refresh", {}, headers=csrf(site)).status_code == 403  # the other token's
    old = site.client.get_cookie("refresh_token_cookie").value
    answer = site.post("/refresh", headers=csrf(site, "csrf_refresh_token"))
    assert answer.status_code == 200
    assert not answer.get_json()["data"].keys() & {"access_token", "refresh_token"}
    assert cookies_of(answer)["refresh_token_cookie"].value != old
    assert site.me(None) == 200


def test_cookies_that_no_longer_count_are_taken_away(make_site):
    """A refused refresh ends the cookies too, so that the browser does not try for ever."""
    site = make_site(**COOKIES)
    site.login()
    with site.app.app_context():
        site.auth.tokens.revoke_all(str(site.user().id))
    refused = site.post("/refresh", headers=csrf(site, "csrf_refresh_token"))
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "TOKEN_REVOKED")
    assert {name: cookie.value for name, cookie in cookies_of(refused).items()} == dict.fromkeys(
        TOKEN_COOKIES | CSRF_COOKIES, ""
    )


def test_garbage_in_cookies_is_refused_and_harms_nothing(make_site):
    """Anything may stand in a cookie: 401 for a refresh, and logging out takes it away."""
    site = make_site(**COOKIES)
    for value in ("x", "a.b.c", ".e30.", ".eyJjc3JmIjoxfQ.", "a." + "e" * 3_000 + ".c", '"'):
        site.client.set_cookie("refresh_token_cookie", value)
        assert site.post("/refresh", {}, headers={"X-CSRF-TOKEN": "x"}).status_code == 403
        site.client.set_cookie("refresh_token_cookie", value)
        assert site.post("/logout").status_code == 200
        assert site.client.get_cookie("refresh_token_cookie") is None


def test_logging_out_of_cookies(make_site):
    """Without the CSRF value another site asks: refused. With either one the session ends and the cookies go."""
    site = make_site(**COOKIES)
    for name in ("csrf_access_token", "csrf_refresh_token"):
        site.login()
        access = site.client.get_cookie("access_token_cookie").value
        assert site.post("/logout").status_code == 403
        assert site.me(None) == 200
        assert site.post("/logout", headers=csrf(site, name)).status_code == 200
        assert site.client.get_cookie("access_token_cookie") is None
        site.client.set_cookie("access_token_cookie", access)
        assert site.me(None) == 401
        site.client.delete_cookie("access_token_cookie")


def test_clients_choose_where_the_app_has_both(make_site):
    """Without a word the app's first choice; a client may ask for what the app reads back, and for nothing else."""
    site = make_site(**BOTH)
    credentials = {"login": "ada@example.com", "password": site.module.PASSWORD}
    assert site.login().get_json()["data"]["delivery"] == "cookies"
    body = site.post("/login", credentials | {"delivery": "body"})
    assert "access_token" in body.get_json()["data"]
    assert not body.headers.getlist("Set-Cookie")
    refused = site.post("/login", credentials | {"delivery": "session"})
    assert refused.status_code == 422
    assert refused.get_json()["error"]["details"] == [
        {"field": "delivery", "message": "This app takes: cookies, body."}
    ]


@pytest.mark.parametrize(("cookies", "delivery"), [(None, "cookies"), (True, "cookies"), (False, "body")])
def test_the_blueprint_may_prefer_one(make_site, cookies, delivery):
    """`cookies=` says what clients get that ask for nothing."""
    site = make_site(**BOTH, blueprint={"cookies": cookies})
    assert site.login().get_json()["data"]["delivery"] == delivery


def test_an_app_that_reads_nothing_back_is_told_so(make_site):
    """Logging in where neither tokens nor sessions are read is a mistake in the settings."""
    from flask_backend_patterns import SetupError

    with pytest.raises(SetupError, match="BACKEND_AUTH_AUTHENTICATORS"):
        make_site(BACKEND_AUTH_AUTHENTICATORS="api_key").login()


def test_a_session_in_a_cookie(make_site):
    """With the authenticator `session` a login sets an opaque cookie; changes want its CSRF value."""
    site = make_site(**SESSION)
    answer = site.login()
    cookies = cookies_of(answer)
    assert set(cookies) == {"backend_session", "backend_session_csrf"}
    assert cookies["backend_session"]["httponly"]
    assert answer.get_json()["data"] == {
        "delivery": "session",
        "session_id": answer.get_json()["data"]["session_id"],
    }
    assert site.me(None) == 200
    [session] = site.client.get("/auth/sessions").get_json()["data"]
    assert (session["kind"], session["is_current"]) == ("cookie", True)
    assert site.post("/logout-all").status_code == 403
    assert site.post("/logout").status_code == 403
    assert site.me(None) == 200
    assert site.post("/logout", headers=csrf(site, "backend_session_csrf")).status_code == 200
    assert site.client.get_cookie("backend_session") is None
    assert site.me(None) == 401
    site.client.set_cookie("backend_session", cookies["backend_session"].value)
    assert site.me(None) == 401


def test_logging_out_everywhere_takes_the_cookies_away(make_site):
    """Whatever kind of cookie it was, it is gone and does not count."""
    for config, name, csrf_name in (
        (COOKIES, "access_token_cookie", "csrf_access_token"),
        (SESSION, "backend_session", "backend_session_csrf"),
    ):
        site = make_site(with_user=config is COOKIES, **config)
        site.login()
        assert site.post("/logout-all", headers=csrf(site, csrf_name)).status_code == 200
        assert site.client.get_cookie(name) is None
        assert site.me(None) == 401


def test_csrf_can_be_switched_off_as_in_flask_jwt_extended(make_site):
    """JWT_COOKIE_CSRF_PROTECT = False: no CSRF cookies, none wanted."""
    site = make_site(**COOKIES, JWT_COOKIE_CSRF_PROTECT=False)
    assert set(cookies_of(site.login())) == TOKEN_COOKIES
    assert site.post("/refresh").status_code == 200
    assert site.post("/logout").status_code == 200


def test_a_token_in_the_body_is_answered_in_the_body(make_site):
    """A refresh token that scripts hold already comes back to them; cookies are not touched."""
    site = make_site(**BOTH)
    credentials = {"login": "ada@example.com", "password": site.module.PASSWORD, "delivery": "body"}
    tokens = site.post("/login", credentials).get_json()["data"]
    answer = site.post("/refresh", {"refresh_token": tokens["refresh_token"]})
    assert "refresh_token" in answer.get_json()["data"]
    assert not answer.headers.getlist("Set-Cookie")
