"""What roles and policies of the app have to do with its routes: the column `policy`, `--can`, and two faults."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.views import MethodView

from flask_backend_patterns import (
    BackendPatterns,
    deprecated,
    policy,
    public,
    require_auth,
    require_permission,
    require_policy,
    require_role,
    route_table,
)
from flask_backend_patterns.api.document import export_document
from flask_backend_patterns.audit import CONDITIONS, RouteAudit
from flask_backend_patterns.cli import backend_group
from flask_backend_patterns.testing import routes_snapshot

ROLES = {
    "customer": ["orders:read:own", "orders:list:own", "orders:refund:own"],
    "support": {"permissions": ["orders:*"], "inherits": ["customer"]},
    "nobody": [],
}


def make_policies():
    @policy("orders:refund")
    def small(_actor, _order, _context):
        return True

    @policy("orders:refund")
    def recent(_actor, _order, _context):
        return True

    return [small, recent]


def make_app(policies=(), *, roles=ROLES, routes=True, **config):
    app = Flask("access", static_folder=None)
    app.config.update(JWT_SECRET_KEY="k" * 32, BACKEND_HEALTH_ENABLED=False, BACKEND_API_DOCS_PATH=None)
    app.config.update(BACKEND_AUTH_ROLES=roles, BACKEND_OBSERVABILITY_ENABLED=False, **config)
    BackendPatterns(policies=policies).init_app(app)
    if routes:
        add_routes(app)
    return app


def add_routes(app):
    def view(**_):
        return "x"

    for rule, decorate in {
        "/open": public(reason="for all"),
        "/undeclared": lambda view: view,
        "/me": require_auth,
        "/staff": require_role("support", "admin"),
        "/customers": require_role("customer"),
        "/orders": require_permission("orders:list", scoped=True),
        "/orders/<i>": require_permission("orders:read", owner=lambda i: i),
        "/orders/<i>/all": require_permission("orders:read"),
        "/orders/<i>/refund": require_permission("orders:refund", resource=lambda i: i),
        "/orders/<i>/refund-by-policy": require_policy("small", resource=lambda i: i),
        "/imports": require_permission("imports:create"),
    }.items():
        app.add_url_rule(rule, rule.replace("/", "_"), decorate(lambda **_: view()))
    app.kept = require_role("support")(app.get("/above")(lambda: "x"))


def run(app, *arguments):
    group = backend_group(export_document=export_document, route_audit=RouteAudit())
    return app.test_cli_runner().invoke(group, ["routes", *arguments])


def rules(app, *arguments):
    result = run(app, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return {route["rule"] for route in json.loads(result.stdout)["routes"]} - {"/openapi.json", "/docs"}


# --- Policies -------------------------------------------------------------------------------------------------------


def columns(app, rule):
    (entry,) = [entry for entry in route_table(app) if entry.rule == rule]
    return entry.columns


def test_the_policies_about_a_permission_are_listed_with_it():
    """In table, JSON and snapshot; also where a policy stands alone and brings its permission."""
    app = make_app(make_policies())
    assert columns(app, "/orders/<i>/refund")["policy"] == "small & recent"
    assert columns(app, "/orders/<i>/refund-by-policy") == {
        "authentication": "required",
        "policy": "small & recent",
        "permission": "orders:refund",
    }
    assert "policy" not in columns(app, "/orders/<i>")
    assert "small & recent" in run(app, "/refund", "--columns", "policy").stdout
    assert 'permission=orders:refund policy="small & recent"' in routes_snapshot(app)


def test_a_policy_taken_away_is_a_changed_snapshot():
    """What limits a permission no more is seen in the pull request."""
    small, recent = make_policies()
    assert routes_snapshot(make_app([small, recent])) != routes_snapshot(make_app([small]))


# --- --can ----------------------------------------------------------------------------------------------------------

EVERYBODY = {"/open", "/me", "/undeclared"}
OWN = {"/orders", "/orders/<i>", "/orders/<i>/refund", "/orders/<i>/refund-by-policy"}


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("nobody", EVERYBODY),
        ("customer", EVERYBODY | OWN | {"/customers"}),
        ("support", EVERYBODY | OWN | {"/customers", "/staff", "/orders/<i>/all"}),
        ("nobody,customer", EVERYBODY | OWN | {"/customers"}),
    ],
)
@pytest.mark.parametrize("default", ["allow", "deny"])
def test_what_a_role_may_call(role, expected, default):
    """Public, logged in, by role and by permission, `:own` where the view can tell; never what is shut."""
    app = make_app(make_policies(), BACKEND_AUTH_DEFAULT=default)
    assert rules(app, "--can", role) == expected - ({"/undeclared"} if default == "deny" else set())


def test_can_joins_with_the_other_filters():
    """All have to hold."""
    app = make_app(make_policies())
    assert rules(app, "--can", "customer", "--permission", "orders:read") == {"/orders/<i>"}


def test_methods_are_judged_one_by_one():
    """Of a class that lets customers read only."""
    app = make_app(routes=False)

    class Things(MethodView):
        @require_role("customer")
        def get(self):
            return ""

        @require_role("support")
        def post(self):
            return ""

    app.add_url_rule("/things", view_func=Things.as_view("things"))
    shown = json.loads(run(app, "--json", "--can", "customer").stdout)["routes"]
    assert [route["method"] for route in shown if route["rule"] == "/things"] == ["GET"]


def test_a_route_that_only_lacks_a_mark_is_open():
    """`@deprecated` above a route shuts nothing, so the route may be called."""
    app = make_app(routes=False)
    app.kept = deprecated(since=0)(app.get("/x", endpoint="x")(lambda: ""))
    assert rules(app, "--can", "nobody") == {"/x"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_app, "'custmer' is not a role. It may be: customer, nobody, support."),
        (lambda: make_app(BACKEND_AUTH_ENABLED=False, routes=False), "Authentication is switched off"),
        (lambda: make_app(roles=lambda: 1 / 0), "The roles cannot be read"),
    ],
)
def test_what_nobody_can_tell_is_wrong_usage(make, words):
    """2, with the reason, and not an empty list."""
    result = run(make(), "--can", "custmer")
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_roles_that_are_only_names_are_all_there():
    """Without BACKEND_AUTH_ROLES a role has its routes and no permission."""
    app = make_app(make_policies(), roles=None)
    assert rules(app, "--can", "support") == EVERYBODY | {"/staff"}


# --- unknown-role and ungranted -------------------------------------------------------------------------------------


def findings(app, *names):
    result = run(app, "--json", *(part for name in names for part in ("--fail-on", name)))
    found = json.loads(result.stdout)["findings"]
    assert result.exit_code == (1 if found else 0)
    return {(item["condition"], item["location"], item["fix"].partition(":")[0]) for item in found}


@pytest.mark.parametrize("source", [ROLES, lambda: ROLES], ids=["mapping", "function"])
def test_names_that_no_role_has_are_found(source):
    """A misspelt role, a permission nobody grants; `:own` alone counts where the view says whose it is."""
    app = make_app(make_policies(), roles=source)
    assert findings(app, "unknown-role") == {("unknown-role", "/staff", "admin")}
    assert findings(app, "ungranted") == {("ungranted", "/imports", "imports")}
    own_only = {"customer": ["orders:read:own"], "support": [], "admin": []}
    app = make_app(make_policies(), roles=own_only if source is ROLES else lambda: own_only)
    assert findings(app, "unknown-role") == set()
    found = {location for _, location, _ in findings(app, "ungranted")}
    assert "/orders/<i>" not in found
    assert "/orders/<i>/all" in found


def test_roles_that_cannot_be_read_are_not_taken_for_none():
    """2: neither clean nor a finding; other conditions do not ask for them."""
    app = make_app(roles=lambda: 1 / 0)
    assert run(app, "--fail-on", "ungranted").exit_code == 2
    assert run(app, "/me", "--fail-on", "undeclared").exit_code == 0


def test_where_roles_are_only_names_none_is_unknown():
    """Without BACKEND_AUTH_ROLES any name may be in a token, and no permission is granted."""
    app = make_app(make_policies(), roles=None)
    assert findings(app, "unknown-role") == set()
    assert ("ungranted", "/imports", "imports") in findings(app, "ungranted")


def test_no_fix_names_a_decorator_that_does_not_exist():
    """What people are told to write is there to be imported."""
    import flask_backend_patterns

    named = {
        word.partition("(")[0].strip("@,.")
        for condition in CONDITIONS.values()
        for word in condition.fix.split()
        if word.startswith("@")
    }
    assert named
    assert {name for name in named if not hasattr(flask_backend_patterns, name)} == set()
