"""`/api-keys`, and what may not be done with one; `/.well-known/jwks.json`."""

import pytest

KEYED = {"BACKEND_AUTH_AUTHENTICATORS": "jwt,api_key"}


@pytest.fixture
def database_url(sqlite_url):
    """Both databases are tried where keys are tested by themselves."""
    return sqlite_url


def make_key(site, token, **body):
    answer = site.post("/api-keys", {"name": "report", **body}, token=token)
    assert answer.status_code == 201, answer.get_json()
    return answer


def test_a_key_is_shown_once(make_site):
    """The answer to making it has the key, and says where it can be ended; the list only how it begins."""
    site = make_site(**KEYED)
    token = site.tokens()["access_token"]
    made = make_key(site, token, scopes=["orders:read"], expires_at="2999-01-01T00:00:00+02:00")
    key = made.get_json()["data"]
    assert made.headers["Location"].endswith(f"/auth/api-keys/{key['id']}")
    assert made.headers["Cache-Control"] == "no-store"
    assert key["scopes"] == ["orders:read"]
    assert key["expires_at"] == "2998-12-31T22:00:00+00:00"
    [listed] = site.request("GET", "/auth/api-keys", token=token).get_json()["data"]
    assert listed == {name: value for name, value in key.items() if name != "key"} | {
        "last_used_at": listed["last_used_at"]
    }
    assert key["key"].startswith(listed["shown"])


def test_a_key_authenticates_until_it_is_ended(make_site):
    """Ending it is a 204, then a 404; it is refused from then on."""
    site = make_site(**KEYED)
    token = site.tokens()["access_token"]
    key = make_key(site, token).get_json()["data"]
    headers = {"X-API-Key": key["key"]}
    assert site.client.get("/me", headers=headers).status_code == 200
    path = f"/auth/api-keys/{key['id']}"
    assert site.request("DELETE", path, token=token).status_code == 204
    assert site.client.get("/me", headers=headers).status_code == 401
    assert site.request("DELETE", path, token=token).status_code == 404


def test_somebody_elses_key_is_not_found(make_site):
    """Nobody ends, or sees, another one's key."""
    site = make_site(**KEYED)
    site.add_user("bob@example.com")
    bob, ada = site.tokens(login="bob@example.com")["access_token"], site.tokens()["access_token"]
    key = make_key(site, bob).get_json()["data"]
    for name in (key["id"], "%00", "ü", "x" * 3_000):
        assert site.request("DELETE", f"/auth/api-keys/{name}", token=ada).status_code == 404
    assert site.request("GET", "/auth/api-keys", token=ada).get_json()["data"] == []
    assert site.client.get("/me", headers={"X-API-Key": key["key"]}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions", None),
        ("DELETE", "/sessions/x", None),
        ("POST", "/logout-all", None),
        ("POST", "/password", {"old_password": "x", "new_password": "tall giraffe clip"}),
        ("GET", "/api-keys", None),
        ("POST", "/api-keys", {"name": "more", "scopes": ["*"]}),
        ("DELETE", "/api-keys/x", None),
    ],
)
def test_a_key_changes_no_account(make_site, method, path, body):
    """A key that leaks makes no other keys, ends no sessions, changes no password."""
    site = make_site(**KEYED)
    key = make_key(site, site.tokens()["access_token"], scopes=["*"]).get_json()["data"]["key"]
    answer = site.client.open(f"/auth{path}", method=method, json=body, headers={"X-API-Key": key})
    expected = (
        (401, "FRESH_LOGIN_REQUIRED") if (method, path) == ("POST", "/api-keys") else (403, "FORBIDDEN")
    )
    assert (answer.status_code, answer.get_json()["error"]["code"]) == expected


def test_public_keys_are_published_as_they_are(make_site):
    """No envelope, cacheable, and never a secret: an app with a shared secret publishes nothing."""
    site = make_site()
    answer = site.client.get("/auth/.well-known/jwks.json")
    assert (answer.status_code, answer.get_json()) == (200, {"keys": []})
    assert answer.headers["Cache-Control"] == "public, max-age=300"
