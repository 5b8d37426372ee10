"""An app of Flask-JWT-Extended answers on its `@jwt_required()` routes as it did before `init_app`."""

import time
from datetime import timedelta

import jwt as pyjwt
import pytest
from flask import Flask, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
)
from flask_jwt_extended import jwt_required as required

from flask_backend_patterns import BackendPatterns, Blueprint, current_actor, require_auth

SECRET = "a secret of 2019, of thirty-two bytes or more"
SETTINGS = {
    "as it comes": {},
    "integers": {"JWT_VERIFY_SUB": False},
    "a claim of its own": {"JWT_IDENTITY_CLAIM": "identity"},
    "without an end": {"JWT_ACCESS_TOKEN_EXPIRES": False, "JWT_REFRESH_TOKEN_EXPIRES": False},
    "leeway": {"JWT_DECODE_LEEWAY": 30},
    "issuer and audience": {
        "JWT_ENCODE_ISSUER": "shop",
        "JWT_DECODE_ISSUER": "shop",
        "JWT_ENCODE_AUDIENCE": "web",
        "JWT_DECODE_AUDIENCE": ["web", "app"],
    },
}
ROUTES = {
    "/any": required(),
    "/optional": required(optional=True),
    "/fresh": required(fresh=True),
    "/refresh": required(refresh=True),
    "/either": required(verify_type=False),
}


def make_app(config, *, with_us):
    app = Flask("old")
    app.config.update({"JWT_SECRET_KEY": SECRET} | config)
    JWTManager(app)
    for path, requirement in ROUTES.items():

        def view():
            return jsonify(identity=get_jwt_identity(), claims=get_jwt())

        view.__name__ = path[1:]
        app.route(path)(requirement(view))
    if with_us:
        BackendPatterns().init_app(app)
    return app


def answers(app, token):
    client = app.test_client()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    found = {path: client.get(path, headers=headers) for path in ROUTES}
    # The text after `msg` is ours where a token is broken: all else is the same.
    return {
        path: (answer.status_code, answer.json if answer.status_code == 200 else answer.json.keys())
        for path, answer in found.items()
    }


def minted(config, header=None, **claims):
    """A token of another program with the app's secret; None takes a claim away."""
    now = int(time.time())
    identity = config.get("JWT_IDENTITY_CLAIM", "sub")
    given = {identity: "7", "iat": now, "exp": now + 900, "iss": "shop", "aud": "web"} | claims
    given = {name: value for name, value in given.items() if value is not None}
    return pyjwt.encode(given, SECRET, headers=header)


