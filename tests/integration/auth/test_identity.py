"""Who sends a request: found once, by the first authenticator that sees its credentials, and told to the rest of the kit."""

import gc
import logging
import threading
import time
import uuid

import pytest
from flask import Flask, jsonify, request
from flask_jwt_extended import get_jwt, get_jwt_header
from flask_smorest import Api

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    SetupError,
    ValidationError,
    current_actor,
    idempotent,
    issue_tokens,
    public,
    require_permission,
    require_role,
    revoke_tokens,
)
from flask_backend_patterns import require_auth as required
from flask_backend_patterns._contribution import ACTOR_ID_KEY
from flask_backend_patterns.auth.sessions import start_session
from flask_backend_patterns.auth.state import auth_state
from flask_backend_patterns.auth.tokens import TokenVerifier
from flask_backend_patterns.observability.events import event_of

SECRET = "a secret of these tests, of more than 32 bytes"


def make_app(redis_url=None, **config):
    app = Flask("identity_" + uuid.uuid4().hex[:8])
    app.config.update(
        {
            "JWT_SECRET_KEY": SECRET,
            "BACKEND_REDIS_URL": redis_url,
            "BACKEND_REDIS_TIMEOUT_SECONDS": 20,  # a busy machine is no outage
            "BACKEND_API_PREFIXES": ["/"],
            "TESTING": True,
        }
        | config
    )
    BackendPatterns().init_app(app)

    @app.get("/plain")
    def plain():
        return jsonify(id=current_actor.id, method=current_actor.method, known=current_actor.is_authenticated)

    @app.get("/required")
    @required
    def guarded():
        return jsonify(id=current_actor.id, method=current_actor.method)

    @app.get("/optional")
    @required(optional=True)
    def optional():
        return jsonify(id=current_actor.id)

    @app.get("/untouched")
    def untouched():
        return jsonify(known=ACTOR_ID_KEY in request.environ)

    return app


def bearer(app, user_id="7", **options):
    with app.app_context():
        token = issue_tokens(user_id, roles=[], **options).access_token
    return {"Authorization": f"Bearer {token}"}


