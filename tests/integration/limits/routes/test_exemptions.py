"""`@rate_limit(None)` takes a view out of what is wider than the view."""

import pytest
from flask.views import MethodView

from flask_backend_patterns import Blueprint
from flask_backend_patterns.limits import rate_limit


def view():
    return "seen"


@pytest.fixture
def blueprint(make_shop):
    """On a blueprint with 1/minute in an app with 2/minute: what is declared on the view decides."""
    shop = make_shop(BACKEND_LIMITS_DEFAULT="2/minute")
    limited = Blueprint("api", "api", url_prefix="/api")
    limited.get("/plain")(view)
    limited.get("/free")(rate_limit(None)(lambda: "seen"))
    limited.get("/both")(rate_limit(None)(rate_limit("3/minute")(lambda: "seen")))
    limited.route("/some", methods=["GET", "POST"])(rate_limit(None, methods=["POST"])(lambda: "seen"))

    @limited.route("/class")
    class Items(MethodView):
        def get(self):
            return "seen"

        @rate_limit(None)
        def post(self):
            return "seen"

    rate_limit("1/minute")(limited)
    shop.app.register_blueprint(limited)
    return shop


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("plain", "get", [200, 429, 429, 429, 429]),
        ("free", "get", [200] * 5),
        ("both", "get", [200, 200, 200, 429, 429]),  # what stands beside it holds
        ("some", "get", [200, 429, 429, 429, 429]),
        ("some", "post", [200] * 5),
        ("class", "get", [200, 429, 429, 429, 429]),
        ("class", "post", [200] * 5),
    ],
)
def test_a_view_is_taken_out_of_its_blueprint(blueprint, path, method, statuses):
    """For the methods it says, and the limits of the settings too."""
    assert blueprint.statuses(5, f"/api/{path}", method=method) == statuses


def test_a_method_is_taken_out_of_its_class(shop):
    """The others stay limited."""

    @rate_limit("1/minute")
    class Items(MethodView):
        def get(self):
            return "seen"

        @rate_limit(None)
        def post(self):
            return "seen"

    shop.route(Items.as_view("items"))
    assert shop.statuses(3) == [200, 429, 429]
    assert shop.statuses(3, method="post") == [200, 200, 200]


def test_a_blueprint_is_taken_out_of_the_defaults_only(make_shop):
    """What its views declare themselves holds."""
    shop = make_shop(BACKEND_LIMITS_DEFAULT="2/minute")
    free = Blueprint("api", "api")
    free.get("/free")(view)
    free.get("/limited")(rate_limit("1/minute")(lambda: "seen"))
    rate_limit(None)(free)
    shop.app.register_blueprint(free)
    assert shop.statuses(4, "/free") == [200] * 4
    assert shop.statuses(2, "/limited") == [200, 429]


def test_the_route_table_says_what_holds(blueprint):
    """Not the limit that a view is taken out of."""
    from flask_backend_patterns._implied import declarations_for

    app = blueprint.app
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.rule in ("/api/plain", "/api/free"):
            declared = declarations_for(app, rule.endpoint, app.view_functions[rule.endpoint], "GET")
            found[rule.rule] = [item.audit("GET")["limit"] for item in declared]
    assert found == {"/api/plain": ["1/minute by actor"], "/api/free": ["none"]}
