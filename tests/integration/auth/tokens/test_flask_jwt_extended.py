"""Flask-JWT-Extended beside us: its functions and decorators work, by our keys, whoever set its manager up, and when."""

import sys
import threading
from datetime import timedelta

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Flask, appcontext_pushed, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    decode_token,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_request_location,
    jwt_required,
    verify_jwt_in_request,
)

from flask_backend_patterns import BackendPatterns, Blueprint, current_actor, require_auth

ED25519 = (
    ed25519.Ed25519PrivateKey.generate()
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)
NAMED = {"BACKEND_AUTH_KEYS": {"main": {"algorithm": "EdDSA", "private_key": ED25519}}}
SINGLE = {"JWT_SECRET_KEY": "k" * 48}
ORDERS = [
    "without a manager",
    "manager before",
    "manager after",
    "manager handed over",
    "handed over, set up after",
]


def add_routes(app):
    blueprint = Blueprint("api", __name__)
    requirements = {
        "/ours": require_auth,
        "/ours-optional": require_auth(optional=True),
        "/extended": jwt_required(),
        "/extended-optional": jwt_required(optional=True),
        "/extended-fresh": jwt_required(fresh=True),
        "/extended-refresh": jwt_required(refresh=True),
        "/extended-any": jwt_required(verify_type=False),
        "/extended-unrevoked": jwt_required(skip_revocation_check=True),
        "/extended-query": jwt_required(locations="query_string"),
    }
    for path, requirement in requirements.items():

        def view():
            return {
                "identity": get_jwt_identity(),
                "claims": get_jwt(),
                "header": get_jwt_header(),
                "location": get_jwt_request_location(),
            }

        view.__name__ = path[1:].replace("-", "_")
        blueprint.route(path)(requirement(view))

    @blueprint.route("/user")
    @require_auth
    def user():
        return {"user": str(current_user), "actor": current_actor.id}

    app.register_blueprint(blueprint)

    @app.route("/page")
    @jwt_required()
    def page():
        return jsonify(get_jwt_identity())


def make_app(order="without a manager", config=NAMED, manager=None):
    app = Flask("extended")
    app.config.update(config)
    manager = manager or JWTManager()
    if order in {"manager before", "manager handed over"}:
        manager.init_app(app)
    BackendPatterns(jwt=manager if "handed over" in order else None).init_app(app)
    if order in {"manager after", "handed over, set up after"}:
        manager.init_app(app)
    add_routes(app)
    return app


def get(app, path, token=None, **request):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return app.test_client().get(path, headers=headers, **request)


def tokens(app, identity="7", **options):
    with app.app_context():
        return create_access_token(identity, **options), create_refresh_token(identity)


@pytest.mark.parametrize("config", [NAMED, SINGLE], ids=["named keys", "one key"])
@pytest.mark.parametrize("order", ORDERS)
def test_everything_works_in_every_order(order, config):
    """Its tokens are made with our keys, its decorators and ours take them, its functions answer in both."""
    app = make_app(order, config)
    access, refresh = tokens(app, additional_claims={"roles": ["customer"], "x": {"y": [1]}})
    assert pyjwt.get_unverified_header(access).get("kid") == ("main" if config is NAMED else None)
    for path in (
        "/ours",
        "/extended",
        "/ours-optional",
        "/extended-optional",
        "/extended-any",
        "/extended-unrevoked",
    ):
        body = get(app, path, access).get_json()
        assert (body["identity"], body["location"]) == ("7", "headers"), path
        assert body["claims"]["x"] == {"y": [1]}
        assert body["header"] == pyjwt.get_unverified_header(access)
        assert body["claims"] == pyjwt.decode(access, options={"verify_signature": False})
    assert get(app, "/extended-refresh", refresh).status_code == 200
    assert get(app, "/extended-any", refresh).status_code == 200
    assert get(app, "/extended-query", query_string={"jwt": access}).get_json()["location"] == "query_string"
    assert get(app, "/page", access).get_json() == "7"
    for path, token, code in (
        ("/extended", None, "UNAUTHORIZED"),
        ("/ours", None, "UNAUTHORIZED"),
        ("/extended", refresh, "INVALID_TOKEN"),
        ("/ours", refresh, "INVALID_TOKEN"),
        ("/extended-refresh", access, "INVALID_TOKEN"),
        ("/extended-fresh", access, "INVALID_TOKEN"),
        ("/extended-optional", "x.y.z", "INVALID_TOKEN"),
        ("/ours-optional", "x.y.z", "INVALID_TOKEN"),
    ):
        answer = get(app, path, token)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, code), path
        assert "WWW-Authenticate" in answer.headers
    fresh, _ = tokens(app, fresh=True)
    assert get(app, "/extended-fresh", fresh).status_code == 200