OTHERS = {
    "plain": {},
    "no iat": {"iat": None},
    "no exp": {"exp": None},
    "another type": {"type": "service"},
    "a type that is no text": {"type": 1},
    "roles of its own": {"roles": {"admin": True}},
    "roles as text": {"roles": "admin,staff"},
    "role an object": {"role": {"id": 7, "name": "admin"}},
    "a number for a role": {"role": 3},
    "scopes in a list": {"scope": ["read", "write"]},
    "a number for a session": {"sid": 99},
    "csrf a number": {"csrf": 1},
    "an integer": {"sub": 7},
    "nobody": {"sub": ""},
    "an object": {"sub": {"id": 7, "role": "admin"}},
    "a float": {"sub": 7.5},
    "a truth": {"sub": True},
    "issued ahead": {"iat": int(time.time()) + 5000},
    "not yet": {"nbf": int(time.time()) + 5000},
    "over": {"exp": 1000},
    "over for ten seconds": {"exp": int(time.time()) - 10},
    "another issuer": {"iss": "other"},
    "another audience": {"aud": "other"},
    "a refresh token": {"type": "refresh"},
    "a refresh token with a sid": {"type": "refresh", "sid": "s1"},
    "jti a number": {"jti": 7},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", OTHERS)
def test_tokens_count_as_they_did(name, settings):
    """Whatever a token signed by the app's key says: the same status and the same claims on every route."""
    config = SETTINGS[settings]
    token = minted(config, **OTHERS[name])
    before, after = (answers(make_app(config, with_us=with_us), token) for with_us in (False, True))
    assert after == before


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(
    "token",
    [None, "x", "x.y.z", minted({}, {"kid": "2019"}), minted({})[:-2] + "AA", pyjwt.encode({}, "x" * 32)],
)
def test_broken_tokens_and_none_are_refused_as_they_were(token, settings):
    """And a `kid` of the app's own where it has one key."""
    config = SETTINGS[settings]
    before, after = (answers(make_app(config, with_us=with_us), token) for with_us in (False, True))
    assert after == before


@pytest.mark.parametrize(
    ("settings", "identities"),
    [
        ("as it comes", ["7"]),
        ("integers", [7, 2**70, "7", {"id": 7}, [1], True, None]),
        ("a claim of its own", [7, "7", {"id": 7}]),
        ("without an end", ["7"]),
    ],
)
def test_tokens_are_made_as_they_were(settings, identities):
    """The same claims, but for ids and times; made by either, they count for either."""
    config = SETTINGS[settings]
    apps = [make_app(config, with_us=with_us) for with_us in (False, True)]
    for identity in identities:
        for options in ({}, {"expires_delta": False}, {"expires_delta": timedelta(hours=2)}, {"fresh": True}):
            made = []
            for app in apps:
                with app.app_context():
                    access = create_access_token(identity, additional_claims={"role": 3, "sid": 9}, **options)
                    expiry = {name: value for name, value in options.items() if name != "fresh"}
                    made.append((access, create_refresh_token(identity, **expiry)))
            for ours, theirs in zip(*made, strict=True):
                contents = [pyjwt.decode(one, options={"verify_signature": False}) for one in (ours, theirs)]
                varying = dict.fromkeys(("jti", "csrf", "iat", "nbf", "exp"))
                assert contents[0].keys() == contents[1].keys()
                assert contents[0] | varying == contents[1] | varying
                for token in (ours, theirs):
                    assert answers(apps[0], token) == answers(apps[1], token)


def ours_and_theirs(config):
    app = make_app(config, with_us=True)
    blueprint = Blueprint("api", __name__)

    @blueprint.route("/ours")
    @require_auth
    def ours():
        return {"id": current_actor.id, "roles": list(current_actor.roles), "identity": get_jwt_identity()}

    app.register_blueprint(blueprint)
    return app


@pytest.mark.parametrize("settings", ["integers", "a claim of its own"])
def test_the_actor_of_an_integer_is_text(settings):
    """`get_jwt_identity()` stays what the app knows, also under @require_auth; `current_actor.id` is text."""
    app = ours_and_theirs(SETTINGS[settings])
    with app.app_context():
        token = create_access_token(7, additional_claims={"role": "admin"})
    answer = app.test_client().get("/ours", headers={"Authorization": f"Bearer {token}"})
    assert answer.json == {"id": "7", "roles": ["admin"], "identity": 7}


STRICT = {
    "no iat",
    "no exp",
    "another type",
    "a type that is no text",
    "roles of its own",
    "roles as text",
    "role an object",
    "a number for a role",
    "scopes in a list",
    "a number for a session",
    "csrf a number",
    "nobody",
    "an object",
    "a float",
    "a truth",
    "a refresh token",
}


@pytest.mark.parametrize("name", sorted(STRICT))
def test_our_routes_stay_strict(name):
    """What was let through by `@jwt_required()` is a 401 under @require_auth, remembered or not."""
    config = SETTINGS["integers"]
    app = ours_and_theirs(config)
    token = minted(config, **OTHERS[name])
    assert answers(app, token)["/either"][0] == 200
    for _ in range(2):
        answer = app.test_client().get("/ours", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


def test_a_key_id_of_the_apps_own_is_for_its_routes_alone():
    """Ours want the key that a token names; given that id in BACKEND_AUTH_KEYS, they find it."""
    token = minted({}, {"kid": "2019"})
    for config, status in (
        ({}, 401),
        ({"BACKEND_AUTH_KEYS": {"2019": {"algorithm": "HS256", "secret": SECRET}}}, 200),
        ({"BACKEND_AUTH_KEYS": {"2026": {"algorithm": "HS256", "secret": SECRET}}}, 401),
    ):
        app = ours_and_theirs(config)
        answer = app.test_client().get("/ours", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


def test_an_odd_token_can_be_ended(redis_url):
    """`revoke_token` takes what `@jwt_required()` takes: a token without an end is refused on those routes from then on."""
    from flask_backend_patterns.auth.state import auth_state

    app = make_app({"BACKEND_REDIS_URL": redis_url, "BACKEND_REDIS_TIMEOUT_SECONDS": 20}, with_us=True)
    with app.app_context():
        token = create_access_token("7", expires_delta=False, additional_claims={"roles": "admin"})
        assert answers(app, token)["/any"][0] == 200
        assert auth_state().tokens.revoke_token(token) is True
    assert answers(app, token)["/any"][0] == 401


def test_everything_of_a_user_ends_tokens_without_a_date(redis_url):
    """A token without `iat` is older than any "log out everywhere"."""
    from flask_backend_patterns import revoke_tokens

    app = make_app({"BACKEND_REDIS_URL": redis_url, "BACKEND_REDIS_TIMEOUT_SECONDS": 20}, with_us=True)
    token = minted({}, iat=None, jti="t1")
    assert answers(app, token)["/any"][0] == 200
    with app.app_context():
        revoke_tokens(user_id="7")
    assert answers(app, token)["/any"][0] == 401
