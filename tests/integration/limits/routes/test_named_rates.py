"""`BACKEND_LIMITS_RATES`: rates by name, in place of what the code says."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_smorest import Api

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    ConfigError,
    RateLimitError,
    SetupError,
    route_table,
)
from flask_backend_patterns.limits import rate_limit
from tests.kinds_of_views import COMBINATIONS, FOREIGN, KINDS, plain_view


def named(make_shop, _redis=None, **rates):
    return make_shop(BACKEND_LIMITS_RATES=rates, **(_redis or {}))


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """Where is counted."""
    return {} if request.param == "memory" else {"BACKEND_REDIS_URL": request.getfixturevalue("redis_url")}


@pytest.mark.parametrize(("kind", "foreign"), COMBINATIONS)
def test_a_name_takes_its_rates_on_every_kind_of_view(make_shop, kind, foreign):
    """Where the code says none."""
    shop = named(make_shop, checkout="2/minute; 3/hour")
    view = KINDS[kind](FOREIGN[foreign](rate_limit(name="checkout", key="address")))
    shop.app.add_url_rule("/x", "x", view)
    assert shop.statuses(3) == [200, 200, 429]
    assert shop.ask().headers["RateLimit-Policy"] == '"checkout-minute";q=2;w=60, "checkout-hour";q=3;w=3600'


@pytest.mark.parametrize("rates", ["9/minute", "1/hour", lambda: "9/minute", lambda: None, ...])
def test_the_setting_comes_before_the_code(make_shop, store, rates):
    """Before a text, a function, and nothing; on routes and in blocks, which count together."""
    shop = named(make_shop, store, checkout="2/minute")
    shop.route(rate_limit(rates, name="checkout", key="address")(plain_view()))
    shop.route(rate_limit(name="checkout", key="address")(plain_view()), "/y")
    assert [shop.status(), shop.status("/y"), shop.status(), shop.status("/y")] == [200, 200, 429, 429]
    with shop.app.app_context():
        for _ in range(2):
            with rate_limit(rates, name="checkout"):
                pass
        with pytest.raises(RateLimitError), rate_limit(rates, name="checkout"):
            pass


def test_what_the_setting_has_not_is_as_the_code_says(make_shop):
    """Other names, and limits without one."""
    shop = named(make_shop, checkout="9/minute")
    shop.route(rate_limit("1/minute", name="Checkout", key="address")(plain_view()))
    shop.route(rate_limit("1/minute", key="address")(plain_view()), "/y")
    assert shop.statuses(2) == shop.statuses(2, "/y") == [200, 429]


def test_tiers_stay_and_the_setting_is_for_all_others(make_shop):
    """It has no rates by role."""
    shop = named(make_shop, checkout="1/minute")
    shop.route(rate_limit("5/minute", name="checkout", tiers={"partner": "2/minute"})(plain_view()))
    assert shop.statuses(2, actor="7") == [200, 429]
    assert shop.statuses(3, actor="8", roles=("partner",)) == [200, 200, 429]


def test_a_blueprint_and_a_function_take_a_name(make_shop):
    """As they take rates."""
    shop = named(make_shop, pages="1/minute", mail="2/minute")
    blueprint = Blueprint("api", "api")
    blueprint.get("/a")(plain_view())
    rate_limit(name="pages", key="address")(blueprint)
    shop.app.register_blueprint(blueprint)
    send = rate_limit(name="mail", key=lambda: "all")(lambda: "sent")
    shop.route(lambda: send(), "/mail")  # noqa: PLW0108 - another function on purpose
    assert shop.statuses(2, "/a") == [200, 429]
    assert shop.statuses(3, "/mail") == [200, 200, 429]


def test_each_app_has_its_own(make_shop, redis_url):
    """The same view, in one process and one Redis: routed, counted and shown by what each app says."""
    view = rate_limit("3/minute", name="checkout", key="address")(plain_view())
    shops = {
        name: make_shop(BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_NAMESPACE=name, BACKEND_LIMITS_RATES=rates)
        for name, rates in {
            "one": {"checkout": "1/minute"},
            "two": {"checkout": "2/minute"},
            "none": None,
        }.items()
    }
    for shop in shops.values():
        shop.route(view)
    assert shops["one"].statuses(4) == [200, 429, 429, 429]
    assert shops["two"].statuses(4) == [200, 200, 429, 429]
    assert shops["none"].statuses(4) == [200, 200, 200, 429]
    said = [next(e.columns["limit"] for e in route_table(s.app) if e.rule == "/x") for s in shops.values()]
    assert said == ["1/minute by address", "2/minute by address", "3/minute by address"]


@pytest.mark.parametrize(("rates", "known"), [(None, "nothing"), ({"chekout": "1/minute"}, "'chekout'")])
def test_a_name_that_the_setting_lacks_is_told(make_shop, rates, known):
    """With the setting, what it has, and what to write; on a route and in a block."""
    shop = make_shop(BACKEND_LIMITS_RATES=rates)
    shop.route(rate_limit(name="checkout", key="address")(plain_view()))
    assert shop.status() == 500
    shop.app.testing = True
    told = rf"name='checkout'.*BACKEND_LIMITS_RATES, which has {known}: set BACKEND_LIMITS_RATES = "
    for _ in range(2):
        with pytest.raises(SetupError, match=told):
            shop.ask()
    with shop.app.app_context(), pytest.raises(SetupError, match=told), rate_limit(name="checkout"):
        pytest.fail("not entered")


def test_without_limits_there_is_nothing_to_take(make_shop):
    """BACKEND_LIMITS_ENABLED = False switches off what has no rates too."""
    shop = make_shop(BACKEND_LIMITS_ENABLED=False)
    shop.route(rate_limit(name="checkout")(plain_view()))
    assert shop.statuses(3) == [200, 200, 200]


def test_a_cost_that_never_fits_is_told(make_shop):
    """As where the code says both."""
    shop = named(make_shop, checkout="9/minute; 2/second")
    shop.route(rate_limit("90/minute", name="checkout", cost=3)(plain_view()))
    shop.app.testing = True
    with pytest.raises(SetupError, match=r"cost=3, which never fits into 9/minute, 2/second of BACKEND"):
        shop.ask()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"checkout": "often"}, r"BACKEND_LIMITS_RATES\['checkout'\]: 'often' is no rate; expected"),
        ({"checkout": 5}, r"\['checkout'\]: rates are a text, not 5"),
        ({"checkout": None}, r"\['checkout'\]: rates are a text, not None"),
        ({"checkout": ["5/minute"]}, r"\['checkout'\]: rates are a text"),
        ({"": "5/minute"}, "'' is no name"),
        ({5: "5/minute"}, "5 is no name"),
        ({"x" * 65: "5/minute"}, "is no name"),
        (["5/minute"], "expected rates by name"),
        ("5/minute", "BACKEND_LIMITS_RATES is '5/minute'"),
    ],
)
def test_what_is_wrong_is_told_at_the_start(value, told):
    """`ConfigError`, with what would be right."""
    app = Flask("wrong")
    app.config["BACKEND_LIMITS_RATES"] = value
    with pytest.raises(ConfigError, match=told):
        BackendPatterns(app)


def test_everything_wrong_is_told_at_once():
    """Each name for itself."""
    app = Flask("wrong")
    app.config["BACKEND_LIMITS_RATES"] = {"a": "often", "b": "5/minute", "c": "seldom"}
    with pytest.raises(ConfigError) as error:
        BackendPatterns(app)
    assert len(error.value.problems) == 2


def test_it_can_be_given_by_the_environment(monkeypatch):
    """As JSON, as Flask reads it."""
    monkeypatch.setenv("FLASK_BACKEND_LIMITS_RATES", '{"checkout": "1/minute"}')
    app = Flask("shop")
    app.config.from_prefixed_env()
    BackendPatterns(app)
    app.add_url_rule("/x", "x", rate_limit("5/minute", name="checkout")(plain_view()))
    assert [app.test_client().get("/x").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("called", [{}, {"key": "address"}, {"tiers": {"partner": "5/minute"}}])
def test_neither_rates_nor_a_name_is_refused(called):
    """Where it is written."""
    with pytest.raises(SetupError, match="BACKEND_LIMITS_RATES"):
        rate_limit(**called)


def test_a_name_that_nothing_has_is_told_once(make_shop, recorder):
    """When the first route is read; names of views, methods, functions and blueprints are all known."""
    declared = [f"declared {kind}" for kind in ("view", "function", "blueprint")]
    shop = named(make_shop, **dict.fromkeys([*declared, "misspelled"], "9/minute"))
    shop.route(rate_limit("5/minute", name=declared[0])(plain_view()))
    shop.route(rate_limit("5/minute")(plain_view()), "/other")
    rate_limit(name=declared[1])(lambda: "sent")
    rate_limit(name=declared[2])(Blueprint("api", "api"))
    assert recorder.named("limits_rates_unused") == []
    for path in ("/x", "/other"):
        shop.statuses(2, path)
    (told,) = recorder.named("limits_rates_unused")
    assert told["names"] == ["misspelled"]
    assert "BACKEND_LIMITS_RATES" in told["hint"]


def test_nothing_is_told_where_all_names_are_used(make_shop, recorder):
    """Nor where there are none."""
    for rates in ({"used": "9/minute"}, {}, None):
        shop = make_shop(BACKEND_LIMITS_RATES=rates)
        shop.route(rate_limit("5/minute", name="used")(plain_view()))
        shop.statuses(2)
    assert recorder.named("limits_rates_unused") == []


def test_the_audit_and_the_document_show_what_holds(make_shop):
    """The rates of the setting; where they are not known, where they would be."""
    shop = make_shop(
        BACKEND_LIMITS_RATES={"checkout": "1/minute; 5/hour"},
        API_TITLE="shop",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
    )
    blueprint = Blueprint("api", "api")
    for path, rates in (("/text", "9/minute"), ("/none", ...), ("/function", lambda: "9/minute")):
        blueprint.get(path)(rate_limit(rates, name="checkout")(plain_view()))
    blueprint.get("/unknown")(rate_limit(name="else")(plain_view()))
    Api(shop.app).register_blueprint(blueprint)
    said = {entry.rule: entry.columns.get("limit") for entry in route_table(shop.app)}
    for path in ("/text", "/none", "/function"):
        assert said[path] == "1/minute, 5/hour by actor"
    assert said["/unknown"] == "BACKEND_LIMITS_RATES['else'] by actor"
    paths = shop.app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()["paths"]
    assert all("429" in paths[path]["get"]["responses"] for path in ("/text", "/none", "/unknown"))
    shown = shop.app.test_cli_runner().invoke(args=["backend", "routes"])
    assert "1/minute, 5/hour by actor" in shown.output


def test_an_operator_lifts_it_by_its_name(make_shop, redis_url):
    """`flask backend limits show --name`."""
    shop = make_shop(BACKEND_REDIS_URL=redis_url, BACKEND_LIMITS_RATES={"checkout": "4/minute"})
    shop.route(rate_limit(name="checkout", key="address")(plain_view()))
    assert shop.status() == 200
    arguments = ["backend", "limits", "show", "address:10.0.0.1", "--name", "checkout"]
    shown = shop.app.test_cli_runner().invoke(args=arguments)
    assert "checkout: 1 of 4 in 60 s" in shown.output
