"""A method is public or it is not."""

from __future__ import annotations

import functools

import pytest
from flask import Blueprint as FlaskBlueprint
from flask.views import MethodView

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.decorators import (
    public,
    require_auth,
    require_permission,
    require_policy,
    require_role,
)
from flask_backend_patterns.auth.policies import policy


@policy()
def anything(_actor, _resource, _context):
    return True


PUBLIC = public(reason="for everybody")
CLOSED = {
    "RequireAuth": require_auth,
    "RequireRole": require_role("admin"),
    "RequirePermission": require_permission("orders:read"),
    "RequirePolicy": require_policy(anything),
}
BOTH = r"Public \(for everybody\) and {}"


def view():
    return "seen"


def foreign(function):
    """Loses every attribute."""

    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


@pytest.mark.parametrize(
    "between",
    [lambda target: target, foreign, lambda target: functools.wraps(target)(foreign(target))],
    ids=["near", "far", "kept"],
)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CLOSED)
def test_a_function_is_not_both(kind, reverse, between):
    """Told when the second decorator is put on, with both names, also through a foreign one."""
    first, second = (CLOSED[kind], PUBLIC) if reverse else (PUBLIC, CLOSED[kind])
    with pytest.raises(SetupError, match=BOTH.format(kind)):
        second(between(first(view)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CLOSED)
def test_a_class_and_its_method_do_not_contradict_each_other(kind, reverse):
    """Told when the class is declared, naming the method."""
    inner, outer = (CLOSED[kind], PUBLIC) if reverse else (PUBLIC, CLOSED[kind])

    class Item(MethodView):
        def get(self):
            return "open"

        @inner
        def post(self):
            return "closed"

    with pytest.raises(SetupError, match=rf"\(POST\).*{BOTH.format(kind)}"):
        outer(Item)


def test_methods_of_one_class_may_differ(shop):
    """Public to read, closed to write."""

    class Item(MethodView):
        @PUBLIC
        def get(self):
            return "open"

        @require_auth
        def post(self):
            return "closed"

    shop.app.add_url_rule("/x", view_func=Item.as_view("item"))
    assert [shop.status(method=method) for method in ("get", "head", "post")] == [200, 200, 401]


def test_a_contradiction_in_a_subclass_stops_its_first_request(shop):
    """No decorator saw both; nobody is let in."""

    @require_auth
    class Base(MethodView):
        pass

    class Item(Base):
        @PUBLIC
        def get(self):
            return "seen"

    shop.app.add_url_rule("/x", view_func=Item.as_view("item"))
    assert shop.status() == 401
    shop.app.testing = True
    with pytest.raises(SetupError, match=BOTH.format("RequireAuth")):
        shop.ask(actor="1")


def test_a_blueprint_and_its_view_do_not_contradict_each_other(shop):
    """Told when the blueprint is registered."""
    blueprint = FlaskBlueprint("b", "b")
    require_auth(blueprint)
    blueprint.add_url_rule("/x", "x", PUBLIC(view))
    with pytest.raises(SetupError, match=BOTH.format("RequireAuth")):
        shop.app.register_blueprint(blueprint)
