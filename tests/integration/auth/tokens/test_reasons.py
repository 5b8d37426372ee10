"""Why a token was refused stands in the log, and nowhere else."""

import time

import jwt as pyjwt
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

from flask_backend_patterns import BackendPatterns, Blueprint, require_auth, revoke_tokens
from flask_backend_patterns.observability.events import event_of

SECRET = "k" * 48


@pytest.fixture
def app(redis_url):
    app = Flask("reasons")
    app.config.update(
        BACKEND_REDIS_URL=redis_url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        JWT_SECRET_KEY=SECRET,
        JWT_DECODE_AUDIENCE="shop",
        JWT_TOKEN_LOCATION=["headers", "cookies"],
    )
    app.manager = JWTManager(app)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("api", __name__)
    requirements = {"/ours": require_auth, "/extended": jwt_required(), "/fresh": jwt_required(fresh=True)}
    for path, requirement in requirements.items():

        def view():
            return "fine"

        view.__name__ = path[1:]
        blueprint.route(path, methods=["GET", "POST"])(requirement(view))
    app.register_blueprint(blueprint)
    return app


def signed(secret=SECRET, headers=None, **claims):
    now = int(time.time())
    given = {"sub": "7", "iat": now, "exp": now + 900, "aud": "shop", "jti": "t1"} | claims
    return pyjwt.encode(given, secret, headers=headers)


@pytest.fixture
def reason(app, caplog):
    caplog.set_level("INFO", "flask_backend_patterns")

    def ask(path, token, **request):
        caplog.clear()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = app.test_client(use_cookies=False).open(path, **({"headers": headers} | request))
        events = [event for event in map(event_of, caplog.records) if event and event["event"] == "error"]
        (event,) = events
        assert set(answer.json["error"]) == {"code", "message", "request_id"}
        if "reason" in event:
            assert event["reason"] not in answer.text
        for part in (token or "").split("."):
            assert len(part) < 9 or part not in caplog.text
        return event["code"], event.get("reason")

    return ask


def ahead(seconds):
    return int(time.time()) + seconds


REFUSED = {
    "expired": (lambda: signed(exp=ahead(-90)), "expired 9"),
    "a clock that is ahead": (lambda: signed(iat=ahead(155)), "not valid for another 9"),
    "a clock that is ahead, nbf": (lambda: signed(nbf=ahead(95)), "not valid for another 9"),
    "another key": (lambda: signed("x" * 48), "the signature does not hold"),
    "another algorithm": (
        lambda: pyjwt.encode({"sub": "7"}, "k" * 64, algorithm="HS512"),
        "alg is not the algorithm of the key",
    ),
    "another audience": (lambda: signed(aud="other"), "wrong aud"),
    "an integer": (lambda: signed(sub=7), "sub is not a string"),
    "no token at all": (lambda: "x.y", "not three parts of base64url"),
}
ODD = {
    "roles": (lambda: signed(roles="admin"), "roles is not a list of strings"),
    "sid": (lambda: signed(sid=7), "sid is not a string"),
    "a key id": (lambda: signed(headers={"kid": "2019"}), "no key has this kid"),
    "refresh": (lambda: signed(type="refresh"), "not a token of type access"),
}


@pytest.mark.parametrize("path", ["/ours", "/extended"])
@pytest.mark.parametrize("name", REFUSED)
def test_reasons_are_told_apart(reason, name, path):
    """Clock, key, audience and form each have a sentence, on either kind of route; remembered tokens too."""
    make, expected = REFUSED[name]
    token = make()
    for _ in range(2):
        code, said = reason(path, token)
        assert code == ("TOKEN_EXPIRED" if name == "expired" else "INVALID_TOKEN")
        assert said.startswith(expected)


@pytest.mark.parametrize("name", ODD)
def test_what_only_our_routes_mind_is_told_too(reason, name):
    """So that a migration finds what to change."""
    make, expected = ODD[name]
    for token in [make()] * 2:
        assert reason("/ours", token) == ("INVALID_TOKEN", expected)


def test_the_apps_loaders_are_named(app, reason):
    """Which of them refused."""
    app.manager.user_lookup_loader(lambda header, claims: None)
    for path in ("/ours", "/extended"):
        assert reason(path, signed()) == ("INVALID_TOKEN", "the app's user_lookup_loader finds nobody")
    app.manager.token_verification_loader(lambda header, claims: False)
    assert reason("/ours", signed()) == ("INVALID_TOKEN", "the app's token_verification_loader refuses it")
    app.manager.token_in_blocklist_loader(lambda header, claims: True)
    assert reason("/ours", signed()) == ("TOKEN_REVOKED", "the app's token_in_blocklist_loader has it")


def test_other_refusals_have_reasons(app, reason):
    """Headers, freshness, CSRF, revocation; nothing for nobody under ours."""
    assert reason("/ours", "a b") == ("INVALID_TOKEN", "the header has not just one token")
    assert reason("/ours", "a,b") == ("INVALID_TOKEN", "several credentials in one header")
    assert reason("/fresh", signed()) == ("INVALID_TOKEN", "Fresh token required")
    assert reason("/ours", None) == ("UNAUTHORIZED", None)
    cookie = {"method": "POST", "headers": {"Cookie": f"access_token_cookie={signed(csrf='c1')}"}}
    assert reason("/extended", None, **cookie) == ("INVALID_TOKEN", "Missing CSRF token")
    assert reason("/ours", None, **cookie) == ("CSRF_FAILED", None)
    token = signed()
    with app.app_context():
        revoke_tokens(user_id="7")
    assert reason("/ours", token) == ("TOKEN_REVOKED", "its session or itself was ended")
    assert reason("/extended", token)[0] == "TOKEN_REVOKED"


def test_texts_of_pyjwt_are_not_logged(app, reason):
    """They may quote what was sent: the class of the exception has to do."""

    @app.route("/own")
    def own():
        raise pyjwt.DecodeError("Invalid token: secret-of-somebody")

    blueprint = Blueprint("other", __name__)
    blueprint.route("/own-api")(own)
    app.register_blueprint(blueprint)
    assert reason("/own-api", None) == ("INVALID_TOKEN", None)
