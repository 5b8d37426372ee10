"""The table of an app with many routes, where not everything fits: what is left out, and what never is."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns, public, require_permission, require_role
from flask_backend_patterns.api.document import export_document
from flask_backend_patterns.audit import RouteAudit, route_table
from flask_backend_patterns.cli import backend_group
from flask_backend_patterns.cli.text_layout import width_of

REASON = "whoever has forgotten a password cannot log in to ask for another"
LONG_PERMISSION = "organizations:invoices:approve-many"
LEFT_OUT = "Endpoints and the rest of long texts are left out here"


@pytest.fixture(scope="module")
def shop():
    shop = Flask("wide", static_folder=None)
    shop.config.update(JWT_SECRET_KEY="k" * 32, BACKEND_OBSERVABILITY_ENABLED=False)
    BackendPatterns().init_app(shop)
    routes = {
        "/api/orders": require_permission("orders:read", scoped=True),
        "/api/orders/<int(max=2147483647):order_id>": require_permission(
            "orders:read", owner=len, secret=True
        ),
        "/api/orders/<int(max=2147483647):order_id>/refund": require_permission(
            "orders:refund", resource=len
        ),
        "/api/product-imports/<int(max=2147483647):import_id>/rejections": require_permission("imports:read"),
        "/api/invoices": require_permission(LONG_PERMISSION),
        "/api/products": public(reason=REASON),
        "/api/products/<any(tea, coffee):kind>": public(reason=REASON),
        "/auth/reset/request": public(reason=REASON, takes_credentials=True),
        "/console": require_role("support", "administrator"),
    }
    for number, (rule, decorate) in enumerate(routes.items()):
        endpoint = f"a_blueprint_with_a_name.and_a_long_view_{number}"
        shop.add_url_rule(rule, endpoint.replace(".", "_"), decorate(lambda **_: ""))
    return shop


def table(shop, width, *arguments):
    group = backend_group(export_document=export_document, route_audit=RouteAudit())
    result = shop.test_cli_runner().invoke(group, ["routes", *arguments], env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if width_of(line) > width] == []
    return result.stdout


def test_at_120_columns_it_is_a_grid(shop):
    """One row a route, with who may call in columns of their own; endpoints and long reasons give way, and it says so."""
    shown = table(shop, 120)
    head, *lines = shown.splitlines()
    assert head.split()[:4] == ["METHOD", "RULE", "AUTH", "PERMISSION"]
    assert LEFT_OUT in shown
    assert REASON not in shown
    rows = [line for line in lines if line.startswith("GET")]
    assert len(rows) == len(route_table(shop))
    assert sum(line.startswith(" ") for line in lines) <= len(rows) * 0.6
    refund = next(row for row in rows if "orders:refund" in row)
    assert refund.split()[1:3] == ["/api/orders/<int:order_id>/", "required"]
    assert "/api/products/<any:kind>" in shown
    assert "public: whoever has f..." in shown


def test_no_name_is_ever_cut(shop):
    """Permissions and roles stay whole where reasons are shortened: half a permission is another one."""
    said = "".join(table(shop, 120).split())
    for entry in route_table(shop):
        for column in ("permission", "roles"):
            assert "".join(entry.columns.get(column, "").split()) in said


@pytest.mark.parametrize("width", [80, 320])
def test_narrower_and_wider_everything_is_there(shop, width):
    """Blocks at 80 columns, a wider grid at 320: rules, endpoints and reasons whole."""
    shown = table(shop, width)
    said = "".join(shown.split())
    assert LEFT_OUT not in shown
    for entry in route_table(shop):
        for text in (entry.rule, entry.endpoint, *entry.columns.values()):
            assert "".join(text.split()) in said


def test_what_is_asked_for_is_never_left_out(shop):
    """`--columns endpoint` gives endpoints at any width."""
    shown = "".join(
        table(shop, 120, "--columns", "endpoint,authentication,permission,ownership,credentials").split()
    )
    assert all(entry.endpoint in shown for entry in route_table(shop))
