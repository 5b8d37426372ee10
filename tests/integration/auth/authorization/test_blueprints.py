"""Declarations on whole blueprints: plain ones, ours, nested ones."""

from __future__ import annotations

import pytest
from flask import Blueprint as FlaskBlueprint
from flask.views import MethodView
from flask_smorest import Api

from flask_backend_patterns import Blueprint, SetupError
from flask_backend_patterns.auth.declarations import RequireAuth, RequirePermission, RequireRole
from flask_backend_patterns.auth.decorators import public, require_auth, require_permission, require_role
from flask_backend_patterns.guard import declarations_of

ADMIN, GUEST = {"actor": "2", "roles": "admin"}, {"actor": "3", "roles": "guest"}


def view():
    return "seen"


async def async_view():
    return "seen"


class Item(MethodView):
    def get(self):
        return "seen"

    @require_role("admin")
    def post(self):
        return "written"


def kinds(shop, endpoint, method="GET"):
    return [type(item) for item in declarations_of(shop.app.view_functions[endpoint], method)]


@pytest.mark.parametrize("make", [FlaskBlueprint, Blueprint])
def test_every_view_of_a_blueprint_is_guarded(shop, make, tmp_path):
    """Routes made before and after, async ones, classes, recorded ones, static files; the audit can see each."""
    (tmp_path / "page.css").write_text("p {}")
    blueprint = make("b", "b", static_folder=str(tmp_path), static_url_path="/files")
    blueprint.add_url_rule("/before", "before", lambda: "seen")
    assert require_auth(blueprint) is blueprint
    blueprint.add_url_rule("/after", "after", lambda: "seen")
    blueprint.route("/async")(async_view)
    blueprint.add_url_rule("/class", view_func=Item.as_view("class"))
    blueprint.record(lambda state: state.app.add_url_rule("/recorded", "recorded", lambda: "seen"))
    shop.app.register_blueprint(blueprint)
    paths = ["/before", "/after", "/async", "/class", "/recorded", "/files/page.css"]
    assert [shop.status(path) for path in paths] == [401] * 6
    assert [shop.status(path, method="head") for path in paths] == [401] * 6
    assert [shop.status(path, **GUEST) for path in paths] == [200] * 6
    for endpoint in ("b.before", "b.after", "b.async_view", "b.class", "recorded", "b.static"):
        assert kinds(shop, endpoint) == [RequireAuth]


def test_methods_below_a_blueprint_are_judged_one_by_one(shop):
    """What a method says adds to what the blueprint says."""
    blueprint = require_auth(FlaskBlueprint("b", "b"))
    blueprint.add_url_rule("/x", view_func=Item.as_view("item"))
    shop.app.register_blueprint(blueprint)
    assert [shop.status(method=method, **GUEST) for method in ("get", "post")] == [200, 403]
    assert shop.status(method="post", **ADMIN) == 200
    assert shop.status(method="put", **GUEST) == 405
    assert kinds(shop, "b.item", "POST") == [RequireAuth, RequireRole]
    assert kinds(shop, "b.item", "GET") == [RequireAuth]


def test_several_declarations_on_one_blueprint_all_hold(shop):
    """In the order of their phases."""
    blueprint = require_permission("orders:read")(require_auth(FlaskBlueprint("b", "b")))
    blueprint.add_url_rule("/x", "x", view)
    shop.app.register_blueprint(blueprint)
    assert [shop.status(), shop.status(**GUEST), shop.status(**ADMIN)] == [401, 403, 200]
    assert kinds(shop, "b.x") == [RequireAuth, RequirePermission]


@pytest.mark.parametrize("nested_first", [True, False])
@pytest.mark.parametrize("make", [FlaskBlueprint, Blueprint])
def test_nested_blueprints_are_guarded_through_their_parent_only(shop, make, nested_first):
    """Two levels down; the same blueprint registered elsewhere is not touched."""
    outer, middle, inner = make("outer", "outer"), make("middle", "middle"), make("inner", "inner")
    inner.add_url_rule("/x", "x", view)
    middle.register_blueprint(inner)
    if nested_first:
        outer.register_blueprint(middle)
        require_auth(outer)
    else:
        require_auth(outer)
        outer.register_blueprint(middle)
    shop.app.register_blueprint(outer, url_prefix="/closed")
    shop.app.register_blueprint(inner, url_prefix="/open", name="open")
    assert [shop.status("/closed/x"), shop.status("/open/x")] == [401, 200]
    assert shop.status("/closed/x", **GUEST) == 200


def test_a_nested_blueprint_adds_to_its_parent(shop):
    """Both declarations hold, whichever is further out."""
    outer, inner = (
        require_auth(FlaskBlueprint("outer", "outer")),
        require_role("admin")(FlaskBlueprint("inner", "inner")),
    )
    inner.add_url_rule("/x", "x", view)
    outer.register_blueprint(inner)
    shop.app.register_blueprint(outer)
    assert [shop.status(), shop.status(**GUEST), shop.status(**ADMIN)] == [401, 403, 200]
    assert kinds(shop, "outer.inner.x") == [RequireAuth, RequireRole]


def test_one_blueprint_on_two_apps_and_twice_on_one(make_shop):
    """Each registration is guarded, once."""
    blueprint = require_auth(FlaskBlueprint("b", "b"))
    blueprint.add_url_rule("/x", "x", view)
    for shop in (make_shop(), make_shop()):
        shop.app.register_blueprint(blueprint, url_prefix="/one", name="one")
        shop.app.register_blueprint(blueprint, url_prefix="/two", name="two")
        assert [shop.status("/one/x"), shop.status("/two/x"), shop.status("/two/x", **GUEST)] == [
            401,
            401,
            200,
        ]
        assert [kinds(shop, f"{name}.x") for name in ("one", "two")] == [[RequireAuth]] * 2


def test_other_views_stay_as_they_are(shop):
    """Those of the app, of other blueprints, and the view function itself."""
    shop.app.add_url_rule("/app", "app", view)
    blueprint = require_auth(FlaskBlueprint("b", "b"))
    blueprint.add_url_rule("/x", "x", view)
    shop.app.register_blueprint(blueprint)
    shop.app.add_url_rule("/later", "later", view)
    assert [shop.status("/app"), shop.status("/later"), shop.status("/x")] == [200, 200, 401]


def test_a_registered_blueprint_is_too_late(shop):
    """Its views are routes already; the message says when to declare."""
    blueprint = FlaskBlueprint("b", "b")
    shop.app.register_blueprint(blueprint)
    with pytest.raises(SetupError, match=r"before app.register_blueprint"):
        require_auth(blueprint)


def test_a_public_blueprint_is_declared(make_shop):
    """For apps that deny by default."""
    shop = make_shop(deny=True)
    blueprint = public(reason="pages")(FlaskBlueprint("b", "b"))
    blueprint.add_url_rule("/x", "x", view)
    shop.app.register_blueprint(blueprint)
    assert shop.status() == 200


def test_the_document_says_what_the_blueprint_says(shop):
    """401 and 403 stand on each operation, of nested blueprints too."""
    shop.app.config.update(API_TITLE="Shop", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    require_role("admin")(outer)
    outer.route("/x")(view)
    inner.route("/y")(lambda: "seen")
    outer.register_blueprint(inner)
    api = Api(shop.app)
    api.register_blueprint(outer)
    paths = api.spec.to_dict()["paths"]
    for path in ("/x", "/y"):
        assert {"401", "403"} <= paths[path]["get"]["responses"].keys()
