"""Refresh tokens of a login on the app's own refresh route, which knows nothing of rotation."""

import pytest
from flask import Flask, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
    get_jwt_identity,
    jwt_required,
)

from flask_backend_patterns import BackendPatterns, issue_tokens
from flask_backend_patterns.observability.events import event_of

ROUTES = {
    "/refresh": jwt_required(refresh=True),
    "/unrevoked": jwt_required(refresh=True, skip_revocation_check=True),
    "/optional": jwt_required(refresh=True, optional=True),
    "/either": jwt_required(verify_type=False),
}


@pytest.fixture(params=["page", "api"])
def app(request, redis_url):
    app = Flask("refreshing")
    prefixes = ["/"] if request.param == "api" else []
    app.config.update(
        JWT_SECRET_KEY="k" * 48,
        BACKEND_REDIS_URL=redis_url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        BACKEND_API_PREFIXES=prefixes,
    )
    app.manager = JWTManager(app)
    BackendPatterns().init_app(app)
    for path, requirement in ROUTES.items():

        def view():
            return jsonify(access_token=create_access_token(get_jwt_identity()))

        view.__name__ = path[1:]
        app.route(path)(requirement(view))
    return app


def get(app, path, token):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("claims", [{}, {"tenant": "a"}, {"fresh_since": 1}])
@pytest.mark.parametrize("path", ROUTES)
def test_a_refresh_token_of_a_login_is_refused(app, path, claims, caplog):
    """Spent or not, it would make access tokens unseen: 401, on pages too, and the log says where it belongs."""
    caplog.set_level("INFO", "flask_backend_patterns")
    with app.app_context():
        pair = issue_tokens("7", roles=["customer"], claims=claims)
    for _ in range(2):
        answer = get(app, path, pair.refresh_token)
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")
    said = [event for event in map(event_of, caplog.records) if event and event["event"] == "error"]
    assert [event["reason"].partition(",")[0] for event in said] == [
        "a refresh token of issue_tokens or the login blueprint"
    ] * 2
    if path == "/either":
        assert get(app, path, pair.access_token).status_code == 200


@pytest.mark.parametrize("claims", [{}, {"sid": "s1"}, {"sid": 7}, {"roles": ["customer"]}])
@pytest.mark.parametrize("path", ROUTES)
def test_refresh_tokens_of_the_app_count(app, path, claims):
    """Those of create_refresh_token, with a `sid` of the app's own too."""
    with app.app_context():
        token = create_refresh_token("7", additional_claims=claims)
    assert get(app, path, token).status_code == 200


def test_a_refresh_token_of_a_login_can_be_decoded(app):
    """`decode_token` and `get_jti` ask nobody to let somebody in."""
    with app.app_context():
        pair = issue_tokens("7", roles=[])
        assert decode_token(pair.refresh_token)["sid"] == pair.session_id


def test_the_apps_own_verification_has_its_say(app):
    """Beside ours, whenever it was set."""
    with app.app_context():
        token = create_refresh_token("7")
    assert get(app, "/refresh", token).status_code == 200
    app.manager.token_verification_loader(lambda header, claims: claims["sub"] != "7")
    assert get(app, "/refresh", token).status_code in {400, 401}
