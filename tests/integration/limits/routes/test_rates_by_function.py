"""`@rate_limit(rates_of)`: rates that a function gives in each request."""

from __future__ import annotations

import asyncio

import pytest
from flask import current_app
from flask_smorest import Api

from flask_backend_patterns import (
    Blueprint,
    RateLimitError,
    SetupError,
    current_actor,
    require_auth,
    route_table,
)
from flask_backend_patterns.limits import rate_limit
from tests.kinds_of_views import (
    COMBINATIONS,
    FOREIGN,
    KINDS,
    hiding,
    in_nested_blueprint,
    on_app,
    plain_async_view,
    plain_view,
)


def rates_of():
    return current_app.config["RATES"]


async def rates_of_later():
    return rates_of()


class RatesOf:
    def __call__(self):
        return rates_of()


@pytest.mark.parametrize("key", ["address", "actor"])
@pytest.mark.parametrize("register", [on_app, in_nested_blueprint])
@pytest.mark.parametrize(("kind", "foreign"), COMBINATIONS)
def test_what_the_function_gives_holds_on_every_kind_of_view(shop, kind, foreign, register, key):
    """For each caller, in whichever form the view comes."""
    shop.app.config["RATES"] = "2/minute"
    register(shop.app, KINDS[kind](FOREIGN[foreign](rate_limit(rates_of, key=key))))
    assert shop.statuses(3) == [200, 200, 429]
    assert shop.statuses(3, address="10.0.0.2") == [200, 200, 429]


@pytest.mark.parametrize("function", [rates_of, rates_of_later, RatesOf(), lambda: rates_of()])  # noqa: PLW0108 - another kind of function
@pytest.mark.parametrize("make", [plain_view, plain_async_view])
def test_a_function_may_be_of_any_kind(counted_shop, function, make):
    """Async, an object, a lambda; under views of both kinds, and hidden from the route too."""
    counted_shop.app.config["RATES"] = "1/minute"
    counted_shop.route(rate_limit(function)(make()))
    counted_shop.route(hiding(rate_limit(function)(plain_view())), "/hidden")
    assert counted_shop.statuses(2) == [200, 429]
    assert counted_shop.statuses(2, "/hidden") == [200, 429]


def test_other_rates_begin_anew_and_none_is_no_limit(counted_shop):
    """Asked in each request; who goes back to the former rates finds what was counted."""
    counted_shop.route(rate_limit(rates_of, key="address")(plain_view()))
    statuses = {}
    for number, text in enumerate(["1/minute", "2/minute", None, "1/minute", "9/minute; 1/hour"]):
        counted_shop.app.config["RATES"] = text
        statuses[number, text] = counted_shop.statuses(3)
    assert list(statuses.values()) == [
        [200, 429, 429],
        [200, 200, 429],
        [200, 200, 200],
        [429, 429, 429],
        [200, 429, 429],
    ]


def test_the_headers_tell_the_rates_of_this_request(shop):
    """And none where there are none."""
    shop.route(rate_limit(rates_of)(plain_view()))
    shop.app.config["RATES"] = "5/minute; 9/hour"
    assert shop.ask().headers["RateLimit-Policy"] == '"actor-minute";q=5;w=60, "actor-hour";q=9;w=3600'
    shop.app.config["RATES"] = "7 per 90 seconds"
    assert shop.ask().headers["RateLimit-Policy"] == '"actor";q=7;w=90'
    shop.app.config["RATES"] = None
    assert "RateLimit" not in shop.ask().headers


def test_it_may_ask_who_calls(counted_shop):
    """In a limit by actor and in one by address, which is decided before anybody else asks for credentials."""

    def by_plan():
        return "3/minute" if current_actor.has_role("partner") else "1/minute"

    for path, key in (("/actor", "actor"), ("/address", "address")):
        counted_shop.route(rate_limit(by_plan, key=key)(require_auth(plain_view())), path)
    for path in ("/actor", "/address"):
        asked = {"path": path, "address": "10.0.0.1"}
        assert counted_shop.statuses(4, **asked, actor="7", roles=("partner",)) == [200, 200, 200, 429]
        asked["address"] = "10.0.0.2"
        assert counted_shop.statuses(2, **asked, actor="8") == [200, 429]
    assert counted_shop.statuses(2, "/address", address="10.0.0.3") == [401, 429]
    # What a function raises is the answer, as anywhere: there are no rates to count by.
    assert counted_shop.statuses(2, "/address", actor="forged", address="10.0.0.4") == [401, 401]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_where_it_fails_the_other_limits_count_all_the_same(counted_shop, is_first, waits):
    """Else who sends wrong tokens would be free to go on; in whichever order, decided early or after authentication."""

    def by_plan():
        return "3/minute" if current_actor.has_role("partner") else "1/minute"

    limits = [rate_limit(by_plan, key="address"), rate_limit("2/minute", key="address")]
    if waits:
        limits.append(rate_limit("9/minute"))
    view = require_auth(plain_view())
    for limit in limits if is_first else limits[::-1]:
        view = limit(view)
    counted_shop.route(view)
    assert counted_shop.statuses(3, actor="forged") == [401, 401, 429]


