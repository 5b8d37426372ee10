"""From JWT_SECRET_KEY to named keys in three deployments: old and new instances serve side by side at each."""

import secrets

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from flask import Flask
from flask_jwt_extended import create_access_token, get_jwt_header, jwt_required

from flask_backend_patterns import BackendPatterns, Blueprint, current_actor, issue_tokens, require_auth


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


SECRET = {"JWT_SECRET_KEY": secrets.token_urlsafe(48)}
RSA_KEY = rsa.generate_private_key(65537, 2048)
SINGLE = {
    "a secret": SECRET,
    "a private key": {"JWT_ALGORITHM": "RS256", "JWT_PRIVATE_KEY": pem(RSA_KEY)},
}
NEW = {"2026": {"algorithm": "EdDSA", "private_key": pem(ed25519.Ed25519PrivateKey.generate())}}
NEWER = {"2027": {"algorithm": "HS512", "secret": secrets.token_urlsafe(64)}}


def deployments(single):
    """The configurations of a rotation, in their order."""
    return [
        single,
        single | {"BACKEND_AUTH_KEYS": NEW},
        single | {"BACKEND_AUTH_KEYS": NEW, "BACKEND_AUTH_SIGNING_KEY": "2026"},
        {"BACKEND_AUTH_KEYS": NEW, "BACKEND_AUTH_SIGNING_KEY": "2026"},
        {"BACKEND_AUTH_KEYS": NEW | NEWER, "BACKEND_AUTH_SIGNING_KEY": "2026"},
        {"BACKEND_AUTH_KEYS": NEW | NEWER, "BACKEND_AUTH_SIGNING_KEY": "2027"},
        {"BACKEND_AUTH_KEYS": NEWER},
    ]


SIGNED_BY = [None, None, "2026", "2026", "2026", "2027", "2027"]


def make_instance(config, redis_url):
    app = Flask("rotating")
    app.config.update({"BACKEND_REDIS_URL": redis_url, "BACKEND_REDIS_TIMEOUT_SECONDS": 20} | config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("api", __name__)

    @blueprint.route("/ours")
    @require_auth
    def ours():
        return {"id": current_actor.id, "kid": get_jwt_header().get("kid")}

    @blueprint.route("/extended")
    @jwt_required()
    def extended():
        return {"id": current_actor.id, "kid": get_jwt_header().get("kid")}

    app.register_blueprint(blueprint)
    return app


def made_by(app):
    with app.app_context():
        return issue_tokens("7", roles=[]).access_token, create_access_token("7")


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("step", range(6))
def test_neighbouring_deployments_take_each_others_tokens(step, kind, redis_url):
    """At every step, both ways, for tokens of ours and of create_access_token, on both kinds of routes."""
    configs = deployments(SINGLE[kind])
    apps = [make_instance(configs[index], redis_url) for index in (step, step + 1)]
    for maker, signed_by in zip(apps, SIGNED_BY[step : step + 2], strict=True):
        for token in made_by(maker):
            for taker in apps:
                for path in ("/ours", "/extended"):
                    answer = taker.test_client().get(path, headers={"Authorization": f"Bearer {token}"})
                    assert answer.json == {"id": "7", "kid": signed_by}, (path, maker is taker)


def test_several_named_keys_beside_the_single_one_need_no_choice_yet(redis_url):
    """The unnamed key signs until one is named."""
    app = make_instance(SECRET | {"BACKEND_AUTH_KEYS": NEW | NEWER}, redis_url)
    for token in made_by(app):
        answer = app.test_client().get("/ours", headers={"Authorization": f"Bearer {token}"})
        assert answer.json["kid"] is None


def test_a_public_key_alone_does_not_hold_back_the_named_one(redis_url):
    """It cannot sign, so there is nothing to wait for."""
    public = (
        RSA_KEY.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    config = {"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": public, "BACKEND_AUTH_KEYS": NEW}
    app = make_instance(config, redis_url)
    for token in made_by(app):
        answer = app.test_client().get("/ours", headers={"Authorization": f"Bearer {token}"})
        assert answer.json["kid"] == "2026"
