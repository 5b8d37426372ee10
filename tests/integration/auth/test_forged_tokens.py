"""Forged and abused tokens against real routes: each is a 401 in our format, and the untouched one a 200.

Every row runs with keys of HMAC, RSA and EdDSA, on a route with `@require_auth` and on one with `@jwt_required()`.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from flask import Flask
from flask_jwt_extended import get_jwt_identity, jwt_required

from flask_backend_patterns import BackendPatterns, Blueprint, current_actor, require_auth

ISSUER, AUDIENCE = "https://id.shop.example", "shop"
OURS, EXTENDED = "/ours", "/extended"


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part):
    return base64.urlsafe_b64decode(part + "==")


@dataclass
class World:
    """An app, and what its keys make; `secret` and `public` are what an attacker knows or guesses of them."""

    app: Flask
    algorithm: str
    key: object
    public: str
    other_key: object
    claims: dict = field(default_factory=dict)

    def sign(self, claims=None, *, key=None, **header):
        """As the app does it, but for what is given; `...` takes a claim or a member of the header away."""
        header = {"alg": self.algorithm, "kid": "main", "typ": "JWT"} | header
        header = {name: value for name, value in header.items() if value is not ...}
        claims = {name: value for name, value in (self.claims | (claims or {})).items() if value is not ...}
        return self.sign_text(json.dumps(claims), json.dumps(header), key=key)

    def sign_text(self, claims, header=None, *, key=None):
        header = header or json.dumps({"alg": self.algorithm, "kid": "main", "typ": "JWT"})
        message = f"{b64(header.encode())}.{b64(claims.encode())}"
        chosen = key or self.key
        signature = jwt.get_algorithm_by_name(self.algorithm).sign(message.encode(), chosen)
        return f"{message}.{b64(signature)}"

    def sign_hmac(self, secret, *, algorithm="HS256", **header):
        """By HMAC with `secret`, whatever the app's keys are."""
        header = {"alg": algorithm, "kid": "main", "typ": "JWT"} | header
        header = {name: value for name, value in header.items() if value is not ...}
        message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(self.claims).encode())}"
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
        return f"{message}.{b64(hmac.digest(secret.encode(), message.encode(), digest))}"

    def unsigned(self, alg):
        header = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
        return f"{header}.{b64(json.dumps(self.claims).encode())}."


def make_world(algorithm, key, public, other_key, entry):
    app = Flask("forged")
    app.config.update(
        BACKEND_AUTH_KEYS={
            "main": {"algorithm": algorithm, **entry},
            "second": {"algorithm": "HS512", "secret": "s" * 64},
        },
        BACKEND_AUTH_SIGNING_KEY="main",
        JWT_DECODE_ISSUER=ISSUER,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        BACKEND_AUTH_MAX_TOKEN_BYTES=4096,
        SECRET_KEY="the app's own secret, no key of tokens",
    )
    BackendPatterns().init_app(app)
    blueprint = Blueprint("shop", __name__)

    @blueprint.route(OURS, methods=["GET", "POST"])
    @require_auth
    def ours():
        return {"id": current_actor.id, "extended": get_jwt_identity()}

    @blueprint.route(EXTENDED, methods=["GET", "POST"])
    @jwt_required()
    def extended():
        return {"id": get_jwt_identity()}

    app.register_blueprint(blueprint)
    now = int(time.time())
    claims = {
        "sub": "7",
        "sid": "s1",
        "jti": "t1",
        "type": "access",
        "roles": ["customer"],
        "csrf": "c1",
        "iat": now,
        "exp": now + 900,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "fresh": False,
    }
    return World(app=app, algorithm=algorithm, key=key, public=public, other_key=other_key, claims=claims)


@pytest.fixture(scope="module", params=["HS256", "RS256", "EdDSA"])
def world(request):
    if request.param == "HS256":
        secret = "k" * 48
        return make_world("HS256", secret.encode(), "k" * 32, b"o" * 48, {"secret": secret})
    make = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[request.param]
    key = make()
    entry = {"private_key": private_pem(key)}
    return make_world(request.param, key, public_pem(key), make(), entry)


def changed_claims(world, token):
    header, _, signature = token.split(".")
    return f"{header}.{b64(json.dumps(world.claims | {'sub': '1', 'roles': ['admin']}).encode())}.{signature}"


