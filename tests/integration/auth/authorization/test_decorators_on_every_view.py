"""Each decorator on each kind of view, below and above foreign decorators, in nested blueprints."""

from __future__ import annotations

import pytest
from flask.views import MethodView
from marshmallow import Schema, fields

from flask_backend_patterns import Blueprint
from flask_backend_patterns.auth.decorators import (
    public,
    require_auth,
    require_permission,
    require_policy,
    require_role,
)
from flask_backend_patterns.auth.policies import policy
from flask_backend_patterns.guard import declarations_of
from tests.kinds_of_views import COMBINATIONS, FOREIGN, KINDS, in_nested_blueprint, on_app, plain_view


@policy()
def even_id(actor, _resource, _context):
    """Callers with an even id."""
    return int(actor.id) % 2 == 0


# decorator, who is let through, who is not, the status of those, of anonymous callers, and of forged credentials.
ADMIN, SUPPORT, GUEST = (
    {"actor": "2", "roles": "admin"},
    {"actor": "4", "roles": "support"},
    {"actor": "3", "roles": "guest"},
)
DECORATORS = {
    "auth bare": (require_auth, GUEST, None, None, 401),
    "auth called": (require_auth(), GUEST, None, None, 401),
    "auth optional": (require_auth(optional=True), GUEST, None, None, 200),
    "role": (require_role("manager", "support"), SUPPORT, GUEST, 403, 401),
    "inherited role": (require_role("customer"), ADMIN, GUEST, 403, 401),
    "permission": (require_permission("orders:read"), SUPPORT, GUEST, 403, 401),
    "secret permission": (require_permission("orders:read", secret=True), SUPPORT, GUEST, 404, 401),
    "policy": (require_policy(even_id), ADMIN, GUEST, 403, 401),
    "secret policy": (require_policy(even_id, secret=True), ADMIN, GUEST, 404, 401),
}


def require_outcomes(shop, case):
    _, allowed, refused, refused_status, anonymous_status = case
    for method in ("get", "head"):
        assert shop.status(method=method, **allowed) == 200
        assert shop.status(method=method) == anonymous_status
        assert shop.status(method=method, actor="forged") == 401
        if refused is not None:
            assert shop.status(method=method, **refused) == refused_status


# Whether a declaration is found depends on kind, foreign decorator and place together, whatever it declares: one decorator
# meets them all. What each decorator does to a view depends on the kind, or on what it wraps, one at a time.
MEETINGS = list(
    dict.fromkeys(
        [
            *(
                ("permission", kind, foreign, register)
                for kind, foreign in COMBINATIONS
                for register in (on_app, in_nested_blueprint)
            ),
            *((name, kind, "alone", on_app) for name in DECORATORS for kind in KINDS),
            *((name, "function", foreign, on_app) for name in DECORATORS for foreign in FOREIGN),
            *((name, "method", "alone", in_nested_blueprint) for name in DECORATORS),
        ]
    )
)


@pytest.mark.parametrize(("name", "kind", "foreign", "register"), MEETINGS)
def test_a_decorator_enforces_on_every_kind_of_view(shop, name, kind, foreign, register):
    """Who may, gets 200; who may not, the refusal; the anonymous and the forged, 401; and the audit can see it."""
    case = DECORATORS[name]
    register(shop.app, KINDS[kind](FOREIGN[foreign](case[0])))
    require_outcomes(shop, case)
    endpoint = next(rule.endpoint for rule in shop.app.url_map.iter_rules() if rule.rule == "/x")
    assert len(declarations_of(shop.app.view_functions[endpoint], "GET")) == 1


class Numbers(Schema):
    number = fields.Integer(required=True)


@pytest.mark.parametrize("above", [True, False], ids=["above arguments", "below arguments"])
@pytest.mark.parametrize("name", DECORATORS)
def test_a_decorator_enforces_before_input_is_read(shop, name, above):
    """A caller who may not is told so, also when the input is wrong; one who may is told what is wrong."""
    decorate, allowed, refused, refused_status, anonymous_status = DECORATORS[name]
    blueprint = Blueprint("x", "x")

    def view(_query):
        return {"seen": True}

    read = blueprint.arguments(Numbers, location="query")
    respond = blueprint.response(200)
    blueprint.route("/x")(decorate(respond(read(view))) if above else respond(read(decorate(view))))
    shop.app.register_blueprint(blueprint)
    assert shop.status("/x", **allowed) == 422
    assert shop.status("/x?number=1", **allowed) == 200
    assert shop.status("/x") == (422 if anonymous_status == 200 else anonymous_status)
    if refused is not None:
        assert shop.status("/x", **refused) == refused_status


def test_a_public_view_takes_everybody_and_looks_at_no_credentials(shop):
    """Also those with credentials that do not count."""
    shop.app.add_url_rule("/x", "x", public(reason="prices are public")(plain_view()))
    assert [shop.status(), shop.status(actor="forged"), shop.status(**GUEST)] == [200, 200, 200]


def test_methods_of_one_class_are_judged_one_by_one(shop):
    """What is declared on `post` says nothing about `get`, and the class speaks for both."""

    @require_auth
    class Orders(MethodView):
        def get(self):
            return "list"

        @require_permission("orders:create")
        def post(self):
            return "created"

    shop.app.add_url_rule("/x", view_func=Orders.as_view("orders"))
    assert [shop.status(method=method) for method in ("get", "post")] == [401, 401]
    assert [shop.status(method=method, **SUPPORT) for method in ("get", "post")] == [200, 403]
    assert [shop.status(method=method, **ADMIN) for method in ("get", "post")] == [200, 200]
