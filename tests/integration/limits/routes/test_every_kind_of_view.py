"""L4: `@rate_limit` on each kind of view, below and above foreign decorators, in nested blueprints; L1: per method."""

from __future__ import annotations

import pytest
from flask import Blueprint as FlaskBlueprint
from flask.views import MethodView

from flask_backend_patterns import Blueprint
from flask_backend_patterns.guard import declarations_of
from flask_backend_patterns.limits import rate_limit
from tests.kinds_of_views import (
    COMBINATIONS,
    FOREIGN,
    KINDS,
    hiding,
    in_nested_blueprint,
    keeping,
    losing,
    on_app,
    plain_view,
)


@pytest.mark.parametrize("key", ["address", "actor"])
@pytest.mark.parametrize("register", [on_app, in_nested_blueprint])
@pytest.mark.parametrize(("kind", "foreign"), COMBINATIONS)
def test_a_limit_holds_on_every_kind_of_view(shop, kind, foreign, register, key):
    """Two requests of a caller, HEAD and GET together, and no third; another caller has two of its own."""
    register(shop.app, KINDS[kind](FOREIGN[foreign](rate_limit("2/minute", key=key))))
    endpoint = next(rule.endpoint for rule in shop.app.url_map.iter_rules() if rule.rule == "/x")
    assert len(declarations_of(shop.app.view_functions[endpoint], "GET")) == 1
    assert [shop.status(method="head"), shop.status(), shop.status(), shop.status(method="head")] == [
        *(200, 200, 429, 429)
    ]
    assert shop.statuses(3, address="10.0.0.2") == [200, 200, 429]


@pytest.mark.parametrize("foreign", [losing, keeping, hiding])
@pytest.mark.parametrize("inner_key", ["address", "actor"])
@pytest.mark.parametrize("outer_key", ["address", "actor"])
def test_limits_with_a_foreign_decorator_between_count_each_request_once(shop, foreign, outer_key, inner_key):
    """Two guards on one view: the tighter limit holds, wherever it stands, and neither counts twice."""
    inner = rate_limit("3/minute", key=inner_key)(plain_view())
    shop.route(rate_limit("5/minute", key=outer_key)(foreign(inner)))
    with shop.ask() as response:
        assert sorted(part.split(";")[1] for part in response.headers["RateLimit"].split(", ")) == [
            "r=2",
            "r=4",
        ]
    assert shop.statuses(3) == [200, 200, 429]


@pytest.mark.parametrize("level", ["inner", "outer"])
def test_a_limit_on_a_blueprint_is_for_each_route_in_it(shop, level):
    """Of nested ones too; each route and method has counts of its own."""
    outer, inner = FlaskBlueprint("outer", "outer"), Blueprint("inner", "inner")
    inner.get("/a")(lambda: {"a": 1})
    inner.get("/b")(lambda: {"b": 1})
    rate_limit("1/minute")(outer if level == "outer" else inner)
    outer.register_blueprint(inner)
    shop.app.register_blueprint(outer)
    assert [*shop.statuses(2, "/a"), *shop.statuses(2, "/b")] == [200, 429, 200, 429]


def test_methods_of_a_class_do_not_share_their_counts(counted_shop):
    """L1: what is spent on GET is not missing at POST, whether the class is limited or a method."""

    @rate_limit("2/minute")
    class Orders(MethodView):
        def get(self):
            return "list"

        @rate_limit("1/minute", key="address")
        def post(self):
            return "created"

    counted_shop.route(Orders.as_view("orders"))
    assert counted_shop.statuses(3, method="get") == [200, 200, 429]
    assert counted_shop.statuses(2, method="post") == [200, 429]


def test_a_named_limit_is_one_for_all_routes_that_use_it(counted_shop):
    """Whatever the method; and what has another name, or none, counts apart."""
    search = rate_limit("2/minute", name="search")
    counted_shop.route(search(lambda: "a"), "/a")
    counted_shop.route(search(lambda: "b"), "/b", methods=["POST"])
    counted_shop.route(rate_limit("2/minute", name="other")(lambda: "c"), "/c")
    assert counted_shop.status("/a") == 200
    assert counted_shop.status("/b", method="post") == 200
    assert [counted_shop.status("/a"), counted_shop.status("/b", method="post")] == [429, 429]
    assert counted_shop.status("/c") == 200


def test_options_is_not_counted_unless_it_is_named(shop):
    """Neither the OPTIONS that Flask answers nor one of the view's own: preflights are not the caller's doing."""
    shop.route(rate_limit("1/minute")(plain_view()), "/x", methods=["GET", "OPTIONS"])
    shop.route(rate_limit("1/minute", methods=["OPTIONS"])(plain_view()), "/y", methods=["GET", "OPTIONS"])
    assert shop.statuses(3, method="options") == [200, 200, 200]
    assert shop.statuses(2, "/y", method="options") == [200, 429]
    assert shop.statuses(3, "/y") == [200, 200, 200]


def test_methods_say_which_requests_count(shop):
    """GET stands for HEAD too."""
    shop.route(rate_limit("1/minute", methods=["get", "POST"])(plain_view()), methods=["GET", "POST", "PUT"])
    assert shop.statuses(3, method="put") == [200, 200, 200]
    assert [shop.status(method="head"), shop.status(method="get")] == [200, 429]
    assert shop.statuses(2, method="post") == [200, 429]


def test_a_limited_function_that_is_no_route_decides_when_it_is_called(shop):
    """Its calls count together, from whichever route they come, and beside the route's own limit."""

    @rate_limit("3/minute")
    def send_mail():
        return "sent"

    @rate_limit("5/minute")
    def twice():
        return send_mail() + send_mail()

    shop.route(twice, "/twice")
    shop.route(send_mail_view := (lambda: send_mail()), "/once")  # noqa: F841, PLW0108 - another function on purpose
    assert [shop.status("/twice"), shop.status("/twice"), shop.status("/once")] == [200, 429, 429]


def test_a_view_that_takes_another_ones_place_is_read_anew(shop):
    """`app.view_functions` can be changed: the limits are those of the view that is there."""
    shop.route(rate_limit("1/minute")(plain_view()))
    assert shop.status() == 200
    shop.app.view_functions["x"] = rate_limit("2/minute")(lambda: "other")
    assert shop.statuses(3) == [200, 200, 429]