def other_header(world, token):
    _, payload, signature = token.split(".")
    return f"{b64(json.dumps({'alg': world.algorithm, 'kid': 'main'}).encode())}.{payload}.{signature}"


def flipped(token):
    signature = bytearray(unb64(token.split(".")[2]))
    signature[0] ^= 1
    return token.rpartition(".")[0] + "." + b64(bytes(signature))


def other_bits(token):
    """The same signature in another spelling: the unused bits of its last letter are set, or one letter is added."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


# name -> (world, good token) -> a token that must not count. Sent as `Authorization: Bearer <token>`.
FORGED = {
    # alg none
    "alg none": lambda w, t: w.unsigned("none"),
    "alg None": lambda w, t: w.unsigned("None"),
    "alg NONE": lambda w, t: w.unsigned("NONE"),
    "alg nOnE": lambda w, t: w.unsigned("nOnE"),
    "alg none with the old signature": lambda w, t: w.unsigned("none") + t.split(".")[2],
    "alg empty": lambda w, t: w.unsigned(""),
    "alg null": lambda w, t: w.sign(alg=None),
    "alg missing": lambda w, t: w.sign(alg=...),
    "alg a list": lambda w, t: w.sign(alg=[w.algorithm]),
    "alg in small letters": lambda w, t: w.sign(alg=w.algorithm.lower()),
    # the wrong key, the wrong algorithm
    "HMAC with the public key as secret": lambda w, t: w.sign_hmac(w.public),
    "HMAC with the public key as secret, stripped": lambda w, t: w.sign_hmac(w.public.strip()),
    "HMAC with the public key, no kid": lambda w, t: w.sign_hmac(w.public, kid=...),
    "HMAC with an empty secret": lambda w, t: w.sign_hmac(""),
    "HMAC with the app's SECRET_KEY": lambda w, t: w.sign_hmac("the app's own secret, no key of tokens"),
    "HMAC with the id of the key": lambda w, t: w.sign_hmac("main"),
    "another tenant's key": lambda w, t: w.sign(key=w.other_key),
    "the second key's secret under the first id": lambda w, t: w.sign_hmac("s" * 64, algorithm="HS512"),
    "the second key by another hash": lambda w, t: w.sign_hmac("s" * 64, kid="second"),
    "our key under the second id": lambda w, t: w.sign(kid="second"),
    "alg of another family": lambda w, t: w.sign(alg="ES256"),
    "alg of the same family": lambda w, t: w.sign(
        alg={"HS256": "HS384", "RS256": "PS256"}.get(w.algorithm, "Ed25519")
    ),
    # kid
    "kid unknown": lambda w, t: w.sign(kid="other"),
    "kid missing": lambda w, t: w.sign(kid=...),
    "kid null": lambda w, t: w.sign(kid=None),
    "kid empty": lambda w, t: w.sign(kid=""),
    "kid in other letters": lambda w, t: w.sign(kid="MAIN"),
    "kid with a space": lambda w, t: w.sign(kid="main "),
    "kid a path": lambda w, t: w.sign_hmac("", kid="../../../../dev/null"),
    "kid an absolute path": lambda w, t: w.sign(kid="/proc/sys/kernel/randomize_va_space"),
    "kid SQL": lambda w, t: w.sign_hmac("x", kid="' UNION SELECT 'x' -- "),
    "kid an address": lambda w, t: w.sign(kid="https://evil.example/key.pem"),
    "kid a command": lambda w, t: w.sign(kid="main|sleep 10"),
    "kid an array": lambda w, t: w.sign(kid=["main"]),
    "kid an object": lambda w, t: w.sign(kid={"main": 1}),
    "kid a number": lambda w, t: w.sign(kid=0),
    "kid huge": lambda w, t: w.sign(kid="m" * 2500),
    "kid with NUL": lambda w, t: w.sign(kid="main\x00"),
    "kid with half a pair": lambda w, t: w.sign(kid="main\ud800"),
    "kid unicode": lambda w, t: w.sign(kid="mаin"),  # noqa: RUF001 - a Cyrillic letter
    # headers that bring a key or change the rules
    "jku": lambda w, t: w.sign(jku="https://evil.example/jwks.json", key=w.other_key),
    "jwk": lambda w, t: w.sign(jwk={"kty": "oct", "k": b64(b"o" * 48)}, key=w.other_key),
    "x5u": lambda w, t: w.sign(x5u="https://evil.example/cert.pem", key=w.other_key),
    "x5c": lambda w, t: w.sign(x5c=["MIIB"], key=w.other_key),
    "crit": lambda w, t: w.sign(crit=["exp"]),
    "b64 false": lambda w, t: w.sign(b64=False, crit=["b64"]),
    "typ of something else": lambda w, t: w.sign(typ="secevent+jwt"),
    # time
    "expired": lambda w, t: w.sign({"exp": int(time.time()) - 1}),
    "expired long ago": lambda w, t: w.sign({"exp": 1}),
    "not valid yet": lambda w, t: w.sign({"nbf": int(time.time()) + 600}),
    "issued in the future": lambda w, t: w.sign(
        {"iat": int(time.time()) + 6000, "exp": int(time.time()) + 9000}
    ),
    "no exp": lambda w, t: w.sign({"exp": ...}),
    "no iat": lambda w, t: w.sign({"iat": ...}),
    "exp null": lambda w, t: w.sign({"exp": None}),
    "exp text": lambda w, t: w.sign({"exp": "9999999999"}),
    "exp true": lambda w, t: w.sign({"exp": True}),
    "exp huge": lambda w, t: w.sign({"exp": 10**300}),
    "exp infinite": lambda w, t: w.sign({"exp": float("inf")}),
    "exp NaN": lambda w, t: w.sign({"exp": float("nan")}),
    "exp of 5,000 digits": lambda w, t: w.sign_text('{"sub": "7", "iat": 1, "exp": ' + "9" * 2000 + "}"),
    "exp negative": lambda w, t: w.sign({"exp": -1}),
    # whom it is for and from
    "wrong audience": lambda w, t: w.sign({"aud": "another-shop"}),
    "no audience": lambda w, t: w.sign({"aud": ...}),
    "audience an object": lambda w, t: w.sign({"aud": {"shop": 1}}),
    "wrong issuer": lambda w, t: w.sign({"iss": "https://id.shop.example.evil.example"}),
    "no issuer": lambda w, t: w.sign({"iss": ...}),
    "issuer a list": lambda w, t: w.sign({"iss": [ISSUER]}),
    # what it is
    "a refresh token": lambda w, t: w.sign({"type": "refresh"}),
    "a token of another type": lambda w, t: w.sign({"type": "reset"}),
    "type a list": lambda w, t: w.sign({"type": ["access"]}),
    # who it is about
    "sub an integer": lambda w, t: w.sign({"sub": 7}),
    "sub missing": lambda w, t: w.sign({"sub": ...}),
    "sub null": lambda w, t: w.sign({"sub": None}),
    "sub an object": lambda w, t: w.sign({"sub": {"$ne": None}}),
    "sub with NUL": lambda w, t: w.sign({"sub": "7\x00"}),
    "sub with half a pair": lambda w, t: w.sign({"sub": "\udc00"}),
    "roles text": lambda w, t: w.sign({"roles": "admin"}),
    "roles an object": lambda w, t: w.sign({"roles": {"admin": True}}),
    "jti a list": lambda w, t: w.sign({"jti": ["t1"]}),
    "sid a number": lambda w, t: w.sign({"sid": 1}),
    # two meanings
    "sub twice": lambda w, t: w.sign_text('{"sub": "1", ' + json.dumps(w.claims)[1:]),
    "sub twice, spelled apart": lambda w, t: w.sign_text('{"s\\u0075b": "1", ' + json.dumps(w.claims)[1:]),
    "alg twice": lambda w, t: w.sign_text(
        json.dumps(w.claims), f'{{"alg": "none", "alg": "{w.algorithm}", "kid": "main"}}'
    ),
    "kid twice": lambda w, t: w.sign_text(
        json.dumps(w.claims), f'{{"alg": "{w.algorithm}", "kid": "second", "kid": "main"}}'
    ),
    "the payload a list": lambda w, t: w.sign_text(json.dumps([w.claims])),
    "the payload text": lambda w, t: w.sign_text('"sub"'),
    "the payload nothing": lambda w, t: w.sign_text(""),
    "the payload deep": lambda w, t: w.sign_text('{"x": ' + "[" * 1000 + "]" * 1000 + "}"),
    "a byte order mark": lambda w, t: w.sign_text("\ufeff" + json.dumps(w.claims)),
    # a good token, spoiled
    "other claims, old signature": changed_claims,
    "another header, old signature": other_header,
    "one bit of the signature": lambda w, t: flipped(t),
    "the last letter of the signature": lambda w, t: other_bits(t),
    "without its signature": lambda w, t: t.rpartition(".")[0],
    "with an empty signature": lambda w, t: t.rpartition(".")[0] + ".",
    "header only": lambda w, t: t.split(".")[0],
    "header cut": lambda w, t: t[5:],
    "payload cut": lambda w, t: t.replace(".", ".A", 1),
    "signature cut": lambda w, t: t[:-4],
    "header empty": lambda w, t: "." + t.split(".", 1)[1],
    "payload empty": lambda w, t: t.split(".")[0] + ".." + t.split(".")[2],
    "padded": lambda w, t: t + "=",
    "plain base64": lambda w, t: t.split(".")[0] + "+/." + t.split(".", 1)[1],
    "four parts": lambda w, t: t + "." + t.split(".")[2],
    "an encrypted token (JWE)": lambda w, t: ".".join(
        [b64(b'{"alg":"RSA-OAEP","enc":"A256GCM"}'), "QQ", "QQ", "QQ", "QQ"]
    ),
    "JSON instead of three parts": lambda w, t: json.dumps({"payload": "QQ", "signatures": []}).replace(
        " ", ""
    ),
    "oversized": lambda w, t: w.sign({"x": "x" * 4096}),
    "a megabyte": lambda w, t: "A" * 1_000_000,
    "not base64": lambda w, t: "!.!.!",
    "latin-1": lambda w, t: "é" + t,
    "in capitals": lambda w, t: t.upper(),
    "a word": lambda w, t: "null",
    "dots": lambda w, t: "..",
}
EXPIRED = {"expired", "expired long ago"}
# Signed by the app's own key, and nothing that Flask-JWT-Extended minds: its routes go on as they did.
FINE_FOR_EXTENDED = {
    "no exp",
    "no iat",
    "a token of another type",
    "type a list",
    "roles text",
    "roles an object",
    "sid a number",
}


def authorization(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


def answers(world, path, request):
    """The answer to `request`; whatever comes, our format, and no 5xx."""
    client = world.app.test_client(use_cookies=False)
    method = request.pop("method", "GET")
    return client.open(path, method=method, **request)


def assert_refused(response, code):
    assert response.status_code == (403 if code == "CSRF_FAILED" else 401), response.text
    assert response.mimetype == "application/json"
    body = response.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["code"] == code
    challenges = {"UNAUTHORIZED": "Bearer", "CSRF_FAILED": None}
    assert response.headers.get("WWW-Authenticate") == challenges.get(code, 'Bearer error="invalid_token"')


def assert_fine(response):
    assert response.status_code == 200, response.text
    assert response.get_json()["id"] == "7"


def test_the_table_is_long_enough():
    """At least 40, as promised."""
    assert len(FORGED) >= 100
    assert FORGED.keys() > EXPIRED | FINE_FOR_EXTENDED


@pytest.mark.parametrize("path", [OURS, EXTENDED])
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(world, name, path):
    """Before and after the untouched token was taken: 401, our envelope, a challenge."""
    good = world.sign()
    forged = FORGED[name](world, good)
    if path == EXTENDED and name in FINE_FOR_EXTENDED:
        assert_fine(answers(world, path, authorization(forged)))
        return
    code = "TOKEN_EXPIRED" if name in EXPIRED else "INVALID_TOKEN"
    assert_refused(answers(world, path, authorization(forged)), code)
    assert_fine(answers(world, path, authorization(good)))
    assert_refused(answers(world, path, authorization(forged)), code)


# name -> (good token -> request, what our route answers, what Flask-JWT-Extended's decorator answers)
MISUSED = {
    "in the query string": (lambda t: {"query_string": {"jwt": t}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "as access_token in the query string": (
        lambda t: {"query_string": {"access_token": t}},
        "UNAUTHORIZED",
        "UNAUTHORIZED",
    ),
    "in a form": (lambda t: {"method": "POST", "data": {"access_token": t}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "in JSON": (lambda t: {"method": "POST", "json": {"access_token": t}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "in another header": (lambda t: {"headers": {"X-Token": t}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "in another cookie": (lambda t: {"headers": {"Cookie": f"token={t}"}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "without a scheme": (lambda t: {"headers": {"Authorization": t}}, "UNAUTHORIZED", "UNAUTHORIZED"),
    "by another scheme": (
        lambda t: {"headers": {"Authorization": f"Basic {t}"}},
        "UNAUTHORIZED",
        "UNAUTHORIZED",
    ),
    "the scheme alone": (
        lambda t: {"headers": {"Authorization": "Bearer"}},
        "INVALID_TOKEN",
        "INVALID_TOKEN",
    ),
    "two tokens": (
        lambda t: {"headers": {"Authorization": f"Bearer {t} {t}"}},
        "INVALID_TOKEN",
        "INVALID_TOKEN",
    ),
    "two headers": (
        lambda t: {"headers": [("Authorization", f"Bearer {t}"), ("Authorization", f"Bearer {t}")]},
        "INVALID_TOKEN",
        "UNAUTHORIZED",
    ),
    "a list of credentials": (
        lambda t: {"headers": {"Authorization": f"Bearer {t}, Bearer {t}"}},
        "INVALID_TOKEN",
        "UNAUTHORIZED",
    ),
    "a cookie without CSRF": (
        lambda t: {"method": "POST", "headers": {"Cookie": f"access_token_cookie={t}"}},
        "CSRF_FAILED",
        "INVALID_TOKEN",
    ),
    "a cookie with a wrong CSRF": (
        lambda t: {"method": "POST", "headers": {"Cookie": f"access_token_cookie={t}", "X-CSRF-TOKEN": "c2"}},
        "CSRF_FAILED",
        "INVALID_TOKEN",
    ),
    "a cookie with an empty CSRF": (
        lambda t: {"method": "POST", "headers": {"Cookie": f"access_token_cookie={t}", "X-CSRF-TOKEN": ""}},
        "CSRF_FAILED",
        "INVALID_TOKEN",
    ),
    "a cookie with a CSRF beyond ASCII": (
        lambda t: {"method": "POST", "headers": {"Cookie": f"access_token_cookie={t}", "X-CSRF-TOKEN": "ç1"}},
        "CSRF_FAILED",
        "INVALID_TOKEN",
    ),
    "the CSRF in the query string": (
        lambda t: {
            "method": "POST",
            "headers": {"Cookie": f"access_token_cookie={t}"},
            "query_string": {"csrf_token": "c1"},
        },
        "CSRF_FAILED",
        "INVALID_TOKEN",
    ),
}
# The same places, used as they are meant: name -> request.
USED_WELL = {
    "in the header": lambda t: {"headers": {"Authorization": f"Bearer {t}"}},
    "in the header, to change something": lambda t: {
        "method": "POST",
        "headers": {"Authorization": f"Bearer {t}"},
    },
    "in a cookie, to read": lambda t: {"headers": {"Cookie": f"access_token_cookie={t}"}},
    "in a cookie with CSRF": lambda t: {
        "method": "POST",
        "headers": {"Cookie": f"access_token_cookie={t}", "X-CSRF-TOKEN": "c1"},
    },
}


@pytest.mark.parametrize("path", [OURS, EXTENDED])
@pytest.mark.parametrize("name", MISUSED)
def test_a_good_token_in_a_wrong_place_is_refused(world, name, path):
    """Never from the query string, never by a cookie alone for a change, never when it is not clear which counts."""
    request, ours, extended = MISUSED[name]
    assert_refused(answers(world, path, request(world.sign())), ours if path == OURS else extended)


@pytest.mark.parametrize("path", [OURS, EXTENDED])
@pytest.mark.parametrize("name", USED_WELL)
def test_a_good_token_in_its_place_is_taken(world, name, path):
    """The control of the rows above."""
    assert_fine(answers(world, path, USED_WELL[name](world.sign())))


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_compared_without_case(world, word):
    """RFC 9110, 11.1; spaces around do no harm."""
    for value in (f"{word} {world.sign()}", f" {word}  {world.sign()} "):
        assert_fine(answers(world, OURS, {"headers": {"Authorization": value}}))


@pytest.mark.parametrize("wrong", ["expired", "another tenant's key", "alg none", "two headers"])
def test_false_credentials_are_no_missing_ones(world, wrong):
    """A cookie that would count does not help a header that does not."""
    good = world.sign()
    value = (
        f"Bearer {good},Bearer {good}" if wrong == "two headers" else f"Bearer {FORGED[wrong](world, good)}"
    )
    request = {"headers": {"Authorization": value, "Cookie": f"access_token_cookie={good}"}}
    code = "TOKEN_EXPIRED" if wrong == "expired" else "INVALID_TOKEN"
    assert_refused(answers(world, OURS, request), code)
