"""`BACKEND_AUTH_DEFAULT = "deny"`: routes that nothing is declared about are refused."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import abort, request
from flask.views import MethodView

from flask_backend_patterns import Blueprint
from flask_backend_patterns.api.deprecation import deprecated
from flask_backend_patterns.auth.decorators import (
    public,
    require_auth,
    require_permission,
    require_policy,
    require_role,
)
from flask_backend_patterns.auth.default_deny import install
from flask_backend_patterns.auth.policies import policy
from tests import kinds_of_views
from tests.kinds_of_views import keeping, losing, plain_async_view, plain_view


@policy()
def anything(_actor, _resource, _context):
    return True


ADMIN = {"actor": "2", "roles": "admin"}
PUBLIC = public(reason="for everybody")
DECLARATIONS = {
    "auth": require_auth,
    "optional": require_auth(optional=True),
    "role": require_role("admin"),
    "permission": require_permission("orders:read"),
    "policy": require_policy(anything),
    "public": PUBLIC,
}


KINDS = {
    **{kind: kinds_of_views.KINDS[kind] for kind in ("function", "async")},
    "under losing": lambda decorate: losing(decorate(plain_view())),
    "under losing twice": lambda decorate: losing(losing(decorate(plain_async_view()))),
    "under wraps": lambda decorate: keeping(decorate(plain_view())),
    "partial": lambda decorate: functools.partial(decorate(plain_view())),
    "class": kinds_of_views.KINDS["plain View class"],
    **{kind: kinds_of_views.KINDS[kind] for kind in ("method", "dispatch_request", "decorators list")},
}


@pytest.fixture
def deny(make_shop):
    return make_shop(deny=True, public=("static", "*.static", "docs*"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DECLARATIONS)
def test_a_declared_route_is_served(deny, name, kind):
    """To who may; the declaration decides, not the default."""
    deny.app.add_url_rule("/x", "x", KINDS[kind](DECLARATIONS[name]))
    assert deny.status(**ADMIN) == 200
    assert deny.status() == (200 if name in {"optional", "public"} else 401)
    assert deny.log.named("undeclared_route") == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_undeclared_route_is_refused_and_logged_once(deny, kind):
    """403 for everybody, admins too; the log names the route and the fix; other kinds of declarations do not count."""
    deny.app.add_url_rule("/x", "x", KINDS[kind](deprecated(since=date(2026, 1, 1))))
    assert [deny.status(), deny.status(**ADMIN), deny.status(method="head")] == [403, 403, 403]
    events = [(event["endpoint"], event["method"]) for event in deny.log.named("undeclared_route")]
    assert events == [("x", "GET"), ("x", "HEAD")]
    assert "@public(reason=" in deny.log.named("undeclared_route")[0]["hint"]


def test_the_refusal_is_in_our_format(deny):
    """And says nothing about why."""
    deny.app.add_url_rule("/x", "x", plain_view())
    assert deny.ask().get_json()["error"]["code"] == "FORBIDDEN"


def test_methods_of_one_rule_are_judged_one_by_one(deny):
    """On one class, and on one rule with two endpoints."""

    class Item(MethodView):
        @PUBLIC
        def get(self):
            return "open"

        def post(self):
            return "forgotten"

    deny.app.add_url_rule("/x", view_func=Item.as_view("item"))
    deny.app.add_url_rule("/y", "read", PUBLIC(plain_view()), methods=["GET"])
    deny.app.add_url_rule("/y", "write", losing(plain_view()), methods=["POST", "PUT"])
    for path in ("/x", "/y"):
        assert [deny.status(path, method=method) for method in ("get", "head", "options")] == [200] * 3
        assert deny.status(path, method="post") == 403
    assert [deny.status("/x", method="put"), deny.status("/y", method="put")] == [405, 403]


def test_head_is_judged_like_get_unless_it_has_its_own(deny):
    """Flask's rule for classes."""

    class Own(MethodView):
        @PUBLIC
        def get(self):
            return "open"

        def head(self):
            return "forgotten"

    deny.app.add_url_rule("/x", view_func=Own.as_view("own"))
    assert [deny.status(), deny.status(method="head")] == [200, 403]


def test_only_flasks_own_options_are_let_through(deny):
    """A view's OPTIONS is a method like any other."""
    deny.app.add_url_rule("/x", "x", plain_view())
    deny.app.add_url_rule("/own", "own", plain_view(), methods=["GET", "OPTIONS"])
    deny.app.add_url_rule("/off", "off", plain_view(), methods=["OPTIONS"], provide_automatic_options=False)
    assert [deny.status(path, method="options") for path in ("/x", "/own", "/off")] == [200, 403, 403]
    response = deny.ask("/x", method="options")
    assert {"GET", "HEAD", "OPTIONS"} == response.allow


