"""Ending the session that a request comes with: whichever way, its cookies go, and a refusal ends nothing."""

import pytest

WAYS = {
    "BACKEND_AUTH_AUTHENTICATORS": "jwt,session",
    "JWT_TOKEN_LOCATION": ["headers", "cookies"],
    "JWT_COOKIE_SECURE": False,
}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


@pytest.fixture
def site(make_site):
    """An app that takes tokens in headers and cookies, and cookie sessions."""
    return make_site(**WAYS)


def browser(site, delivery="session"):
    """A client with the cookies of a new login, its CSRF value, and the id of the session."""
    client = site.app.test_client()
    answer = site.post(
        "/login",
        {"login": "ada@example.com", "password": site.module.PASSWORD, "delivery": delivery},
        client=client,
    )
    assert answer.status_code == 200
    name = "backend_session_csrf" if delivery == "session" else "csrf_access_token"
    return client, client.get_cookie(name).value, answer.get_json()["data"]["session_id"]


def tokens_of(site, login="ada@example.com"):
    """Tokens in the body, for a program."""
    body = {"login": login, "password": site.module.PASSWORD, "delivery": "body"}
    return site.post("/login", body, client=site.app.test_client()).get_json()["data"]


def test_ending_ones_own_session_takes_its_cookies(site):
    """`DELETE /sessions/<own>` by a cookie session: both its cookies are gone, so the next request is nobody's."""
    client, csrf, own = browser(site)
    answer = client.delete(f"/auth/sessions/{own}", headers={"X-CSRF-TOKEN": csrf})
    assert answer.status_code == 204
    assert client.get_cookie("backend_session") is None
    assert client.get_cookie("backend_session_csrf") is None
    assert client.get("/me").get_json()["error"]["code"] == "UNAUTHORIZED"


def test_ending_another_session_takes_none(site):
    """Neither the cookies of the caller, nor those of a session that only happens to be in the browser."""
    client, csrf, own = browser(site)
    tokens = tokens_of(site)
    other = tokens_of(site)["session_id"]
    assert client.delete(f"/auth/sessions/{other}", headers={"X-CSRF-TOKEN": csrf}).status_code == 204
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.delete(f"/auth/sessions/{tokens['session_id']}", headers=bearer).status_code == 204
    assert client.get_cookie("backend_session") is not None
    assert client.get("/me").status_code == 200
    sessions = client.get("/auth/sessions").get_json()["data"]
    assert [item["id"] for item in sessions] == [own]


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_a_form_may_carry_the_csrf_value(site, path):
    """As for every other request of a cookie session."""
    client, csrf, _ = browser(site)
    client.post(path, data={"csrf_token": csrf})
    if path == "/auth/logout":  # it takes JSON, so a header; what is promised here is that nothing half ends
        client.post(path, headers={"X-CSRF-TOKEN": csrf})
    assert client.get_cookie("backend_session") is None


def test_logging_out_everywhere_by_a_token_needs_no_csrf_value(site):
    """The header is enough: everything ends with a 200, the browser's own cookies go with it."""
    client, _, _ = browser(site)
    token = tokens_of(site)["access_token"]
    answer = client.post("/auth/logout-all", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert client.get_cookie("backend_session") is None


def test_logging_out_everywhere_leaves_another_users_cookies(site):
    """A browser may hold the session of somebody else than the token is of."""
    site.add_user("bob@example.com")
    client, _, _ = browser(site)
    token = tokens_of(site, "bob@example.com")["access_token"]
    assert client.post("/auth/logout-all", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get("/me").status_code == 200


@pytest.mark.parametrize("delivery", ["session", "cookies"])
def test_a_logout_that_is_refused_ends_nothing(site, delivery):
    """Cookies without their CSRF value: 403, and the token in the header and the one in the body go on too."""
    client, _, _ = browser(site, delivery)
    in_header, in_body = (tokens_of(site) for _ in range(2))
    answer = client.post(
        "/auth/logout",
        json={"refresh_token": in_body["refresh_token"]},
        headers={"Authorization": f"Bearer {in_header['access_token']}"},
    )
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "CSRF_FAILED")
    program = site.app.test_client()
    for tokens in (in_header, in_body):
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert program.get("/me", headers=bearer).status_code == 200
    assert client.get("/me").status_code == 200