def test_it_is_asked_once_a_request(shop):
    """Also where the limit waits for authentication, and not for who is never limited."""
    asked = []

    def noted():
        asked.append(1)
        return "5/minute"

    view = rate_limit(noted, key="address")(rate_limit("9/minute")(require_auth(plain_view())))
    shop.route(view)
    for actor, status in (("7", 200), ("forged", 401)):
        asked.clear()
        assert shop.status(actor=actor) == status
        assert len(asked) == 1


def test_an_exempt_address_asks_nothing(make_shop):
    """There is nothing to be counted."""
    shop = make_shop(BACKEND_LIMITS_EXEMPT_ADDRESSES="10.0.0.0/8")
    shop.route(rate_limit(lambda: pytest.fail("asked"), key="address")(plain_view()))
    assert shop.statuses(2) == [200, 200]


def test_it_is_given_the_paths_arguments(shop):
    """By name, as `cost=` is; one that the path does not have is told."""
    shop.route(rate_limit(lambda plan: f"{plan}/minute")(lambda plan: {"plan": plan}), "/plans/<int:plan>")
    shop.route(rate_limit(lambda shop_id: f"{shop_id}/minute")(plain_view()))
    shop.app.testing = True
    assert shop.statuses(2, "/plans/1") == [200, 429]
    assert shop.statuses(3, "/plans/2") == [200, 200, 429]
    with pytest.raises(SetupError, match="takes 'shop_id'"):
        shop.ask()


def test_cost_and_when_go_with_it(shop):
    """A cost above what it gives never fits, and does not say when it would."""
    shop.app.config["RATES"] = "4/minute"
    shop.route(rate_limit(rates_of, cost=3)(plain_view()), "/costs")
    shop.route(rate_limit(rates_of, cost=5)(plain_view()), "/never")
    shop.route(rate_limit(rates_of, when=lambda: False)(plain_view()), "/free")
    assert shop.statuses(2, "/costs") == [200, 429]
    assert "Retry-After" not in shop.ask("/never").headers
    assert shop.statuses(6, "/free") == [200] * 6


@pytest.mark.parametrize("key", ["address", "actor"])
@pytest.mark.parametrize("value", ["often", "", "0/minute", 5, True, 0, b"5/minute", ["5/minute"], ()])
def test_what_is_no_rate_is_an_error_of_the_app(shop, value, key):
    """A 500 with the function's name in the log, never a route without a limit."""
    shop.app.config["RATES"] = value
    shop.route(rate_limit(rates_of, key=key)(plain_view()))
    assert shop.statuses(2) == [500, 500]
    shop.app.testing = True
    with pytest.raises(ValueError, match=r"rates_of\(\) of a rate limit gave no rates: .*expected"):
        shop.ask()
    shop.app.config["RATES"] = "1/minute"
    assert shop.statuses(2) == [200, 429]


def test_what_it_raises_passes_through(shop):
    """It is the app's own error."""
    shop.route(rate_limit(lambda: 1 / 0)(plain_view()))
    shop.app.testing = True
    with pytest.raises(ZeroDivisionError):
        shop.ask()


def test_a_refusal_is_asked_again_each_time(counted_shop):
    """The front does not answer by itself: a caller who is given more is let in at once."""
    counted_shop.app.config["RATES"] = "1/minute"
    counted_shop.route(rate_limit(rates_of, key="address")(plain_view()))
    assert counted_shop.statuses(4) == [200, 429, 429, 429]
    counted_shop.app.config["RATES"] = "2/minute"
    assert counted_shop.statuses(3) == [200, 200, 429]


def test_it_stands_beside_others(counted_shop):
    """All of a route hold, all or none are charged."""
    counted_shop.app.config["RATES"] = "1/minute"
    counted_shop.route(rate_limit("3/minute")(rate_limit(rates_of, key="address")(plain_view())))
    assert counted_shop.statuses(3) == [200, 429, 429]
    counted_shop.app.config["RATES"] = None
    assert counted_shop.statuses(3) == [200, 200, 429]


def test_a_blueprint_takes_it(shop):
    """And `rate_limit(None)` takes a view out of it."""
    shop.app.config["RATES"] = "1/minute"
    blueprint = Blueprint("api", "api")
    blueprint.get("/a")(plain_view())
    blueprint.get("/b")(rate_limit(None)(plain_view()))
    rate_limit(rates_of, key="address")(blueprint)
    shop.app.register_blueprint(blueprint)
    assert shop.statuses(2, "/a") == [200, 429]
    assert shop.statuses(2, "/b") == [200, 200]


@rate_limit(lambda to: f"{len(to)}/hour", key=lambda to: to)
def send(to):
    return to


@rate_limit(lambda to: f"{len(to)}/hour", key=lambda to: to)
async def send_later(to):
    return to


def refusals(call, *values):
    found = []
    for value in values:
        try:
            call(value)
        except RateLimitError:
            found.append(value)
    return found


