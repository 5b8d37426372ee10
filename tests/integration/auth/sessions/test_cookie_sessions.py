"""Server-side sessions of browsers, over a whole app and a real Redis."""

import statistics
import time

import pytest
from flask import Flask, Response, jsonify, request

from flask_backend_patterns import (
    BackendPatterns,
    SetupError,
    current_actor,
    require_auth,
    require_permission,
)
from flask_backend_patterns.auth.sessions import CookieValue, end_session, start_session
from flask_backend_patterns.auth.state import auth_state

COOKIE, CSRF = "backend_session", "backend_session_csrf"


def create_app(url, **settings):
    app = Flask("cookie_sessions")
    app.config.update(
        SECRET_KEY="s" * 32,
        BACKEND_AUTH_AUTHENTICATORS="jwt,session",
        BACKEND_AUTH_ROLES={"customer": ["orders:read"], "admin": {"inherits": ["customer"]}},
        BACKEND_API_PREFIXES="/",
        **settings,
    )
    if url:
        app.config["BACKEND_REDIS_URL"] = url
        app.config.setdefault("BACKEND_REDIS_TIMEOUT_SECONDS", 10)
    BackendPatterns().init_app(app)

    @app.post("/login")
    def login():
        response = Response("in")
        start_session(response, request.form["user"], roles=request.form.getlist("role"))
        return response

    @app.post("/logout")
    def logout():
        response = Response()
        response.headers["X-Existed"] = str(end_session(response))
        return response

    @app.route("/me", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    @require_auth
    def me():
        actor = current_actor
        return jsonify(id=actor.id, roles=actor.roles, method=actor.method, session=actor.session_id)

    @app.get("/orders")
    @require_permission("orders:read")
    def orders():
        return "orders"

    @app.get("/fresh")
    @require_auth(fresh_seconds=60)
    def fresh():
        return "fresh"

    return app


@pytest.fixture
def make_app(redis_url):
    return lambda **settings: create_app(redis_url, **settings)


@pytest.fixture
def app(make_app):
    return make_app()


def log_in(app, user="anna", *roles, **options):
    browser = app.test_client()
    answer = browser.post("/login", data={"user": user, "role": list(roles) or ["customer"]}, **options)
    assert answer.status_code == 200, answer.text
    return browser


def value_of(browser, name=COOKIE):
    cookie = browser.get_cookie(name)
    return cookie and cookie.value


def me(app, value, method="GET", **headers):
    cookie = {} if value is None else {"Cookie": f"{COOKIE}={value}"}
    return app.test_client(use_cookies=False).open("/me", method=method, headers={**cookie, **headers})


def parts_of(app):
    with app.app_context():
        state = auth_state()
    (authenticator,) = (item for item in state.identification.authenticators if item.name == "session")
    return state.sessions, authenticator


def store_client(app):
    return parts_of(app)[0]._scripts["touch"].registered_client


def scripts_run(app):
    return store_client(app).info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


@pytest.mark.parametrize("base_url", ["http://localhost", "https://localhost"])
def test_the_cookies(base_url, app):
    """Opaque and hidden from scripts, the CSRF value readable; Lax, for this host; Secure where the request is."""
    answer = app.test_client().post("/login", data={"user": "anna"}, base_url=base_url)
    hidden, readable = answer.headers.getlist("Set-Cookie")
    assert hidden.startswith(f"{COOKIE}=")
    assert readable.startswith(f"{CSRF}=")
    assert ("HttpOnly" in hidden, "HttpOnly" in readable) == (True, False)
    for header in (hidden, readable):
        assert "SameSite=Lax" in header
        assert "Path=/" in header
        assert "Domain" not in header
        assert ("Secure" in header) == base_url.startswith("https")
    assert answer.headers["Cache-Control"] == "no-store"
    value = CookieValue.parse(hidden.split(";")[0].partition("=")[2])
    stored = str(store_client(app).hgetall(parts_of(app)[1]._keys.of("anna").session(value.session_id)))
    assert "anna" in stored
    assert value.secret not in stored
    assert value.secret not in repr(value)


def test_who_calls(app):
    """The actor has the id, the roles and their permissions, and the session's id."""
    browser = log_in(app, "anna", "customer")
    answer = browser.get("/me").json
    assert (answer["id"], answer["roles"], answer["method"]) == ("anna", ["customer"], "session")
    assert answer["session"] in value_of(browser)
    assert browser.get("/orders").status_code == 200
    assert browser.get("/fresh").status_code == 200
    assert log_in(app, "bert", "nothing").get("/orders").status_code == 403


def test_without_a_cookie_nobody_is_there(app):
    """401 UNAUTHORIZED; an empty cookie is none."""
    for value in (None, ""):
        answer = me(app, value)
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"]


def hostile(value):
    tag, session_id, secret = value.split(".")
    return [
        f"{tag}.{session_id}.{'A' * 43}",
        f"{tag}.{'A' * 22}.{secret}",
        f"{'0' * 16}.{session_id}.{secret}",
        f"{tag}.{session_id}",
        f"{tag}.{session_id}.{secret}.x",
        f"{tag.upper()}.{session_id}.{secret}",
        f"{tag}.{session_id}.{secret[:-1]}",
        f"{tag}.{session_id}.{secret}x",
        f"{tag}.*.{secret}",
        f"}}{tag[1:]}.{session_id}.{secret}",
        "x",
        "..",
        "ü" * 81,
        "%00",
        "a" * 4_000,
        '"quoted"',
    ]


@pytest.mark.parametrize("is_remembered", [True, False])
@pytest.mark.parametrize("number", range(16))
def test_cookies_that_were_made_up(number, is_remembered, app, wait_until):
    """401 each, by the process' memory and by Redis; nothing is remembered or written, the true one goes on."""
    value = value_of(log_in(app))
    feed = parts_of(app)[1]._cache._feed
    wait_until(lambda: feed.is_trusted)
    if not is_remembered:
        feed.close()
    assert me(app, value).status_code == 200
    size = store_client(app).dbsize()
    made_up = hostile(value)
    assert len(made_up) == 16
    answer = me(app, made_up[number])
    assert answer.status_code == 401
    assert answer.json["error"]["code"] in {"INVALID_TOKEN", "TOKEN_REVOKED"}
    assert store_client(app).dbsize() == size
    assert len(parts_of(app)[1]._cache) <= 1
    assert me(app, value).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_cross_site_requests(method, app):
    """Methods that change something need the session's own CSRF value: not none, not another session's, not the cookie."""
    browser, other = log_in(app), log_in(app, "bert")
    value, csrf = value_of(browser), value_of(browser, CSRF)
    assert me(app, value, method, **{"X-CSRF-TOKEN": csrf}).status_code == 200
    for sent in (None, "", "x", csrf[:-1], csrf + "x", value_of(other, CSRF), value, "ü"):
        headers = {} if sent is None else {"X-CSRF-TOKEN": sent, "Cookie": f"{COOKIE}={value}; {CSRF}={sent}"}
        answer = me(app, value, method, **headers)
        assert answer.status_code == (200 if method == "GET" else 403), sent
        assert method == "GET" or "X-CSRF-TOKEN" in answer.json["error"]["message"]


def test_a_form_sends_the_csrf_value_in_a_field(app):
    """Pages without scripts: the field `csrf_token`."""
    browser = log_in(app)
    assert browser.post("/me", data={"csrf_token": value_of(browser, CSRF)}).status_code == 200
    assert browser.post("/me", data={"csrf_token": "x"}).status_code == 403
    assert browser.post("/me", json={"csrf_token": value_of(browser, CSRF)}).status_code == 403


def test_a_login_begins_a_new_session(app):
    """Fixation: the id and the secret of before are worth nothing after a login, whoever's they were."""
    browser = log_in(app)
    planted = value_of(browser)
    browser.post("/login", data={"user": "bert"})
    assert value_of(browser) != planted
    assert browser.get("/me").json["id"] == "bert"
    assert me(app, planted).status_code == 401
    browser.set_cookie(COOKIE, "chosen-by-the-attacker")
    browser.post("/login", data={"user": "bert"})
    assert value_of(browser) != "chosen-by-the-attacker"


def test_a_logout(app):
    """Ends the session at once, takes the cookies away, and may be done again or by strangers."""
    browser = log_in(app)
    value = value_of(browser)
    assert browser.get("/me").status_code == 200
    answer = browser.post("/logout")
    assert (answer.status_code, answer.headers["X-Existed"]) == (200, "True")
    assert (value_of(browser), value_of(browser, CSRF)) == (None, None)
    assert me(app, value).status_code == 401
    for cookie in (value, "x", hostile(value)[0]):
        stranger = app.test_client()
        stranger.set_cookie(COOKIE, cookie)
        answer = stranger.post("/logout")
        assert (answer.status_code, answer.headers["X-Existed"]) == (200, "False")


def test_a_wrong_secret_ends_no_session(app):
    """The id of a session, which its list shows, is not enough to log out."""
    browser = log_in(app)
    stranger = app.test_client()
    stranger.set_cookie(COOKIE, hostile(value_of(browser))[0])
    assert stranger.post("/logout").headers["X-Existed"] == "False"
    assert browser.get("/me").status_code == 200


@pytest.mark.parametrize("end", ["revoke", "revoke_all", "revoke_others"])
def test_it_can_be_ended_from_elsewhere(end, app, make_app, wait_until):
    """Listed like any login; ended here at once, in another process (here: another app object) soon."""
    other = make_app()
    browser = log_in(app)
    value = value_of(browser)
    sessions, authenticator = parts_of(app)
    wait_until(lambda: authenticator._cache._feed.is_trusted and parts_of(other)[1]._cache._feed.is_trusted)
    assert me(app, value).status_code == me(other, value).status_code == 200
    (session,) = sessions.list("anna")
    assert (session.kind, session.device.address) == ("cookie", "127.0.0.1")
    if end == "revoke":
        assert sessions.revoke(subject="anna", session_id=session.id)
    else:
        assert sessions.revoke_all("anna", keep="x" if end == "revoke_others" else None) == 1
    assert me(app, value).status_code == 401
    wait_until(lambda: me(other, value).status_code == 401)


def test_steady_state_costs_no_round_trip(app, wait_until):
    """One script at first sight, then none for 200 requests."""
    value = value_of(log_in(app))
    wait_until(lambda: parts_of(app)[1]._cache._feed.is_trusted)
    assert me(app, value).status_code == 200
    before = scripts_run(app)
    for _ in range(200):
        assert me(app, value).status_code == 200
    assert scripts_run(app) == before


def test_use_is_noted_once_a_minute(app, wait_until):
    """And the idle end moves with it; in between nothing is written."""
    sessions, authenticator = parts_of(app)
    offset = [0.0]
    authenticator._clock = lambda: time.monotonic() + offset[0]
    sessions._clock = lambda: 1_800_000_000 + offset[0]
    wait_until(lambda: authenticator._cache._feed.is_trusted)
    value = value_of(log_in(app))
    used = []
    for seconds in (0, 30, 59, 61, 100, 130):
        offset[0] = seconds
        assert me(app, value).status_code == 200
        (session,) = sessions.list("anna")
        used.append(session.last_used_at.timestamp() - 1_800_000_000)
        assert session.expires_at.timestamp() == session.last_used_at.timestamp() + 86_400
    assert used == [0, 0, 0, 61, 61, 130]


@pytest.mark.parametrize(("step", "alive_for"), [(86_000, 1_000_000), (86_401, 0)], ids=["used", "idle"])
def test_when_it_ends(step, alive_for, make_app, wait_until):
    """Unused for the idle time, or at the absolute end however it is used."""
    app = make_app(BACKEND_AUTH_SESSION_SECONDS=1_000_000)
    sessions, authenticator = parts_of(app)
    offset = [0.0]
    authenticator._clock = lambda: time.monotonic() + offset[0]
    sessions._clock = lambda: 1_800_000_000 + offset[0]
    wait_until(lambda: authenticator._cache._feed.is_trusted)
    value = value_of(log_in(app))
    assert me(app, value).status_code == 200
    lasted = 0
    while offset[0] < 1_200_000:
        offset[0] += step
        if me(app, value).status_code != 200:
            break
        lasted = offset[0]
    assert lasted == alive_for // step * step


@pytest.mark.parametrize("policy", ["open", "closed"])
@pytest.mark.parametrize("kind", ["killed", "hung"])
def test_redis_away(kind, policy, make_app, redis_server, wait_until):
    """Open: a session that is known goes on; unknown ones, and all with closed, are a 503 in time. Login and logout are 503."""
    app = make_app(BACKEND_AUTH_ACCESS_OUTAGE=policy, BACKEND_REDIS_TIMEOUT_SECONDS=0.3)
    known, unknown = log_in(app), log_in(app, "bert")
    wait_until(lambda: parts_of(app)[1]._cache._feed.is_trusted)
    assert known.get("/me").status_code == 200
    (redis_server.kill if kind == "killed" else redis_server.suspend)()
    wait_until(lambda: not parts_of(app)[1]._cache._feed.is_trusted)
    began = time.perf_counter()
    assert unknown.get("/me").status_code == 503
    assert time.perf_counter() - began < 10  # 0.3 s, and what a busy machine adds
    times = []
    for _ in range(20):
        began = time.perf_counter()
        assert known.get("/me").status_code == (200 if policy == "open" else 503)
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.29  # the wait for Redis, which takes 0.3 s, is spared
    assert known.post("/login", data={"user": "anna"}).status_code == 503
    assert known.post("/logout").status_code == 503
    assert value_of(known)


def test_without_redis_it_says_what_to_set():
    """SetupError that names BACKEND_REDIS_URL, at start."""
    with pytest.raises(SetupError, match="BACKEND_REDIS_URL"):
        create_app(None)