def test_what_is_no_route_stays_what_it_is(deny):
    """404, 405 and the redirect to the slash."""
    deny.app.add_url_rule("/x/", "x", plain_view())
    assert [deny.status("/nothing"), deny.status("/x/", method="post"), deny.status("/x")] == [404, 405, 308]
    assert deny.log.named("undeclared_route") == []


def test_listed_endpoints_are_let_through(make_shop, tmp_path):
    """By name and by pattern, case and all; a pattern is of the whole name."""
    (tmp_path / "page.css").write_text("p {}")
    shop = make_shop(deny=True, public=("static", "*.static", "docs*"))
    shop.app.static_folder = str(tmp_path)
    blueprint = FlaskBlueprint("b", "b", static_folder=str(tmp_path), static_url_path="/b/static")
    shop.app.register_blueprint(blueprint)
    for endpoint in ("docs", "docs_page", "Docs", "my_docs"):
        shop.app.add_url_rule(f"/{endpoint}", endpoint, plain_view())
    assert shop.status("/static/page.css") == shop.status("/b/static/page.css") == 200
    assert [shop.status(f"/{endpoint}") for endpoint in ("docs", "docs_page", "Docs", "my_docs")] == [
        200,
        200,
        403,
        403,
    ]


def test_the_refusal_comes_before_anything_of_the_app(make_shop):
    """No `before_request` of the app or a blueprint sees the request, so none can answer it or look something up."""
    shop = make_shop(deny=True)
    seen = []
    shop.app.before_request(lambda: seen.append(request.path))
    shop.app.before_request(lambda: "answered early")
    blueprint = FlaskBlueprint("b", "b")
    blueprint.before_app_request(lambda: seen.append("blueprint"))
    blueprint.add_url_rule("/x", "x", plain_view())
    shop.app.register_blueprint(blueprint)
    assert (shop.status(), seen) == (403, [])


def test_functions_that_the_app_had_before_come_after_the_gate_too(shop):
    """`init_app` may run late."""
    seen = []
    shop.app.before_request(lambda: seen.append("early"))
    shop.app.add_url_rule("/x", "x", plain_view())
    install(shop.app, log=shop.log, public_endpoints=())
    assert (shop.status(), seen) == (403, [])


def test_views_that_are_replaced_are_judged_anew(deny):
    """A view taken out of its guard is refused; one put into a guard is served."""
    view = plain_view()
    deny.app.add_url_rule("/x", "x", PUBLIC(view))
    assert deny.status() == 200
    deny.app.view_functions["x"] = view
    assert deny.status() == 403
    deny.app.view_functions["x"] = PUBLIC(view)
    assert deny.status() == 200


def test_routes_of_blueprints_count(deny):
    """Nested, plain and ours."""
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    inner.route("/open")(PUBLIC(plain_view()))
    inner.route("/forgotten")(losing(plain_view()))
    outer.register_blueprint(inner)
    deny.app.register_blueprint(outer)
    assert [deny.status("/open"), deny.status("/forgotten")] == [200, 403]


def test_a_failing_view_fails_as_ever(deny):
    """The gate has no part in what a view answers."""
    deny.app.add_url_rule("/x", "x", PUBLIC(lambda: abort(418)))
    assert deny.status() == 418


def test_without_the_setting_undeclared_routes_are_served(shop):
    """The default is Flask's."""
    shop.app.add_url_rule("/x", "x", plain_view())
    assert shop.status() == 200


def test_many_threads_agree(deny):
    """On the first requests of a route too."""
    deny.app.add_url_rule("/x", "x", plain_view())
    deny.app.add_url_rule("/y", "y", PUBLIC(plain_view()))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(deny.status, ["/x", "/y"] * 100))
    assert found == [403, 200] * 100


@pytest.mark.parametrize("other", ["auth", "public"])
def test_a_view_that_calls_another_has_not_its_declarations(deny, other):
    """`return index()` in a view says nothing about who may call that view, whatever is declared on `index`."""
    index = DECLARATIONS[other](plain_view())

    def wipe():
        return index()

    deny.app.add_url_rule("/x", "x", wipe, methods=["POST"])
    assert [deny.status(method="post"), deny.status(method="post", **ADMIN)] == [403, 403]
