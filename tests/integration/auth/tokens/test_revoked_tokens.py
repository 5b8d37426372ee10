"""Revocation reaches the routes of Flask-JWT-Extended too."""

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, get_jti, jwt_required

from flask_backend_patterns import BackendPatterns, Blueprint, issue_tokens, require_auth, revoke_tokens


@pytest.fixture(params=["without a manager", "with a manager", "with a blocklist of its own"])
def app(request, redis_url):
    app = Flask("revoked")
    app.config.update(JWT_SECRET_KEY="k" * 48, BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_TIMEOUT_SECONDS=20)
    if request.param != "without a manager":
        manager = JWTManager(app)
        if "blocklist" in request.param:
            manager.token_in_blocklist_loader(lambda header, claims: claims["sub"] == "blocked")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("api", __name__)
    requirements = {
        "/ours": require_auth,
        "/extended": jwt_required(),
        "/unrevoked": jwt_required(skip_revocation_check=True),
    }
    for path, requirement in requirements.items():

        def view():
            return "fine"

        view.__name__ = path[1:]
        blueprint.route(path)(requirement(view))
    app.register_blueprint(blueprint)
    return app


def statuses(app, token):
    headers = {"Authorization": f"Bearer {token}"}
    answers = [app.test_client().get(path, headers=headers) for path in ("/ours", "/extended", "/unrevoked")]
    return [answer.json["error"]["code"] if answer.status_code == 401 else answer.text for answer in answers]


def test_a_session_that_ends_ends_on_every_route(app):
    """Ours and `@jwt_required()`; only `skip_revocation_check` looks away."""
    with app.app_context():
        pair = issue_tokens("7", roles=["customer"])
        other = issue_tokens("7", roles=["customer"])
    assert statuses(app, pair.access_token) == ["fine", "fine", "fine"]
    with app.app_context():
        revoke_tokens(user_id="7", session_id=pair.session_id)
    assert statuses(app, pair.access_token) == ["TOKEN_REVOKED", "TOKEN_REVOKED", "fine"]
    assert statuses(app, other.access_token) == ["fine", "fine", "fine"]
    with app.app_context():
        revoke_tokens(user_id="7")
    assert statuses(app, other.access_token) == ["TOKEN_REVOKED", "TOKEN_REVOKED", "fine"]


def test_tokens_of_flask_jwt_extended_can_be_revoked(app):
    """A token of `create_access_token` has no session: it ends by its own id, or with all of its user's."""
    from flask_backend_patterns.auth.state import auth_state

    with app.app_context():
        first, second = create_access_token(7), create_access_token(7)
        assert get_jti(first) != get_jti(second)
    assert statuses(app, first) == statuses(app, second) == ["fine", "fine", "fine"]
    with app.app_context():
        assert auth_state().tokens.revoke_token(first)
    assert statuses(app, first) == ["TOKEN_REVOKED", "TOKEN_REVOKED", "fine"]
    assert statuses(app, second) == ["fine", "fine", "fine"]
    with app.app_context():
        revoke_tokens(user_id=7)
    assert statuses(app, second) == ["TOKEN_REVOKED", "TOKEN_REVOKED", "fine"]
