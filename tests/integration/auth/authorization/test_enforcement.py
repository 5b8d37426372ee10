"""Ownership, secrets, fresh logins, policies in front of views."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.decorators import (
    public,
    require_auth,
    require_permission,
    require_policy,
    require_role,
)
from flask_backend_patterns.auth.enforcement import is_fresh
from flask_backend_patterns.auth.identity import Actor
from flask_backend_patterns.auth.policies import policy

OWNERS = {1: 7, 2: "8", 3: "", 4: "é", 5: False}
OWNER, OTHER, SUPPORT, GUEST = (
    {"actor": "7", "roles": "customer"},
    {"actor": "8", "roles": "customer"},
    {"actor": "9", "roles": "support"},
    {"actor": "7", "roles": "guest"},
)


class Order(SimpleNamespace):
    __owner__ = "user_id"


class Nobodys(SimpleNamespace):
    __owner__ = None


STORED = {
    1: Order(user_id=7, total=50),
    2: Order(user_id=8, total=50),
    3: Order(user_id=7, total=500),
    4: Nobodys(user_id=7, total=50),
}


def small_orders():
    @policy("orders:read")
    def small(_actor, order, _context):
        return order.total <= 100

    return small


def order_view(shop, decorate):
    def view(order_id):
        return f"order {order_id}"

    shop.app.add_url_rule("/orders/<int:order_id>", "order", decorate(view))


class Lookup:
    """A function of the path that remembers what it was asked."""

    def __init__(self, found=OWNERS.get):
        self.asked = []
        self.found = found

    def sync(self):
        def owner(order_id):
            self.asked.append(order_id)
            return self.found(order_id)

        return owner

    def asynchronous(self):
        async def owner(order_id):
            return self.sync()(order_id)

        return owner


@pytest.mark.parametrize("kind", ["sync", "asynchronous"])
@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize(
    ("asked", "order", "status", "looked_up"),
    [
        (OWNER, 1, 200, [1]),
        (OWNER, 2, 403, [2]),
        (OTHER, 2, 200, [2]),
        (OTHER, 1, 403, [1]),
        (OWNER, 99, 404, [99]),
        (SUPPORT, 1, 200, []),
        (SUPPORT, 99, 200, []),
        (GUEST, 1, 403, []),
        (GUEST, 99, 403, []),
        ({}, 1, 401, []),
        ({"actor": "forged"}, 1, 401, []),
        ({"actor": "", "roles": "customer"}, 3, 403, [3]),
        ({"actor": "False", "roles": "customer"}, 1, 403, [1]),
    ],
)
def test_owners_see_their_own(shop, kind, secret, asked, order, status, looked_up):
    """Compared as text; looked up only where it matters; a secret answers 404 for whatever is refused."""
    lookup = Lookup()
    order_view(shop, require_permission("orders:read", owner=getattr(lookup, kind)(), secret=secret))
    assert shop.status(f"/orders/{order}", **asked) == (404 if secret and status == 403 else status)
    assert lookup.asked == looked_up


def test_a_secret_looks_like_what_does_not_exist(shop):
    """Bodies and headers of the two are the same, but for what differs from request to request."""
    order_view(shop, require_permission("orders:read", owner=Lookup().sync(), secret=True))
    missing, foreign = (shop.ask(f"/orders/{order}", **OWNER) for order in (99, 2))
    bodies = [response.get_json()["error"] for response in (missing, foreign)]
    assert [body.pop("request_id") != "" for body in bodies] == [True, True]
    assert bodies[0] == bodies[1]
    names = [sorted(name for name, _ in response.headers) for response in (missing, foreign)]
    assert names[0] == names[1]


def test_a_refusal_tells_nothing_about_the_permission(shop):
    """Its name is for the log."""
    order_view(shop, require_permission("orders:read"))
    response = shop.ask("/orders/1", **GUEST)
    assert response.status_code == 403
    assert response.get_json()["error"]["code"] == "FORBIDDEN"
    assert "orders:read" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("decorate", "status"),
    [(require_permission("orders:read"), 403), (require_permission("orders:read", scoped=True), 200)],
)
def test_the_own_form_alone_needs_a_way_to_tell_whose(shop, decorate, status):
    """Without owner=, resource= or scoped=True it is not enough."""
    order_view(shop, decorate)
    assert shop.status("/orders/1", **OWNER) == status
    assert shop.status("/orders/1", **SUPPORT) == 200


def test_a_refused_view_is_never_called(shop):
    """Nor anything between the guard and it."""
    called = []
    order_view(
        shop,
        lambda view: require_permission("orders:read")(lambda order_id: called.append(order_id) or view(1)),
    )
    shop.status("/orders/1", **GUEST)
    shop.status("/orders/1")
    assert called == []


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize(
    ("asked", "order", "reason"),
    [
        (GUEST, 1, "not granted"),
        (OWNER, 2, "not the owner"),
        (OWNER, 3, "policy small"),
        (SUPPORT, 3, "policy small"),
    ],
)
def test_the_log_says_why_somebody_was_refused(make_shop, asked, order, reason, secret):
    """Once, with the permission and who asked; also where the caller is told 404."""
    shop = make_shop(policies=[small_orders()])
    order_view(
        shop, require_permission("orders:read", resource=lambda order_id: STORED[order_id], secret=secret)
    )
    shop.ask(f"/orders/{order}", **asked)
    (event,) = shop.log.named("access_refused")
    assert event == {
        "permission": "orders:read",
        "reason": reason,
        "actor_id": asked["actor"],
        "endpoint": "order",
    }


def test_an_owner_function_that_fails_lets_nobody_in(shop):
    """Its failure is a 500 (or what its error says), not a pass."""

    def failing(order_id):
        raise RuntimeError("database away")

    order_view(shop, require_permission("orders:read", owner=failing))
    assert shop.status("/orders/1", **OWNER) == 500


@pytest.mark.parametrize("kind", ["sync", "asynchronous"])
@pytest.mark.parametrize(
    ("asked", "order", "status", "looked_up"),
    [
        (OWNER, 1, 200, [1]),
        (OWNER, 2, 403, [2]),
        (OWNER, 3, 403, [3]),
        (OWNER, 4, 403, [4]),
        (OWNER, 99, 404, [99]),
        (SUPPORT, 2, 200, [2]),
        (SUPPORT, 3, 403, [3]),
        (SUPPORT, 4, 200, [4]),
        (GUEST, 1, 403, []),
        ({}, 1, 401, []),
    ],
)
@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("declare", ["permission", "policy", "policy by name"])
def test_a_resource_is_judged_as_can_judges_it(  # noqa: PLR0913, PLR0917 - the columns of the table
    make_shop, declare, secret, kind, asked, order, status, looked_up
):
    """Roles, `__owner__` and the policies about the permission; `require_policy` needs the permission too."""
    small, lookup = small_orders(), Lookup(STORED.get)
    shop = make_shop(policies=[small])
    resource = getattr(lookup, kind)()
    order_view(
        shop,
        {
            "permission": lambda: require_permission("orders:read", resource=resource, secret=secret),
            "policy": lambda: require_policy(small, resource=resource, secret=secret),
            "policy by name": lambda: require_policy("small", resource=resource, secret=secret),
        }[declare](),
    )
    assert shop.status(f"/orders/{order}", **asked) == (404 if secret and status == 403 else status)
    assert lookup.asked == looked_up


def test_a_limited_permission_without_a_resource_is_refused_with_the_fix(make_shop):
    """The policies would go unasked: 500 that names them, until the view says what they are asked about."""
    small = small_orders()
    shop = make_shop(policies=[small])
    shop.app.testing = True
    order_view(shop, require_permission("orders:read", owner=Lookup().sync()))
    with pytest.raises(SetupError, match=r"limited by policies \(small\).*resource="):
        shop.ask("/orders/1", **SUPPORT)
    assert shop.status("/orders/1", **GUEST) == 403


def test_require_policy_beside_it_asks_them(make_shop):
    """Both decorators on one view are enough, in either order."""
    small = small_orders()
    shop = make_shop(policies=[small])
    asking = require_policy(small, resource=Lookup(STORED.get).sync())
    order_view(shop, lambda view: require_permission("orders:read")(asking(view)))
    assert [shop.status(f"/orders/{order}", **SUPPORT) for order in (1, 2, 3)] == [200, 200, 403]


def test_a_policy_about_no_permission_is_asked_alone(make_shop):
    """It needs a caller, and no role."""

    @policy()
    def seven(actor, _resource, _context):
        return actor.id == "7"

    shop = make_shop()
    order_view(shop, require_policy(seven | ~seven & seven))
    assert [shop.status("/orders/1", **asked) for asked in (GUEST, OTHER, {})] == [200, 403, 401]


def test_a_policy_that_fails_lets_nobody_in(make_shop):
    """500, whatever it failed on."""

    @policy()
    def failing(_actor, resource, _context):
        return resource.total <= 100

    shop = make_shop()
    order_view(shop, require_policy(failing))
    order_view_negated = require_policy(~failing)
    shop.app.add_url_rule("/negated", "negated", order_view_negated(lambda: "seen"))
    assert [shop.status("/orders/1", **SUPPORT), shop.status("/negated", **SUPPORT)] == [500, 500]


def test_a_policy_that_this_app_was_not_given_stops_the_permission(make_shop):
    """An app that forgot to hand it over refuses rather than to go on without it."""

    @policy("stray:read")
    def stray(_actor, _resource, _context):
        return False

    shop = make_shop()
    shop.app.testing = True
    order_view(shop, require_permission("stray:read"))
    with pytest.raises(
        SetupError, match=r"stray:read is limited by policies that this app was not given: stray"
    ):
        shop.ask("/orders/1", actor="1", roles="admin")
    assert shop.status("/orders/1", **GUEST) == 403


def test_an_unknown_policy_name_is_told(make_shop):
    """With the nearest one, at the first request."""
    shop = make_shop(policies=[small_orders()])
    shop.app.testing = True
    order_view(shop, require_policy("smal"))
    with pytest.raises(SetupError, match="did you mean small"):
        shop.ask("/orders/1", **SUPPORT)


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("claims", "fresh"),
    [
        ({"fresh": True, "iat": NOW - 60}, True),
        ({"fresh": True, "iat": NOW - 300}, True),
        ({"fresh": True, "iat": NOW - 301}, False),
        ({"fresh": True, "auth_time": NOW - 10, "iat": NOW - 10_000}, True),
        ({"fresh": True, "auth_time": NOW - 10_000, "iat": NOW}, False),
        ({"fresh": NOW + 5, "iat": NOW - 60}, True),
        ({"fresh": NOW - 5, "iat": NOW - 60}, False),
        ({"fresh": NOW, "iat": NOW - 60}, False),
        ({"fresh": False, "iat": NOW}, False),
        ({"fresh": True}, False),
        ({"fresh": True, "iat": "now"}, False),
        ({"fresh": True, "iat": True}, False),
        ({"fresh": True, "iat": float("nan")}, False),
        ({"fresh": "true", "iat": NOW}, False),
        ({"fresh": 1, "iat": NOW}, False),
        ({"iat": NOW}, False),
        ({}, False),
    ],
)
def test_a_fresh_login_is_one_not_long_ago(make_shop, claims, fresh):
    """Not a refreshed token, an old one, an API key; 401 with a challenge that says for how long (RFC 9470)."""
    assert is_fresh(Actor(id="7", method="jwt", claims=claims), 300, NOW) is fresh
    shop = make_shop(claims=claims, now=NOW)
    order_view(shop, require_auth(fresh_seconds=300))
    response = shop.ask("/orders/1", **GUEST)
    assert response.status_code == (200 if fresh else 401)
    if not fresh:
        challenge = 'Header error="insufficient_user_authentication", max_age="300"'
        assert response.headers["WWW-Authenticate"] == challenge
        assert response.get_json()["error"]["code"] == "FRESH_LOGIN_REQUIRED"


def test_an_anonymous_caller_gets_the_plain_challenge(shop):
    """Credentials are asked for by the scheme of the authenticator."""
    order_view(shop, require_role("admin"))
    response = shop.ask("/orders/1")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Header")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (require_role, "names of roles"),
        (lambda: require_role(lambda: "view"), "names of roles"),
        (lambda: require_role("admin", " "), "names of roles"),
        (lambda: require_permission(lambda: "view"), "write one permission"),
        (lambda: require_permission("Orders:read"), "write one permission"),
        (lambda: require_permission("orders:*"), "write one permission"),
        (lambda: require_permission("orders:read:own"), "':own' is for roles"),
        (
            lambda: require_permission("orders:read", owner=lambda: 1, scoped=True),
            "owner and scoped together",
        ),
        (
            lambda: require_permission("orders:read", owner=lambda: 1, resource=lambda: 1),
            "owner and resource",
        ),
        (lambda: require_permission("orders:read", owner="user_id"), "write a function"),
        (lambda: require_policy(lambda *_: True), "takes a policy or its name"),
        (lambda: public(reason=" "), "wants its reason"),
        (lambda: public(reason=None), "wants its reason"),
        (lambda: require_auth(fresh_seconds=0), "whole number of seconds"),
        (lambda: require_auth(fresh_seconds=True), "whole number of seconds"),
        (lambda: require_auth(fresh_seconds=1.5), "whole number of seconds"),
        (lambda: require_auth(optional=True, fresh_seconds=5), "contradict"),
        (lambda: require_auth("admin"), "goes on views"),
        (lambda: require_auth(Order), "not a flask View class"),
    ],
)
def test_a_wrong_declaration_is_told_when_it_is_written(make, words):
    """At import of the view's module, not at its first request."""
    with pytest.raises(SetupError, match=words):
        make()


def test_public_cannot_be_used_without_saying_why():
    """Bare, or by position: a TypeError of Python's own."""
    with pytest.raises(TypeError):
        public(lambda: "view")
    with pytest.raises(TypeError):
        public()