@pytest.mark.parametrize("order", ORDERS)
def test_nobody_has_an_empty_token(order):
    """With optional authentication, `get_jwt()` is {} and the identity None, in our routes as in theirs."""
    app = make_app(order)
    for path in ("/ours-optional", "/extended-optional"):
        assert get(app, path).get_json() == {"identity": None, "claims": {}, "header": {}, "location": None}


@pytest.mark.parametrize("identity", [7, 2**70, "7", __import__("uuid").UUID(int=7)])
@pytest.mark.parametrize("order", ORDERS)
def test_identities_are_strings_when_issued(order, identity):
    """E2: whatever create_access_token is given, `sub` is text; outside of requests too."""
    app = make_app(order)
    for token in tokens(app, identity):
        assert pyjwt.decode(token, options={"verify_signature": False})["sub"] == str(identity)
    assert get(app, "/extended", tokens(app, identity)[0]).get_json()["identity"] == str(identity)


@pytest.mark.parametrize("identity", [None, True, b"7"])
def test_what_cannot_be_an_identity_is_refused(identity):
    """Not "None", not "True"."""
    app = make_app()
    with app.app_context(), pytest.raises(TypeError, match="id of a user"):
        create_access_token(identity)


@pytest.mark.parametrize("order", ORDERS[1:])
def test_the_answers_outside_of_api_routes_are_the_apps_own(order):
    """A page of an app with a manager answers as Flask-JWT-Extended does, and by its loaders."""
    manager = JWTManager()
    app = make_app(order, manager=manager)
    assert (get(app, "/page").status_code, get(app, "/page").get_json()) == (
        401,
        {"msg": "Missing Authorization Header"},
    )
    assert get(app, "/page", "x.y.z").status_code == 422
    expired, _ = tokens(app, expires_delta=timedelta(seconds=-1))
    assert get(app, "/page", expired).get_json() == {"msg": "Token has expired"}
    manager.expired_token_loader(lambda header, claims: (f"{header['alg']} of {claims['sub']} is over", 418))
    assert (get(app, "/page", expired).status_code, get(app, "/page", expired).text) == (
        418,
        "EdDSA of 7 is over",
    )
    assert get(app, "/extended", expired).get_json()["error"]["code"] == "TOKEN_EXPIRED"
    assert get(app, "/ours", expired).get_json()["error"]["code"] == "TOKEN_EXPIRED"


def test_the_answers_outside_of_api_routes_without_a_manager():
    """Ours answers with our errors; nothing is a 500."""
    app = make_app()
    access, refresh = tokens(app)
    expired, _ = tokens(app, expires_delta=timedelta(seconds=-1))
    assert get(app, "/page", access).status_code == 200
    for token, code in (
        (None, "UNAUTHORIZED"),
        ("x.y.z", "INVALID_TOKEN"),
        (refresh, "INVALID_TOKEN"),
        (expired, "TOKEN_EXPIRED"),
    ):
        answer = get(app, "/page", token)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, code)


def test_errors_of_pyjwt_stay_the_apps_own_business():
    """Our manager registers no handler for them: an app that uses PyJWT itself does not change."""
    app = make_app()

    @app.route("/own")
    def own():
        try:
            return jsonify(pyjwt.decode("x.y.z", "k" * 32, algorithms=["HS256"]))
        except pyjwt.DecodeError:
            return "own answer", 400

    @app.errorhandler(pyjwt.ExpiredSignatureError)
    def expired(error):
        return "own handler", 410

    @app.route("/expired")
    def raises():
        raise pyjwt.ExpiredSignatureError

    assert get(app, "/own").text == "own answer"
    assert get(app, "/expired").status_code == 410
    kinds = app.error_handler_spec[None][None]
    assert not any(kind in kinds for kind in (pyjwt.PyJWTError, pyjwt.InvalidTokenError, pyjwt.DecodeError))


