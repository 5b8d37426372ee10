"""Whom the app answers to, and whom it believes."""

import pytest
from flask import jsonify, request

from flask_backend_patterns import Blueprint


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("shop.example", 200),
        ("shop.example:8080", 200),
        ("a.b.shop.example", 200),
        ("evil.example", 400),
        ("shop.example.evil.example", 400),
        ("notshop.example", 400),
    ],
)
@pytest.mark.parametrize("path", ["/api/item", "/page"])
def test_only_trusted_hosts_are_answered(make_app, host, status, path):
    """Others get a 400, under an API prefix in our format, elsewhere the app's own page."""
    app = make_app(BACKEND_SECURITY_TRUSTED_HOSTS=".shop.example", BACKEND_API_PREFIXES="/api")
    response = app.test_client().get(path, headers={"Host": host})
    assert response.status_code == status
    if status == 400 and path.startswith("/api"):
        assert response.json["error"]["code"] == "BAD_REQUEST"
    elif status == 400:
        assert response.mimetype == "text/html"


def test_an_untrusted_host_on_a_route_of_our_blueprint_is_answered_in_our_format(make_app):
    """Flask finds no route then; the format of the path's blueprint is kept all the same."""
    app = make_app(BACKEND_SECURITY_TRUSTED_HOSTS="shop.example")
    blueprint = Blueprint("items", "items")
    blueprint.route("/items/<item_id>")(jsonify)
    app.register_blueprint(blueprint)
    response = app.test_client().get("/items/7", headers={"Host": "evil.example"})
    assert (response.status_code, response.json["error"]["code"]) == (400, "BAD_REQUEST")
    page = app.test_client().get("/nothing", headers={"Host": "evil.example"})
    assert (page.status_code, page.mimetype) == (400, "text/html")


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 10.0.0.3, 10.0.0.2",
    "X-Forwarded-Proto": "gopher, https, http",
    "X-Forwarded-Host": "forged.example, outer.example, inner.example",
}


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, ["127.0.0.1", "http", "localhost"]),
        ({"BACKEND_SECURITY_TRUSTED_PROXIES": 1}, ["10.0.0.2", "http", "localhost"]),
        ({"BACKEND_SECURITY_TRUSTED_PROXIES": 2}, ["10.0.0.3", "https", "localhost"]),
        (
            {"BACKEND_SECURITY_TRUSTED_PROXIES": 2, "BACKEND_SECURITY_TRUSTED_FORWARDED_HOST": True},
            ["10.0.0.3", "https", "outer.example"],
        ),
        ({"BACKEND_SECURITY_TRUSTED_FORWARDED_HOST": True}, ["127.0.0.1", "http", "localhost"]),
        ({"BACKEND_SECURITY_TRUSTED_PROXIES": 4}, ["127.0.0.1", "http", "localhost"]),
    ],
)
def test_forwarded_headers_are_believed_hop_by_hop(make_app, settings, seen):
    """As many proxies as are trusted, counted from the nearest: what a client put before them is ignored.

    `X-Forwarded-Host` needs a word of its own, since many proxies hand on the client's.
    """
    app = make_app(**settings)

    @app.get("/seen")
    def what_is_seen():
        return jsonify([request.remote_addr, request.scheme, request.host])

    assert app.test_client().get("/seen", headers=FORWARDED).json == seen
