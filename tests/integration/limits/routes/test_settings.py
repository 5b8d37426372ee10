"""Defaults by setting, several apps in one process (L5), outages, the document and the audit."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_smorest import Api

from flask_backend_patterns import BackendPatterns, Blueprint, ConfigError, SetupError, route_table
from flask_backend_patterns.limits import rate_limit


def api_blueprint(tmp_path=None):
    blueprint = Blueprint("api", "api", static_folder=tmp_path and str(tmp_path), static_url_path="/files")
    blueprint.get("/a")(lambda: {"a": 1})
    blueprint.post("/a")(lambda: {"a": 1})
    blueprint.get("/own")(rate_limit("9/minute", key="address")(lambda: {"a": 1}))
    blueprint.get("/free")(rate_limit(None)(lambda: {"a": 1}))
    return blueprint


def test_the_default_holds_where_nothing_is_declared(make_shop, tmp_path):
    """For each method of each route of our blueprints apart; not for files, OPTIONS, or what declares its own."""
    (tmp_path / "logo.txt").write_text("logo")
    shop = make_shop(BACKEND_LIMITS_DEFAULT="2/minute")
    shop.app.register_blueprint(api_blueprint(tmp_path))
    assert shop.statuses(3, "/a") == [200, 200, 429]
    assert shop.statuses(3, "/a", method="post") == [200, 200, 429]
    assert shop.statuses(3, "/a", method="options") == [200, 200, 200]
    assert shop.statuses(3, "/files/logo.txt") == [200, 200, 200]
    assert shop.statuses(3, "/free") == [200, 200, 200]
    assert shop.statuses(3, "/own") == [200, 200, 200]


def test_files_are_not_limited_by_what_is_said_of_their_blueprint(make_shop, tmp_path):
    """A page loads many; its routes are limited."""
    (tmp_path / "logo.txt").write_text("logo")
    shop = make_shop()
    blueprint = api_blueprint(tmp_path)
    rate_limit("1/minute", key="address")(blueprint)
    shop.app.register_blueprint(blueprint)
    assert shop.statuses(3, "/files/logo.txt") == [200, 200, 200]
    assert shop.statuses(2, "/a") == [200, 429]


def test_the_default_counts_by_its_key_and_tiers(make_shop):
    """A function too; the default key is the actor."""
    shop = make_shop(BACKEND_LIMITS_DEFAULT="1/minute", BACKEND_LIMITS_DEFAULT_TIERS={"partner": "3/minute"})
    shop.app.register_blueprint(api_blueprint())
    assert shop.statuses(2, "/a", actor="7") == [200, 429]
    assert shop.statuses(4, "/a", actor="8", roles=("partner",)) == [200, 200, 200, 429]
    other = make_shop(BACKEND_LIMITS_DEFAULT="1/minute", BACKEND_LIMITS_DEFAULT_KEY=lambda: "everybody")
    other.app.register_blueprint(api_blueprint())
    assert [other.status("/a", actor="7"), other.status("/a", actor="8")] == [200, 429]


def test_one_limit_on_two_apps_counts_in_each(make_shop, redis_url):
    """L5: the same view on two apps, in one process and one Redis; an app with limits off switches off only itself."""
    limited = rate_limit("1/minute")(lambda: "seen")
    shops = {}
    for name, config in {"a": {}, "b": {}, "off": {"BACKEND_LIMITS_ENABLED": False}}.items():
        shops[name] = make_shop(BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_NAMESPACE=name, **config)
        shops[name].route(limited)
    assert shops["off"].statuses(3) == [200, 200, 200]
    assert shops["a"].statuses(2) == [200, 429]
    assert shops["b"].statuses(2) == [200, 429]
    assert "RateLimit" not in shops["off"].ask().headers


def test_while_redis_is_away_each_process_counts(make_shop, redis_server):
    """R2: the same limits, no 5xx, and back by itself; `fallback` in the metric."""
    redis_server.reset()
    shop = make_shop(BACKEND_REDIS_URL=redis_server.url, BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")
    shop.route(rate_limit("2/minute")(lambda: "seen"))
    assert shop.status() == 200
    redis_server.stop()
    try:
        assert shop.statuses(3) == [200, 200, 429]
        with shop.ask("/metrics") as response:
            assert 'decision="fallback",policy="actor"} 2.0' in response.text
    finally:
        redis_server.reset()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("BACKEND_LIMITS_DEFAULT", "often", "often"),
        ("BACKEND_LIMITS_DEFAULT", "0/minute", "0/minute"),
        ("BACKEND_LIMITS_DEFAULT_KEY", "somebody", "DEFAULT_KEY"),
        ("BACKEND_LIMITS_DEFAULT_KEY", "header:", "DEFAULT_KEY"),
        ("BACKEND_LIMITS_DEFAULT_TIERS", {"partner": "much"}, "much"),
        ("BACKEND_LIMITS_DEFAULT_TIERS", ["partner"], "tiers"),
        ("BACKEND_LIMITS_EXEMPT_ADDRESSES", "10.0.0.0/64", "EXEMPT_ADDRESSES"),
        ("BACKEND_LIMITS_STRATEGY", "guessing", "STRATEGY"),
    ],
)
def test_wrong_settings_are_said_at_start(key, value, said):
    """`ConfigError` names the key, not the first request."""
    app = Flask("shop")
    app.config.update({"BACKEND_LIMITS_DEFAULT": "1/minute", key: value})
    with pytest.raises(ConfigError, match=said):
        BackendPatterns(app)


@pytest.mark.parametrize(
    ("rates", "options"),
    [
        ("often", {}),
        ("", {}),
        (5, {}),
        ("1/minute", {"key": "somebody"}),
        ("1/minute", {"key": "header:"}),
        ("1/minute", {"key": "header:a b"}),
        ("1/minute", {"name": ""}),
        ("1/minute", {"name": "a\nb"}),
        ("1/minute", {"name": "x" * 65}),
        ("1/minute", {"cost": 0}),
        ("1/minute", {"cost": True}),
        ("1/minute", {"when": True}),
        ("1/minute", {"strategy": "guessing"}),
        ("1/minute", {"tiers": {"partner": "much"}}),
        ("1/minute", {"tiers": {"": "1/minute"}}),
        ("1/minute", {"methods": []}),
        ("1/minute", {"methods": ["G T"]}),
    ],
)
def test_wrong_arguments_are_said_where_they_stand(rates, options):
    """When the decorator is made, not at the first request."""
    with pytest.raises(SetupError, match="rate"):
        rate_limit(rates, **options)


def test_without_the_extension_a_limit_says_what_is_missing():
    """A view and a block on an app without BackendPatterns, and a block without an app."""
    with pytest.raises(SetupError, match="app context"), rate_limit("1/minute"):
        pytest.fail("not entered")
    app = Flask("bare")
    with app.app_context(), pytest.raises(SetupError, match="BackendPatterns"), rate_limit("1/minute"):
        pytest.fail("not entered")
    with pytest.raises(SetupError, match="goes on"):
        rate_limit("1/minute")(7)


def test_the_document_has_the_429_and_its_headers(make_shop):
    """Of declared limits and of the default; routes without any do not have it."""
    shop = make_shop(
        BACKEND_LIMITS_DEFAULT="2/minute", API_TITLE="shop", API_VERSION="1", OPENAPI_VERSION="3.1.0"
    )
    Api(shop.app).register_blueprint(api_blueprint())
    paths = shop.app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()["paths"]
    for path, method in (("/a", "get"), ("/a", "post"), ("/own", "get")):
        responses = paths[path][method]["responses"]
        assert set(responses["429"]["headers"]) == {"Retry-After", "RateLimit", "RateLimit-Policy"}
        assert "content" in responses["429"]
    assert "429" not in paths["/free"]["get"]["responses"]


def test_the_audit_shows_the_limits(make_shop):
    """The column `limit` of each route and method."""
    shop = make_shop(
        BACKEND_LIMITS_DEFAULT="100/minute; 2000/hour",
        BACKEND_LIMITS_DEFAULT_TIERS={"partner": "1000/minute"},
    )
    shop.app.register_blueprint(api_blueprint())
    shop.route(
        rate_limit("5/90 seconds", key="header:X-Tenant", methods=["POST"])(lambda: "x"),
        methods=["GET", "POST"],
    )
    said = {(entry.rule, entry.method): entry.columns.get("limit") for entry in route_table(shop.app)}
    default = "default: 100/minute, 2000/hour by actor; partner 1000/minute"
    assert said[("/a", "GET")] == said[("/a", "POST")] == default
    assert said[("/own", "GET")] == "9/minute by address"
    assert said[("/free", "GET")] == "none"
    assert (said[("/x", "GET")], said[("/x", "POST")]) == (None, "5/90 s by header X-Tenant")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"DEFAULT_TIERS": {"partner": "5/minute"}}, "BACKEND_LIMITS_DEFAULT_TIERS"),
        (
            {"DEFAULT": "5/minute", "DEFAULT_KEY": "user"},
            r"'user'; expected actor, address, api_key, header:X-Name",
        ),
        ({"DEFAULT": "5/minute", "DEFAULT_TIERS": {"partner": "often"}}, "'often' is no rate"),
    ],
)
def test_a_setting_that_means_nothing_is_told_at_the_start(config, told):
    """With what would mean something."""
    app = Flask("wrong")
    app.config.update({f"BACKEND_LIMITS_{name}": value for name, value in config.items()})
    with pytest.raises(ConfigError, match=told):
        BackendPatterns(app)


@pytest.mark.parametrize(
    ("config", "events"),
    [
        ({}, 1),
        ({"DEBUG": True}, 0),
        ({"TESTING": True}, 0),
        ({"BACKEND_REDIS_URL": "redis://127.0.0.1:1/0"}, 0),
    ],
)
def test_processes_that_count_for_themselves_say_so_once(make_shop, recorder, config, events):
    """At the first request that is counted, not in development and tests."""
    shop = make_shop(**config)
    shop.route(rate_limit("9/minute")(lambda: "seen"))
    shop.route(lambda: "seen", "/free")
    shop.status("/free")
    assert recorder.named("limits_per_process") == []
    shop.statuses(3)
    assert len(recorder.named("limits_per_process")) == events