@pytest.mark.parametrize("set_when", ["before", "between", "after"])
@pytest.mark.parametrize("order", ORDERS[1:])
def test_loaders_of_the_app_have_their_say(order, set_when):
    """Blocklist, verification and user lookup refuse on our routes and theirs, whenever they were set."""
    manager = JWTManager()
    blocked, displeasing, unknown = "blocked", "displeasing", "unknown"

    def set_loaders():
        manager.token_in_blocklist_loader(lambda header, claims: claims["sub"] == blocked)
        manager.token_verification_loader(lambda header, claims: claims["sub"] != displeasing)
        manager.user_lookup_loader(
            lambda header, claims: None if claims["sub"] == unknown else claims["sub"].upper()
        )

    if set_when == "before":
        set_loaders()
    app = make_app(order, manager=manager)
    with app.app_context():
        pass
    if set_when == "between":
        set_loaders()
    good, _ = tokens(app, "ada")
    if set_when == "after":
        for path in ("/ours", "/extended", "/ours"):
            assert get(app, path, good).status_code == 200
        set_loaders()
    assert get(app, "/user", good).get_json() == {"user": "ADA", "actor": "ada"}
    for path in ("/ours", "/extended"):
        assert get(app, path, good).status_code == 200
        for name, code in (
            (blocked, "TOKEN_REVOKED"),
            (displeasing, "INVALID_TOKEN"),
            (unknown, "INVALID_TOKEN"),
        ):
            answer = get(app, path, tokens(app, name)[0])
            assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, code), (path, name)
    assert get(app, "/extended-unrevoked", tokens(app, blocked)[0]).status_code == 200


@pytest.mark.parametrize("order", ORDERS[1:])
def test_loaders_that_make_tokens_are_used(order):
    """Additional claims and headers, and the identity, which becomes text."""
    manager = JWTManager()
    manager.additional_claims_loader(lambda identity: {"roles": ["admin"], "who": identity["name"]})
    manager.additional_headers_loader(lambda identity: {"x": "y"})
    manager.user_identity_loader(lambda identity: identity["id"])
    app = make_app(order, manager=manager)
    access, _ = tokens(app, {"id": 7, "name": "Ada"}, additional_claims={"who": "Zoe"})
    body = get(app, "/ours", access).get_json()
    assert (body["identity"], body["claims"]["who"], body["claims"]["roles"]) == ("7", "Zoe", ["admin"])
    assert body["header"] == {"alg": "EdDSA", "typ": "JWT", "x": "y", "kid": "main"}


@pytest.mark.parametrize("order", ORDERS[1:])
def test_keys_of_the_apps_own_loaders(order):
    """An app that chooses keys itself goes on: for our routes too, strictly, and without remembering them."""
    secrets = {"a": "a" * 48, "b": "b" * 48}
    manager = JWTManager()
    manager.encode_key_loader(lambda identity: secrets[identity[0]])
    manager.decode_key_loader(lambda header, claims: secrets[claims["sub"][0]])
    app = make_app(order, SINGLE, manager=manager)
    for name in ("a1", "b1"):
        access, _ = tokens(app, name)
        assert pyjwt.decode(access, secrets[name[0]], algorithms=["HS256"])["sub"] == name
        for path in ("/ours", "/extended"):
            assert get(app, path, access).get_json()["identity"] == name
    forged = pyjwt.encode({"sub": "a1", "iat": 1, "exp": 4_000_000_000}, secrets["b"])
    other_hash = pyjwt.encode(
        {"sub": "a1", "iat": 1, "exp": 4_000_000_000}, secrets["a"] * 2, algorithm="HS512"
    )
    odd_roles = pyjwt.encode({"sub": "a1", "iat": 1, "exp": 4_000_000_000, "roles": "admin"}, secrets["a"])
    for token in (forged, other_hash):
        for path in ("/ours", "/extended"):
            assert get(app, path, token).status_code == 401
    assert get(app, "/ours", odd_roles).status_code == 401
    assert get(app, "/extended", odd_roles).status_code == 200
    access, _ = tokens(app, "b1")
    assert get(app, "/ours", access).status_code == 200
    secrets["b"] = "c" * 48
    assert get(app, "/ours", access).status_code == 401