def test_a_view_without_a_declaration_learns_who_calls(redis_url):
    """`current_actor` authenticates when it is first asked: anonymous, somebody, or 401 for what is no token."""
    app = make_app(redis_url)
    client = app.test_client()
    assert client.get("/plain").get_json() == {"id": "", "known": False, "method": "anonymous"}
    assert client.get("/plain", headers=bearer(app)).get_json() == {"id": "7", "known": True, "method": "jwt"}
    assert client.get("/plain", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_view_that_does_not_ask_costs_nothing(redis_url):
    """Credentials are not read where nobody wants to know: a wrong token hurts nobody there."""
    client = make_app(redis_url).test_client()
    answer = client.get("/untouched", headers={"Authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.get_json()) == (200, {"known": False})


def test_optional_takes_none_but_no_false_credentials(redis_url):
    """`@require_auth(optional=True)`: anonymous 200, somebody 200, a wrong token 401."""
    app = make_app(redis_url)
    client = app.test_client()
    assert client.get("/optional").get_json() == {"id": ""}
    assert client.get("/optional", headers=bearer(app)).get_json() == {"id": "7"}
    assert client.get("/optional", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_authentication_runs_once_in_a_request(redis_url, monkeypatch):
    """However often it is asked who calls."""
    app, calls = make_app(redis_url), []
    verify = TokenVerifier._verified
    monkeypatch.setattr(
        TokenVerifier, "_verified", lambda self, token: (calls.append(1), verify(self, token))[1]
    )
    app.test_client().get("/plain", headers=bearer(app))
    assert len(calls) == 1


def test_two_requests_in_one_app_context_do_not_mix(redis_url):
    """An actor belongs to its request, not to `g`, which may live for several."""
    app = make_app(redis_url)
    headers = bearer(app)
    with app.app_context():
        client = app.test_client()
        assert client.get("/plain", headers=headers).get_json()["id"] == "7"
        assert client.get("/plain").get_json()["id"] == ""


def test_the_scheme_word_is_a_setting(redis_url):
    """`BACKEND_AUTH_SCHEME = "Token"`: `Token` counts, `Bearer` is no credential, and the challenge says so."""
    app = make_app(redis_url, BACKEND_AUTH_SCHEME="Token")
    token = bearer(app)["Authorization"].split()[1]
    client = app.test_client()
    assert client.get("/required", headers={"Authorization": f"Token {token}"}).status_code == 200
    refused = client.get("/required", headers={"Authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Token")


def test_the_access_log_says_who(redis_url, caplog):
    """`actor_id` on the lines of authenticated requests, on no others."""
    app = make_app(redis_url)
    headers = bearer(app)
    with caplog.at_level(logging.INFO, "flask_backend_patterns"):
        client = app.test_client()
        client.get("/required", headers=headers)
        client.get("/plain")
    found = [
        event for event in map(event_of, caplog.records) if event is not None and event["event"] == "request"
    ]
    assert [(event["path"], event.get("actor_id")) for event in found] == [
        ("/required", "7"),
        ("/plain", None),
    ]


@pytest.mark.parametrize("value", ["nobody", "jwt,nobody"])
def test_an_unknown_authenticator_is_said_at_the_start(value):
    """A typing error in BACKEND_AUTH_AUTHENTICATORS must not leave a way in unguarded, or shut."""
    with pytest.raises(
        RuntimeError, match=r"BACKEND_AUTH_AUTHENTICATORS has nobody; expected some of jwt, api_key"
    ):
        make_app(BACKEND_AUTH_AUTHENTICATORS=value)


def document_of(app):
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api, blp = Api(app), Blueprint("things", "things")

    @blp.get("/one")
    @required
    @blp.response(200)
    def one():
        return {}

    @blp.post("/one")
    @required
    @blp.response(200)
    def change():
        return {}

    @blp.get("/two")
    @required(optional=True)
    @blp.response(200)
    def two():
        return {}

    @blp.get("/three")
    @public(reason="test")
    @blp.response(200)
    def three():
        return {}

    api.register_blueprint(blp)
    return api.spec.to_dict()


def test_the_document_names_the_ways_to_authenticate():
    """Every scheme of the app on guarded operations, none needed on optional and public ones."""
    app = make_app(BACKEND_AUTH_AUTHENTICATORS="jwt,api_key", BACKEND_AUTH_API_KEY_HEADER="X-Key")
    document = document_of(app)
    schemes = document["components"]["securitySchemes"]
    assert schemes["jwt"]["scheme"].lower() == "bearer"
    (key,) = [name for name in schemes if name != "jwt"]
    assert (schemes[key]["in"], schemes[key]["name"]) == ("header", "X-Key")
    security = {path: entry["get"]["security"] for path, entry in document["paths"].items()}
    assert security == {"/one": [{"jwt": []}, {key: []}], "/two": [{"jwt": []}, {key: []}, {}], "/three": []}
    responses = {method: set(entry["responses"]) for method, entry in document["paths"]["/one"].items()}
    assert "401" in responses["get"]
    assert "403" not in responses["get"]
    assert {"401", "403"} <= responses["post"]  # the CSRF value of a cookie


def test_idempotency_keys_belong_to_the_actor(redis_url):
    """Sent again with a token that was refreshed meanwhile, a key still means the same request; not for another user."""
    app = make_app(redis_url, BACKEND_IDEMPOTENCY_STORE="redis")
    runs = []

    @app.post("/orders")
    @required
    @idempotent()
    def order():
        runs.append(current_actor.id)
        return jsonify(number=len(runs))

    client, key = app.test_client(), {"Idempotency-Key": "k1"}
    answers = [client.post("/orders", headers=key | bearer(app, user)) for user in ("7", "7", "8")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert runs == ["7", "8"]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true", None]


def test_a_check_of_the_apps_own_finds_weak_passwords():
    """BACKEND_AUTH_PASSWORD_CHECK: its sentences are shown beside ours; BACKEND_AUTH_PASSWORD_CONCURRENCY counts too."""
    app = make_app(
        BACKEND_AUTH_PASSWORD_CHECK=lambda password, login: [
            f"{login} may not choose {len(password)} letters."
        ],
        BACKEND_AUTH_PASSWORD_CONCURRENCY=3,
    )
    with app.app_context():
        passwords = auth_state().passwords
        with pytest.raises(ValidationError) as refused:
            passwords.require_strong("a horse stands in the rain", login="ann")
    assert [detail["message"] for detail in refused.value.details] == ["ann may not choose 26 letters."]
    assert passwords._room._initial_value == 3


@pytest.mark.parametrize("user_id", [None, True, "", False])
def test_nobody_gets_no_tokens(redis_url, user_id):
    """A row that is not stored yet has no id: that must not log in the user called None."""
    app = make_app(redis_url)
    with app.app_context():
        for call in (lambda: issue_tokens(user_id, roles=["admin"]), lambda: revoke_tokens(user_id=user_id)):
            with pytest.raises(SetupError, match="id of a stored user"):
                call()


def test_answers_to_a_caller_are_private(redis_url):
    """Once it was asked who calls, no cache on the way may keep the answer; what the app says itself stays."""
    app = make_app(redis_url)

    @app.get("/own")
    @required
    def own():
        answer = jsonify(id=current_actor.id)
        answer.headers["Cache-Control"] = "max-age=5"
        return answer

    client, headers = app.test_client(), bearer(app)
    found = [
        client.get(path, headers=headers).headers.get("Cache-Control")
        for path in ("/required", "/own", "/untouched")
    ]
    assert found == ["private, no-cache", "max-age=5", None]
    assert client.get("/optional").headers["Cache-Control"] == "private, no-cache"


def test_stored_answers_are_kept_apart_where_nothing_is_declared(redis_url):
    """Two users and nobody behind one address, on an idempotent view that only asks who calls: three runs, three answers."""
    app = make_app(redis_url, BACKEND_IDEMPOTENCY_STORE="redis", BACKEND_AUTH_AUTHENTICATORS="session,jwt")

    @app.post("/carts")
    @idempotent()
    def cart():
        return jsonify(of=current_actor.id)

    @app.post("/enter/<user_id>")
    def enter(user_id):
        answer = jsonify()
        start_session(answer, user_id, roles=[])
        return answer

    found = []
    for user_id in ("7", "8", None):
        client = app.test_client()
        headers = {"Idempotency-Key": "cart-1"}
        if user_id is not None:
            client.post(f"/enter/{user_id}")
            headers["X-CSRF-TOKEN"] = client.get_cookie("backend_session_csrf").value
        found.append(client.post("/carts", headers=headers).get_json())
    assert found == [{"of": "7"}, {"of": "8"}, {"of": ""}]


def test_apps_of_one_name_are_kept_apart_by_a_namespace(redis_url):
    """BACKEND_REDIS_NAMESPACE: a session of one app is none of another that shares the Redis."""
    apps = []
    for namespace in ("one", "other"):
        app = Flask("twin")
        app.config.update(
            JWT_SECRET_KEY=SECRET, BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_NAMESPACE=namespace, TESTING=True,
            BACKEND_AUTH_AUTHENTICATORS="session",
        )  # fmt: skip
        BackendPatterns().init_app(app)

        @app.get("/enter")
        def enter():
            answer = jsonify()
            start_session(answer, "7", roles=[])
            return answer

        app.add_url_rule("/who", "who", required(lambda: jsonify(id=current_actor.id)))
        apps.append(app)
    client = apps[0].test_client()
    client.get("/enter")
    cookie = client.get_cookie("backend_session").value
    other = apps[1].test_client()
    other.set_cookie("backend_session", cookie)
    assert (client.get("/who").status_code, other.get("/who").status_code) == (200, 401)


@pytest.mark.parametrize(("scope", "status"), [(None, 200), ("p:read", 403), ("*", 200), ("", 403)])
def test_a_narrowed_token_has_not_the_role(redis_url, scope, status):
    """A token that may do less than an admin is no admin, for `@require_role` and for policies that look at roles."""
    app = make_app(redis_url)
    app.add_url_rule("/admin", "admin", require_role("admin")(lambda: jsonify(roles=current_actor.roles)))
    with app.app_context():
        claims = {} if scope is None else {"scope": scope}
        token = issue_tokens("7", roles=["admin"], claims=claims).access_token
    assert app.test_client().get("/admin", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_scopes_of_another_issuer_can_be_left_aside(redis_url):
    """BACKEND_AUTH_SCOPE_CLAIM = "": `openid email` of an identity provider narrows nothing."""
    app = make_app(redis_url, BACKEND_AUTH_SCOPE_CLAIM="")
    app.add_url_rule("/admin", "admin", require_role("admin")(lambda: jsonify(roles=current_actor.roles)))
    with app.app_context():
        token = issue_tokens("7", roles=["admin"], claims={"scope": "openid email"}).access_token
    assert app.test_client().get("/admin", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_an_app_that_is_thrown_away_takes_its_threads_along(redis_url):
    """Made, used once and forgotten, as in every test suite: nothing listens for it any more."""

    def listeners():
        return [
            thread
            for thread in threading.enumerate()
            if thread.name.startswith("near-cache-backend:cache:gone")
        ]

    def use(number):
        app = Flask(f"gone{number}")
        app.config.update(JWT_SECRET_KEY=SECRET, BACKEND_REDIS_URL=redis_url, TESTING=True)
        BackendPatterns().init_app(app)
        app.add_url_rule("/who", "who", required(lambda: jsonify(id=current_actor.id)))
        assert app.test_client().get("/who", headers=bearer(app)).status_code == 200

    for number in range(3):
        use(number)
    deadline = time.monotonic() + 60
    while listeners() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert listeners() == []


def test_changed_roles_count_for_tokens_that_are_known(redis_url):
    """What an actor may do is made once for a token, and anew when the roles are."""
    roles = {"clerk": ["p:read"]}
    app = make_app(redis_url, BACKEND_AUTH_ROLES=lambda: roles, BACKEND_AUTH_ROLES_CACHE_SECONDS=3_600)
    app.add_url_rule("/p", "p", require_permission("p:read")(lambda: jsonify(roles=current_actor.roles)))
    with app.app_context():
        token = issue_tokens("7", roles=["clerk"]).access_token
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    assert [client.get("/p", headers=headers).get_json()["roles"] for _ in range(2)] == [["clerk"]] * 2
    roles = {"clerk": {"permissions": [], "inherits": ["guest"]}, "guest": ["q:read"]}
    with app.app_context():
        auth_state().roles.reload()
    assert client.get("/p", headers=headers).status_code == 403
    roles = {"clerk": {"permissions": ["p:read"], "inherits": ["guest"]}, "guest": []}
    with app.app_context():
        auth_state().roles.reload()
    assert client.get("/p", headers=headers).get_json()["roles"] == ["clerk", "guest"]


def test_what_a_view_does_to_the_claims_stays_in_its_request(redis_url):
    """`get_jwt()` gives each request its own, however deep."""
    app = make_app(redis_url)

    @app.get("/claims")
    @required
    def claims():
        found = get_jwt()
        seen = [list(found["roles"]), found.get("mine"), dict(get_jwt_header())]
        found["roles"].append("admin")
        found["mine"] = True
        get_jwt_header()["mine"] = True
        return jsonify(seen)

    client, headers = app.test_client(), bearer(app)
    answers = [client.get("/claims", headers=headers).get_json() for _ in range(3)]
    assert answers == [[[], None, {"alg": "HS256", "typ": "JWT"}]] * 3