@rate_limit(lambda pages: f"{pages}/hour")
def export(pages):
    return pages


def test_alone_it_is_given_that_too(shop):
    """Where no other function of the limit asks for arguments: each of its texts counts for itself."""
    with shop.app.app_context():
        assert refusals(export, 1, 2, 1, 2, 2) == [1, 2]


@pytest.mark.parametrize("call", [send, lambda to: asyncio.run(send_later(to))], ids=["sync", "async"])
@pytest.mark.parametrize("is_in_request", [False, True])
def test_on_a_function_it_is_given_what_that_is_called_with(counted_shop, call, is_in_request):
    """In a request and outside."""
    app = counted_shop.app
    with app.test_request_context("/") if is_in_request else app.app_context():
        assert refusals(call, "a", "bb", "a", "bb", "bb") == ["a", "bb"]


def enter(name):
    with rate_limit(rates_of, name=name):
        return True


async def enter_later(name):
    async with rate_limit(rates_of, name=name):
        return True


def enter_lambda(name):
    with rate_limit(lambda: current_app.config["RATES"], name=name):
        return True


@pytest.mark.parametrize("name", [None, "block"])
@pytest.mark.parametrize("call", [enter, lambda name: asyncio.run(enter_later(name)), enter_lambda])
def test_a_block_takes_it(counted_shop, call, name):
    """Also one that makes the function anew each time that it is entered."""
    counted_shop.app.config["RATES"] = "2/minute"
    with counted_shop.app.app_context():
        assert refusals(lambda _: call(name), 1, 2, 3, 4) == [3, 4]


def test_one_name_has_one_function(shop):
    """Or one text: what is counted together has the same rates."""
    shop.app.config["RATES"] = "5/minute"
    shop.app.testing = True
    shop.route(rate_limit(rates_of, name="mail")(plain_view()), "/a")
    shop.route(rate_limit(rates_of, name="mail")(plain_view()), "/b")
    shop.route(rate_limit("5/minute", name="mail")(plain_view()), "/c")
    shop.route(rate_limit(RatesOf(), name="mail")(plain_view()), "/d")
    assert [shop.status("/a"), shop.status("/b")] == [200, 200]
    with pytest.raises(SetupError, match=r"is 5/minute .* and .*rates_of elsewhere"):
        shop.ask("/c")
    with pytest.raises(SetupError, match=r"RatesOf .* elsewhere"):
        shop.ask("/d")


@pytest.mark.parametrize(
    ("rates", "options", "match"),
    [
        (rates_of, {"tiers": {"partner": "9/minute"}}, "a function can ask itself"),
        (rates_of, {"key": "somebody"}, "key="),
        (RatesOf, {}, "no function"),
        (str, {}, "no function"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(rates, options, match):
    """When the decorator is made."""
    with pytest.raises(SetupError, match=match):
        rate_limit(rates, **options)


def test_a_decorator_without_its_parentheses_leaves_no_view_unlimited(shop):
    """`@rate_limit` alone takes the view for its rates: what it gives is no view, however it is routed."""
    with pytest.raises(SetupError, match="100/minute"):
        shop.app.get("/y")(rate_limit(plain_view()))
    shop.route(rate_limit(plain_view()))
    shop.route(rate_limit(plain_view()), "/targets/<target>")
    assert [shop.status(), shop.status("/targets/7")] == [500, 500]


def test_the_audit_and_the_document_show_it(make_shop):
    """By the name of the function."""
    shop = make_shop(API_TITLE="shop", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    blueprint = Blueprint("api", "api")
    blueprint.get("/a")(rate_limit(rates_of)(plain_view()))
    blueprint.get("/b")(rate_limit(RatesOf(), key="address")(plain_view()))
    Api(shop.app).register_blueprint(blueprint)
    said = {entry.rule: entry.columns.get("limit") for entry in route_table(shop.app)}
    assert (said["/a"], said["/b"]) == ("rates_of() by actor", "custom() by address")
    paths = shop.app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()["paths"]
    assert "RateLimit" in paths["/a"]["get"]["responses"]["429"]["headers"]


def test_an_operator_sees_and_lifts_what_it_counted(make_shop, redis_url):
    """`flask backend limits show` and `clear`."""
    shop = make_shop(BACKEND_REDIS_URL=redis_url)
    shop.app.config["RATES"] = "1/minute; 9/hour"
    shop.route(rate_limit(rates_of, key="address")(plain_view()))
    assert shop.statuses(2) == [200, 429]
    shown = shop.app.test_cli_runner().invoke(args=["backend", "limits", "show", "address:10.0.0.1"])
    assert shown.exit_code == 0, shown.output
    assert "GET x by address: 1 of 1 in 60 s" in shown.output
    assert "GET x by address: 1 of 9 in 3600 s" in shown.output
    done = shop.app.test_cli_runner().invoke(args=["backend", "limits", "clear", "address:10.0.0.1"])
    assert done.exit_code == 0, done.output
    shop.state.limits.refusals.hear(None)  # the feed's delivery has tests of its own
    assert shop.status() == 200
