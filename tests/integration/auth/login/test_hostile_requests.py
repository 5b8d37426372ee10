"""Every login route meets whatever a client can send: a 4xx that names the field, never a 5xx."""

import pytest

PASSWORD = "correct horse battery"
TOKEN = "a" * 43

# route -> a body that is well-formed; the fields that are text.
BODIES = {
    "/login": {"login": "ada@example.com", "password": PASSWORD, "device": "phone", "delivery": "body"},
    "/refresh": {"refresh_token": "x"},
    "/logout": {"refresh_token": "x"},
    "/register": {"login": "eve@example.com", "password": PASSWORD},
    "/verify": {"token": TOKEN},
    "/verify/resend": {"login": "ada@example.com"},
    "/reset/request": {"login": "ada@example.com"},
    "/reset": {"token": TOKEN, "password": PASSWORD},
    "/password": {"old_password": PASSWORD, "new_password": "tall giraffe clip"},
    "/api-keys": {"name": "report", "scopes": ["orders:read"], "expires_at": "2999-01-01T00:00:00Z"},
}
REQUIRED = {
    "/login": ["login", "password"],
    "/refresh": [],
    "/logout": [],
    "/register": ["login", "password"],
    "/verify": ["token"],
    "/verify/resend": ["login"],
    "/reset/request": ["login"],
    "/reset": ["token", "password"],
    "/password": ["old_password", "new_password"],
    "/api-keys": ["name"],
}
FIELDS = [(route, name) for route, body in BODIES.items() for name in body]
WRONG_VALUES = {
    "number": 7,
    "huge number": 10**400,
    "true": True,
    "list": ["x"],
    "list of lists": [[["x"]]],
    "object": {"$ne": ""},
    "NUL": "a\x00b",
    "half a surrogate pair": "\ud800",
    "line break": "a\nb",
    "empty": "",
    "huge": "x" * 100_000,
    "null": None,
}


@pytest.fixture(autouse=True)
def _logged_in(open_site):
    """Somebody to be, as a token: what a test before has done to the account, or to its sessions, is of no matter."""
    open_site.client = open_site.app.test_client()
    with open_site.app.app_context():
        open_site.app.db.session.execute(open_site.app.db.delete(open_site.app.User))
        open_site.app.db.session.commit()
    open_site.add_user()
    open_site.token = open_site.tokens()["access_token"]


@pytest.mark.parametrize("route", BODIES)
def test_bodies_that_are_no_objects(open_site, route):
    """Broken JSON, other types, other media types, nothing: a 4xx in our format."""
    headers = {"Authorization": f"Bearer {open_site.token}"}
    bodies = {
        b"{": {400},
        b"\xff\xfe": {400},
        b'{"login": NaN}': {400},
        b"[" * 50_000: {400},
        b'"text"': {422},
        b"[]": {422},
        b"7": {422},
        b"": {422} if REQUIRED[route] else {200, 401},
        b"null": {422} if REQUIRED[route] else {200, 401, 422},
    }
    for body, expected in bodies.items():
        answer = open_site.client.post(
            f"/auth{route}", data=body, content_type="application/json", headers=headers
        )
        assert answer.status_code in expected, body[:20]
        assert answer.status_code == 200 or "code" in answer.get_json()["error"]
    form = open_site.client.post(f"/auth{route}", data="a=b", content_type="text/plain", headers=headers)
    assert form.status_code == 415


@pytest.mark.parametrize(("route", "name"), [(route, name) for route in REQUIRED for name in REQUIRED[route]])
def test_a_missing_field_is_named(open_site, route, name):
    """Each field that has to be there is named when it is not."""
    body = {key: value for key, value in BODIES[route].items() if key != name}
    answer = open_site.post(route, body, token=open_site.token)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.get_json()["error"]["details"]] == [name]


@pytest.mark.parametrize("route", BODIES)
def test_an_unknown_field_is_named(open_site, route):
    """What no route knows is refused, so that a misspelt field is no surprise."""
    answer = open_site.post(route, BODIES[route] | {"is_admin": True}, token=open_site.token)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.get_json()["error"]["details"]] == ["is_admin"]


@pytest.mark.parametrize(("route", "name"), FIELDS)
def test_wrong_values_are_refused(open_site, route, name):
    """Whatever stands in a field: refused with its name, or taken as a wrong credential; never a 5xx."""
    for kind, value in WRONG_VALUES.items():
        answer = open_site.post(route, BODIES[route] | {name: value}, token=open_site.token)
        assert answer.status_code < 500, kind
        if answer.status_code == 422:
            fields = {item["field"].split(".")[0] for item in answer.get_json()["error"]["details"]}
            assert fields <= {name, "token", "old_password"}, kind
        else:
            # Of the right type, and only the wrong password, token or name.
            assert isinstance(value, (str, type(None), list)), kind
            assert answer.status_code in {200, 201, 202, 401}, kind


@pytest.mark.parametrize(
    "login", ["ada@example.com' --", "*", "%", "ada@example.com\u200b", "\U0001d4b6da@example.com", "İ@x.com"]
)
def test_strange_logins_are_nobody(open_site, login):
    """A login that is nearly somebody's is nobody's."""
    assert open_site.login(login).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sessions"),
        ("DELETE", "/sessions/x"),
        ("POST", "/logout-all"),
        ("POST", "/password"),
        ("GET", "/api-keys"),
        ("POST", "/api-keys"),
        ("DELETE", "/api-keys/x"),
    ],
)
def test_what_needs_a_login_says_so_first(open_site, method, path):
    """Without credentials 401 before anything that was sent is looked at; with an API key 403."""
    answer = open_site.client.open(f"/auth{path}", method=method, data=b"{", content_type="application/json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_headers_that_are_no_credentials(open_site):
    """Any bytes in a header, any cookie: no 5xx."""
    for value in ("Bearer", "Bearer ", "Bearer \xff", "\xff\xfe", "Bearer a b c", "x" * 20_000, ",,,"):
        answer = open_site.client.post("/auth/logout", headers={"Authorization": value})
        assert answer.status_code == 200
        assert open_site.client.get("/auth/sessions", headers={"Authorization": value}).status_code == 401
