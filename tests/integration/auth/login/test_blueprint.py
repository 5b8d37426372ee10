"""The blueprint as a whole: what it has, what the document and the audit say of it, what is in the log."""

import json
import logging

import pytest
from flask_smorest import Api

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.declarations import AuthDeclaration, Public
from flask_backend_patterns.auth.login import login_blueprint
from flask_backend_patterns.auth.login.options import FEATURES
from flask_backend_patterns.guard import declarations_of

ROUTES = {
    "login": {"POST /auth/login"},
    "refresh": {"POST /auth/refresh"},
    "logout": {"POST /auth/logout"},
    "sessions": {"GET /auth/sessions", "DELETE /auth/sessions/<string:session_id>", "POST /auth/logout-all"},
    "register": {"POST /auth/register"},
    "verify": {"POST /auth/verify", "POST /auth/verify/resend"},
    "reset": {"POST /auth/reset/request", "POST /auth/reset"},
    "password": {"POST /auth/password"},
    "api_keys": {"GET /auth/api-keys", "POST /auth/api-keys", "DELETE /auth/api-keys/<string:key_id>"},
    "jwks": {"GET /auth/.well-known/jwks.json"},
}


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def routes_of(site):
    return {
        f"{method} {rule.rule}": site.app.view_functions[rule.endpoint]
        for rule in site.app.url_map.iter_rules()
        if rule.endpoint.startswith("auth.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_feature_has_its_routes_and_no_other(make_site):
    """`features=` chooses; together they are all there is."""
    assert set(ROUTES) == set(FEATURES)
    assert set(routes_of(make_site())) == set().union(*ROUTES.values())


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_alone(make_site, feature):
    """Each can be had without the others."""
    assert set(routes_of(make_site(blueprint={"features": [feature]}))) == ROUTES[feature]


def test_unknown_features_are_named():
    """A misspelt feature is an error that lists those there are."""
    with pytest.raises(SetupError, match=r"passwords is none of login, refresh"):
        login_blueprint(features=["login", "passwords"])


def test_every_route_is_declared(make_site):
    """Each route says who may call; those that take credentials say what limits guessing."""
    for route, view in routes_of(make_site()).items():
        declared = declarations_of(view, route.split()[0])
        assert any(isinstance(item, AuthDeclaration) for item in declared), route
        if any(isinstance(item, Public) and item.takes_credentials for item in declared):
            columns = {}
            for item in declared:
                columns |= item.audit("POST")
            assert "limit" in columns, route


def test_name_and_prefix_are_the_apps(make_site):
    """The routes stand where the app wants them, twice if it likes."""
    site = make_site(blueprint={"name": "accounts", "url_prefix": "/v1/accounts"})
    body = {"login": "ada@example.com", "password": site.module.PASSWORD}
    assert site.client.post("/v1/accounts/login", json=body).status_code == 200


def test_the_document_is_complete(make_site):
    """Each operation has a summary, its answers, an example for what it takes, and the right security."""
    site = make_site()
    site.app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api = Api(site.app)
    api.register_blueprint(login_blueprint("documented", url_prefix="/documented", features=FEATURES))
    paths = json.loads(json.dumps(api.spec.to_dict()))["paths"]
    assert len([1 for operations in paths.values() for name in operations if name != "parameters"]) == 16
    for path, operations in paths.items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            assert operation["summary"], path
            public = operation.get("security") == []
            assert public is not ("401" in operation["responses"]) or path.endswith(
                ("/login", "/refresh", "/logout")
            )
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                assert "422" in operation["responses"], path
                assert "example" in content, path
    login = paths["/documented/login"]["post"]["responses"]
    assert {"200", "401", "403", "422", "429"} <= set(login)


def test_the_log_tells_what_happened_and_no_secret(make_site, caplog):
    """An audit trail: who, from where, what. No password, no token, and nothing that a stranger typed as a login."""
    site = make_site()
    with caplog.at_level(logging.DEBUG):
        site.login("my-secret-password-typed-as-login", "wrong-password-1")
        site.login(password="wrong-password-2")
        tokens = site.tokens()
        fresh = site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).get_json()["data"]
        change = {"old_password": site.module.PASSWORD, "new_password": site.module.OTHER_PASSWORD}
        site.post("/password", change, token=fresh["access_token"])
        key = site.post("/api-keys", {"name": "k"}, token=tokens["access_token"]).get_json()["data"]
        site.request("DELETE", f"/auth/api-keys/{key['id']}", token=fresh["access_token"])
        site.post("/register", {"login": "eve@example.com", "password": site.module.PASSWORD})
        site.post("/verify", {"token": site.sent[-1].token})
        site.post("/reset/request", {"login": "ada@example.com"})
        site.post("/reset", {"token": site.sent[-1].token, "password": site.module.PASSWORD})
        site.post("/logout", {"refresh_token": site.tokens()["refresh_token"]})
        site.post("/logout-all", token=site.tokens()["access_token"])
    text = caplog.text
    for event in (
        *(
            "login_failed",
            "login_succeeded",
            "password_changed",
            "api_key_made",
            "api_key_ended",
            "registered",
        ),
        *("verified", "reset_requested", "password_reset", "logged_out", "logged_out_everywhere"),
    ):
        assert f"auth.{event} " in text, event
    assert "reason=unknown_account" in text
    assert "reason=wrong_password" in text
    assert "user_id=1" in text
    secrets = [
        *(
            "my-secret-password",
            "wrong-password",
            site.module.PASSWORD,
            site.module.OTHER_PASSWORD,
            "example.com",
        ),
        *(tokens["access_token"], tokens["refresh_token"], fresh["access_token"], key["key"]),
        *(message.token for message in site.sent),
    ]
    for secret in secrets:
        assert secret not in text
