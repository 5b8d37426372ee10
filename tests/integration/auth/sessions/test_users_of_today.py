"""Cookie sessions do not outlive their user: the store is asked again while they are used."""

import time
from dataclasses import dataclass

import pytest
from flask import Flask, Response, jsonify, request

from flask_backend_patterns import (
    BackendPatterns,
    current_actor,
    require_auth,
    require_permission,
    revoke_tokens,
)
from flask_backend_patterns.auth.sessions import start_session
from flask_backend_patterns.auth.state import auth_state

COOKIE = "backend_session"


@dataclass
class User:
    """One of the app's own."""

    auth_id: str
    auth_roles: tuple[str, ...] = ("customer",)
    auth_is_active: bool = True
    auth_password_hash: str | None = None
    auth_is_verified: bool = True

    @property
    def auth_login(self):
        return self.auth_id


class Store:
    """The app's users; counts how often they are looked up, and fails when told to."""

    def __init__(self):
        self.users = {name: User(name) for name in ("anna", "bert")}
        self.lookups = 0
        self.failure = None

    def find_by_id(self, auth_id):
        self.lookups += 1
        if self.failure is not None:
            raise self.failure
        return self.users.get(auth_id)

    def find_by_login(self, login):
        return self.users.get(login)


def create_app(url, store):
    app = Flask("users_of_today")
    app.config.update(
        SECRET_KEY="s" * 32,
        BACKEND_AUTH_AUTHENTICATORS="jwt,session",
        BACKEND_AUTH_ROLES={"customer": ["orders:read"], "admin": ["orders:*", "users:*"]},
        BACKEND_API_PREFIXES="/",
        BACKEND_REDIS_URL=url,
        BACKEND_REDIS_TIMEOUT_SECONDS=10,
    )
    BackendPatterns(users=store).init_app(app)

    @app.post("/login")
    def login():
        response = Response("in")
        start_session(response, request.form["user"], roles=["customer"])
        return response

    @app.get("/me")
    @require_auth
    def me():
        return jsonify(id=current_actor.id, roles=current_actor.roles)

    @app.get("/users")
    @require_permission("users:read")
    def users():
        return "users"

    return app


class Site:
    """An app whose clocks the test sets, and whose near cache is trusted."""

    def __init__(self, url, store, wait_until):
        self.app, self.store, self.offset = create_app(url, store), store, 0.0
        with self.app.app_context():
            state = auth_state()
        self.sessions = state.sessions
        (self.authenticator,) = (
            item for item in state.identification.authenticators if item.name == "session"
        )
        self.authenticator._clock = lambda: time.monotonic() + self.offset
        self.sessions._clock = lambda: 1_800_000_000 + self.offset
        wait_until(lambda: self.authenticator._cache._feed.is_trusted)

    def log_in(self, user="anna"):
        answer = self.app.test_client().post("/login", data={"user": user})
        return answer.headers.getlist("Set-Cookie")[0].split(";")[0]

    def get(self, cookie, path="/me"):
        return self.app.test_client(use_cookies=False).get(path, headers={"Cookie": cookie})


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def make_site(redis_url, store, wait_until):
    return lambda: Site(redis_url, store, wait_until)


@pytest.fixture
def site(make_site):
    return make_site()


def test_roles_are_those_of_today(site, store):
    """Promoted or demoted, it counts a minute later at most, in both directions; not the roles of the login."""
    cookie = site.log_in()
    assert site.get(cookie).json["roles"] == ["customer"]
    store.users["anna"].auth_roles = ("admin",)
    site.offset = 61
    assert site.get(cookie).json["roles"] == ["admin"]
    assert site.get(cookie, "/users").status_code == 200
    store.users["anna"].auth_roles = ()
    site.offset = 122
    assert site.get(cookie).json["roles"] == []
    assert site.get(cookie, "/users").status_code == 403


@pytest.mark.parametrize("end", ["inactive", "gone"])
def test_the_session_of_a_user_who_is_shut_out_ends(end, site, store):
    """401 a minute later at most, and for good: not only until the user is active again."""
    cookie, other = site.log_in(), site.log_in("bert")
    assert site.get(cookie).status_code == site.get(other).status_code == 200
    if end == "inactive":
        store.users["anna"].auth_is_active = False
    else:
        del store.users["anna"]
    site.offset = 61
    answer = site.get(cookie)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "TOKEN_REVOKED")
    assert site.sessions.list("anna") == ()
    store.users["anna"] = User("anna")
    assert site.get(cookie).status_code == 401
    assert site.get(other).status_code == 200


def test_the_store_is_asked_once_a_minute(site, store):
    """At first sight and then once in 60 seconds, however many requests there are."""
    cookie = site.log_in()
    asked = []
    for seconds in (0, 1, 30, 59.9, 61, 61, 100, 121.5, 122):
        site.offset = seconds
        assert site.get(cookie).status_code == 200
        asked.append(store.lookups)
    assert asked == [1, 1, 1, 1, 2, 2, 2, 3, 3]


def test_a_process_that_sees_the_session_first_asks_first(site, make_site, store):
    """What other processes remember, and the roles of the login, are nothing to it."""
    cookie = site.log_in()
    assert site.get(cookie).status_code == 200
    store.users["anna"].auth_roles = ("admin",)
    assert make_site().get(cookie).json["roles"] == ["admin"]
    store.users["anna"].auth_is_active = False
    assert make_site().get(cookie).status_code == 401


def test_nobody_is_let_in_while_the_store_fails(site, store):
    """Neither at first sight nor a minute later; afterwards the session goes on."""
    cookie = site.log_in()
    for seconds in (0, 61):
        site.offset = seconds
        store.failure = TimeoutError("the database is away")
        assert [site.get(cookie).status_code for _ in range(3)] == [504] * 3
        store.failure = None
        assert site.get(cookie).status_code == 200


def test_a_user_who_is_shut_out_while_redis_is_away(site, store, redis_server, wait_until):
    """Refused although the session cannot be ended, each time; others go on."""
    cookie, other = site.log_in(), site.log_in("bert")
    assert site.get(cookie).status_code == site.get(other).status_code == 200
    redis_server.kill()
    wait_until(lambda: not site.authenticator._cache._feed.is_trusted)
    store.users["anna"].auth_is_active = False
    site.offset = 61
    assert site.get(other).status_code == 200
    assert [site.get(cookie).status_code for _ in range(3)] == [401] * 3


def test_ending_the_sessions_counts_at_once(site):
    """What the docs tell for a user who is shut out: `revoke_tokens(user_id=...)`."""
    cookie = site.log_in()
    assert site.get(cookie).status_code == 200
    with site.app.app_context():
        revoke_tokens(user_id="anna")
    assert site.get(cookie).status_code == 401


def test_without_a_store_the_roles_of_the_login_count(redis_url, wait_until):
    """There is nobody to ask."""
    site = Site(redis_url, None, wait_until)
    cookie = site.log_in("stranger")
    for seconds in (0, 61):
        site.offset = seconds
        assert site.get(cookie).json == {"id": "stranger", "roles": ["customer"]}