def test_one_manager_for_an_app_with_us_and_one_without():
    """The app without us keeps Flask-JWT-Extended as it is."""
    manager = JWTManager()
    ours = make_app("manager before", manager=manager)
    plain = Flask("plain")
    plain.config.update(JWT_SECRET_KEY="p" * 48)
    manager.init_app(plain)

    @plain.route("/extended")
    @jwt_required()
    def extended():
        return jsonify(get_jwt_identity())

    with plain.app_context():
        theirs = create_access_token("9")
    assert pyjwt.get_unverified_header(theirs) == {"alg": "HS256", "typ": "JWT"}
    assert get(plain, "/extended", theirs).get_json() == "9"
    assert get(plain, "/extended", tokens(ours)[0]).status_code == 422
    assert get(ours, "/extended", theirs).status_code == 401
    assert get(ours, "/extended", tokens(ours)[0]).status_code == 200


def test_two_apps_keep_their_keys_apart():
    """One BackendPatterns, two apps, two keys."""
    first, second = (
        make_app("manager before", SINGLE),
        make_app("manager before", {"JWT_SECRET_KEY": "z" * 48}),
    )
    token, _ = tokens(first)
    assert get(first, "/extended", token).status_code == 200
    assert get(second, "/extended", token).status_code == 401
    assert get(second, "/ours", token).status_code == 401


def test_views_may_change_what_they_got():
    """`get_jwt()` is the request's own copy: the next request finds the token as it was."""
    app = make_app()

    @app.route("/greedy")
    @require_auth
    def greedy():
        get_jwt()["roles"].append("admin")
        get_jwt()["sub"] = "1"
        get_jwt_header()["kid"] = "other"
        return jsonify(current_actor.id)

    token, _ = tokens(app, additional_claims={"roles": ["customer"]})
    for _ in range(2):
        assert get(app, "/greedy", token).get_json() == "7"
    assert get(app, "/ours", token).get_json()["claims"]["roles"] == ["customer"]


def test_the_scheme_of_ours_is_theirs():
    """BACKEND_AUTH_SCHEME holds for both."""
    for order in ORDERS:
        app = make_app(order, NAMED | {"BACKEND_AUTH_SCHEME": "Token"})
        headers = {"Authorization": f"Token {tokens(app)[0]}"}
        for path in ("/ours", "/extended"):
            assert app.test_client().get(path, headers=headers).status_code == 200
            assert get(app, path, tokens(app)[0]).status_code == 401


def test_cookies_with_csrf_beyond_ascii_are_a_401():
    """Flask-JWT-Extended's own comparison is a 500 there."""
    app = make_app("manager before", NAMED | {"JWT_TOKEN_LOCATION": ["cookies"]})

    @app.route("/change", methods=["POST"])
    @jwt_required()
    def change():
        return "changed"

    token, _ = tokens(app)
    csrf = pyjwt.decode(token, options={"verify_signature": False})["csrf"]
    client = app.test_client()
    client.set_cookie("access_token_cookie", token)
    assert client.post("/change", headers={"X-CSRF-TOKEN": csrf}).status_code == 200
    for wrong in ("é", "x", csrf[:-1]):
        assert client.post("/change", headers={"X-CSRF-TOKEN": wrong}).status_code == 401


def test_expired_tokens_can_be_decoded_when_allowed():
    """`decode_token(allow_expired=True)`, and bytes as older callers have them."""
    app = make_app("manager before")
    expired, _ = tokens(app, expires_delta=timedelta(seconds=-5))
    with app.app_context():
        assert decode_token(expired, allow_expired=True)["sub"] == "7"
        assert decode_token(tokens(app)[0].encode())["sub"] == "7"
        with pytest.raises(pyjwt.ExpiredSignatureError):
            decode_token(expired)


def test_tokens_without_an_end_where_the_app_made_them_so():
    """JWT_ACCESS_TOKEN_EXPIRES = False is the app's own word."""
    app = make_app("manager before", NAMED | {"JWT_ACCESS_TOKEN_EXPIRES": False})
    token, _ = tokens(app)
    assert "exp" not in pyjwt.decode(token, options={"verify_signature": False})
    assert get(app, "/ours", token).status_code == get(app, "/extended", token).status_code == 200


def test_nothing_is_listened_to_after_the_first_request():
    """The look-out ends; a request costs nothing for it."""
    app = make_app("manager before")
    for _ in range(2):
        get(app, "/ours")
    assert not list(appcontext_pushed.receivers_for(app))


def test_a_failed_init_app_leaves_the_manager_alone():
    """What it makes afterwards is what it made before."""
    manager = JWTManager()
    app = Flask("failed")
    app.config.update(JWT_SECRET_KEY="k" * 48, BACKEND_AUTH_ENABLED=True)
    manager.init_app(app)
    from flask_backend_patterns.auth.settings import AuthSettings
    from flask_backend_patterns.auth.tokens import BondParts, ExtendedBond, KeySet, TokenVerifier

    settings = AuthSettings(keys=NAMED["BACKEND_AUTH_KEYS"])
    keys = KeySet.from_config({}, settings, is_lenient=False)
    bond = ExtendedBond(BondParts(settings=settings, keys=keys, verifier=TokenVerifier(keys=keys)))
    undo = bond.install(app)
    with app.app_context():
        assert pyjwt.get_unverified_header(create_access_token("7"))["kid"] == "main"
    undo()
    with app.app_context():
        token = create_access_token(7)
    assert pyjwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert pyjwt.decode(token, "k" * 48, algorithms=["HS256"], options={"verify_sub": False})["sub"] == 7
    assert not list(appcontext_pushed.receivers_for(app))


def test_the_first_requests_may_come_at_once():
    """32 threads, no request before: all are answered alike."""
    app = make_app("manager after")
    token, _ = tokens(make_app("manager before"))
    answers = []
    barrier = threading.Barrier(32)

    def call():
        barrier.wait()
        answers.append(
            [get(app, path, token).status_code for path in ("/ours", "/extended", "/extended-optional")]
        )

    threads = [threading.Thread(target=call) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[200, 200, 200]] * 32


def test_verifying_by_hand_works():
    """`verify_jwt_in_request()` in a view of no decorator."""
    app = make_app()

    @app.route("/by-hand")
    def by_hand():
        verify_jwt_in_request()
        return jsonify(get_jwt_identity())

    assert get(app, "/by-hand", tokens(app)[0]).get_json() == "7"


def test_an_app_that_does_not_use_it_does_not_load_it(tmp_path):
    """Neither init_app nor a request imports Flask-JWT-Extended or PyJWT."""
    import subprocess

    program = """
import sys
from flask import Flask
from flask_backend_patterns import BackendPatterns
app = Flask("x")
app.config["JWT_SECRET_KEY"] = "k" * 48
app.route("/")(lambda: "fine")
BackendPatterns().init_app(app)
assert app.test_client().get("/").status_code == 200
print(*sorted({"jwt", "flask_jwt_extended", "cryptography"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_tokens_work_where_it_is_not_installed():
    """HMAC needs neither Flask-JWT-Extended nor PyJWT nor cryptography."""
    import subprocess

    program = """
import sys, time
sys.modules.update(dict.fromkeys(["flask_jwt_extended", "jwt", "cryptography"]))
from flask import Flask
from flask_backend_patterns import BackendPatterns, current_actor, require_auth
from flask_backend_patterns.auth.state import auth_state
from flask_backend_patterns.auth.tokens import TokenSigner
app = Flask("x")
app.config["JWT_SECRET_KEY"] = "k" * 48
BackendPatterns().init_app(app)
app.route("/")(require_auth(lambda: current_actor.id))
with app.app_context():
    keys = auth_state().keys
token = TokenSigner(keys=keys).sign({"sub": "7", "iat": time.time(), "exp": time.time() + 60})
for _ in range(2):
    print(app.test_client().get("/", headers={"Authorization": f"Bearer {token}"}).text)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["7", "7"]


@pytest.mark.parametrize("path", ["/ours", "/extended"])
def test_a_blocklist_set_while_serving_is_asked(path):
    """The next request meets it, without a token being made in between."""
    manager = JWTManager()
    app = make_app("manager before", manager=manager)
    token, _ = tokens(app)
    for _ in range(3):
        assert get(app, path, token).status_code == 200
    manager.token_in_blocklist_loader(lambda header, claims: True)
    assert get(app, path, token).get_json()["error"]["code"] == "TOKEN_REVOKED"
