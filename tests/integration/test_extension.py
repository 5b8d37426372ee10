"""`init_app` itself: what it leaves behind, several apps, extension objects that are there already."""

from __future__ import annotations

import logging
import signal

import pytest
from flask import Flask
from flask_caching import Cache
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    ConfigError,
    NotFoundError,
    SetupError,
    extension,
)


def snapshot(app: Flask) -> dict[str, object]:
    """Everything `init_app` could touch, in comparable form."""
    hooks = {name: _plain(value) for name, value in vars(app).items() if isinstance(value, (dict, list, set))}
    logger = logging.getLogger("flask_backend_patterns")
    return {
        "hooks": hooks,
        "attributes": sorted(vars(app)),
        "methods": (app.wsgi_app, app.handle_user_exception, app.handle_exception),
        "routes": sorted(map(repr, app.url_map.iter_rules())),
        "commands": sorted(app.cli.commands),
        "logging": (list(logger.handlers), logger.level),
        "signal": signal.getsignal(signal.SIGTERM),
    }


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, (list, set)) else value


def busy_app(**config) -> Flask:
    app = Flask("busy")
    app.config.update(
        BACKEND_SECURITY_COMPRESSION=True,
        BACKEND_SECURITY_CORS_ORIGINS=["https://a.example"],
        BACKEND_SECURITY_TRUSTED_HOSTS=["localhost"],
        BACKEND_SECURITY_TRUSTED_PROXIES=1,
        BACKEND_HEALTH_DRAIN_SECONDS=1,
        **config,
    )
    app.before_request(lambda: None)
    app.after_request(lambda response: response)
    app.register_error_handler(404, lambda _error: ("page", 404))
    app.add_url_rule("/health/x", "x", lambda: "x")
    return app


@pytest.mark.parametrize(
    "step", ["errors.install", "security.install", "observability.install", "health.install"]
)
def test_a_failed_init_app_leaves_no_trace(step, monkeypatch):
    """Whichever step fails: extensions, routes, hooks, config, logging and signals are as before; a second call works."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a fresh process, without pytest's
    monkeypatch.setattr(logging.getLogger("flask_backend_patterns"), "handlers", [])
    logging.getLogger("flask_backend_patterns").setLevel(logging.NOTSET)
    app = busy_app()
    before = snapshot(app)
    feature, name = step.split(".")

    def broken(*args):
        getattr(real, name)(*args)
        raise OSError("disk on fire")

    real = getattr(extension, feature)
    fake = type("Broken", (), {**vars(real), name: staticmethod(broken)})
    with monkeypatch.context() as patch:
        patch.setattr(extension, feature, fake)
        with pytest.raises(OSError, match="disk on fire"):
            BackendPatterns().init_app(app)
    assert snapshot(app) == before

    previous = signal.getsignal(signal.SIGTERM)
    try:
        BackendPatterns().init_app(app)
        assert app.test_client().get("/health/live").status_code == 200
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_every_wrong_setting_is_told_at_once_and_a_corrected_call_works():
    """One error lists all faults; nothing is left; the corrected call succeeds."""
    app = Flask("wrong")
    app.config.update(
        BACKEND_HEALTH_TIMEOUT_SECONDS="soon",
        BACKEND_ERRORS_FORMAT="xml",
        BACKEND_ERROR_FORMAT="problem",
        BACKEND_JOBS_QUEUES=["default"],
        BACKEND_SECURITY_CORS_ORIGINS="*",
        BACKEND_SECURITY_CORS_CREDENTIALS=True,
    )
    before = snapshot(app)
    with pytest.raises(ConfigError) as caught:
        BackendPatterns().init_app(app)
    assert len(caught.value.problems) == 5
    text = str(caught.value)
    assert "BACKEND_ERROR_FORMAT is not a setting; did you mean BACKEND_ERRORS_FORMAT?" in text
    assert "BACKEND_HEALTH_TIMEOUT_SECONDS is 'soon'; expected a number" in text
    assert snapshot(app) == before
    for key in [key for key in app.config if key.startswith("BACKEND_")]:
        del app.config[key]
    BackendPatterns().init_app(app)


def test_calling_twice_on_one_app_says_so():
    """The second call is an error, from the same instance and from another."""
    patterns, app = BackendPatterns(), Flask("twice")
    patterns.init_app(app)
    for again in (patterns, BackendPatterns()):
        with pytest.raises(SetupError, match="already on this app"):
            again.init_app(app)


def test_too_late_is_said():
    """After the first request Flask takes no more hooks; the message says where to call."""
    app = Flask("late")
    app.test_client().get("/")
    with pytest.raises(SetupError, match="served a request already"):
        BackendPatterns().init_app(app)
    assert "backend_patterns" not in app.extensions


@pytest.mark.parametrize("rule", ["/health/live", "/health/ready/"])
def test_a_taken_path_is_an_error_that_names_the_way_out(rule):
    """A2: a collision is found when building, and the prefix moves ours away."""
    app = Flask("taken")
    app.add_url_rule(rule, "mine", lambda: "mine")
    before = snapshot(app)
    with pytest.raises(SetupError, match="BACKEND_HEALTH_PREFIX"):
        BackendPatterns().init_app(app)
    assert snapshot(app) == before
    app.config["BACKEND_HEALTH_PREFIX"] = "/ops/health"
    BackendPatterns().init_app(app)
    client = app.test_client()
    assert client.get("/ops/health/live").status_code == 200
    assert client.get(rule).data == b"mine"


def test_a_route_that_comes_later_counts():
    """A2: whoever adds the same path after us gets the requests; nothing of ours is in the app's route table."""
    app = Flask("later")
    before = list(app.url_map.iter_rules())
    BackendPatterns().init_app(app)
    assert list(app.url_map.iter_rules()) == before
    app.add_url_rule("/health/live", "mine", lambda: "mine")
    assert app.test_client().get("/health/live").data == b"mine"
    assert app.test_client().get("/health/ready").json == {"status": "pass"}


def shop() -> Blueprint:
    blueprint = Blueprint("shop", "shop", url_prefix="/shop")

    def missing():
        raise NotFoundError("gone")

    blueprint.route("/missing")(missing)
    return blueprint


def test_one_instance_serves_three_apps_by_their_own_config():
    """L5's kin: settings, formats and features of one app never reach another; one app has everything disabled."""
    patterns = BackendPatterns()
    envelope, problem, off = Flask("envelope"), Flask("problem"), Flask("off")
    problem.config.update(
        BACKEND_ERRORS_FORMAT="problem",
        BACKEND_HEALTH_PREFIX="/status",
        BACKEND_SECURITY_REFERRER_POLICY="no-referrer",
        BACKEND_SECURITY_CORS_ORIGINS=["https://b.example"],
    )
    features = ("API", "ERRORS", "OBSERVABILITY", "SECURITY", "HEALTH", "JOBS", "IDEMPOTENCY", "AUTH")
    for feature in (*features, "LIMITS", "CACHE"):
        off.config[f"BACKEND_{feature}_ENABLED"] = False
    untouched = (off.wsgi_app, off.handle_exception, off.handle_user_exception)
    for app in (envelope, problem, off):
        patterns.init_app(app)
        app.register_blueprint(shop())

    first, second, third = (app.test_client().get("/shop/missing") for app in (envelope, problem, off))
    assert (first.mimetype, first.headers["Referrer-Policy"]) == (
        "application/json",
        "strict-origin-when-cross-origin",
    )
    assert (second.mimetype, second.headers["Referrer-Policy"]) == ("application/problem+json", "no-referrer")
    assert third.status_code == 500  # our exception without our handling is any exception
    assert {name for name, _ in third.headers} == {"Content-Type", "Content-Length"}
    assert untouched == (off.wsgi_app, off.handle_exception, off.handle_user_exception)

    def statuses(path):
        return [app.test_client().get(path).status_code for app in (envelope, problem, off)]

    assert statuses("/health/live") == [200, 404, 404]
    assert statuses("/status/live") == [404, 200, 404]
    origin = {"Origin": "https://b.example"}
    allowed = [
        app.test_client().get("/x", headers=origin).headers.get("Access-Control-Allow-Origin")
        for app in (envelope, problem, off)
    ]
    assert allowed == [None, "https://b.example", None]
    assert vars(patterns).keys() == vars(BackendPatterns()).keys()


OTHERS = {
    "db": SQLAlchemy,
    "api": Api,
    "jwt": JWTManager,
    "limiter": lambda: Limiter(lambda: "key", storage_uri="memory://"),
    "cache": lambda: Cache(config={"CACHE_TYPE": "SimpleCache"}),
}


def app_for_others() -> Flask:
    app = Flask("others")
    app.config.update(
        SQLALCHEMY_DATABASE_URI="sqlite://",
        API_TITLE="t",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        JWT_SECRET_KEY="k" * 32,
    )
    return app


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("name", OTHERS)
def test_extension_objects_are_found_in_either_order_and_never_set_up_by_us(
    name, given, ours_first, monkeypatch
):
    """The app's object is used: found or handed over, set up before or after us, its `init_app` called by the app only."""
    app, other = app_for_others(), OTHERS[name]()
    calls = []
    real = type(other).init_app
    monkeypatch.setattr(
        type(other), "init_app", lambda self, *args, **kw: (calls.append(self), real(self, *args, **kw))[1]
    )
    patterns = BackendPatterns(**({name: other} if given else {}))
    for step in (patterns, other) if ours_first else (other, patterns):
        step.init_app(app)
    assert app.extensions["backend_patterns"].wrapped.find(app, name) is other
    assert calls == [other]


@pytest.mark.parametrize("name", OTHERS)
def test_another_object_than_the_apps_is_refused(name):
    """Handing over one object while the app was set up with another is a mistake that is said."""
    app, mine, other = app_for_others(), OTHERS[name](), OTHERS[name]()
    mine.init_app(app)
    with pytest.raises(ConfigError, match=f"given {name}="):
        BackendPatterns(**{name: other}).init_app(app)


def test_several_objects_need_a_choice():
    """An app with two caches says which is meant."""
    app, one, two = app_for_others(), OTHERS["cache"](), OTHERS["cache"]()
    one.init_app(app)
    two.init_app(app)
    BackendPatterns().init_app(app)
    with pytest.raises(SetupError, match=r"BackendPatterns\(cache=...\)"):
        app.extensions["backend_patterns"].wrapped.find(app, "cache")
    other = app_for_others()
    one.init_app(other)
    two.init_app(other)
    BackendPatterns(cache=two).init_app(other)
    assert other.extensions["backend_patterns"].wrapped.find(other, "cache") is two


def test_an_app_without_them_needs_none():
    """Nothing is required of an app."""
    app = Flask("none")
    BackendPatterns(app)
    assert all(app.extensions["backend_patterns"].wrapped.find(app, name) is None for name in OTHERS)


def test_settings_come_from_the_environment(monkeypatch):
    """`from_prefixed_env` strings are converted: numbers, booleans, lists."""
    monkeypatch.setenv("FLASK_BACKEND_HEALTH_TIMEOUT_SECONDS", "1.5")
    monkeypatch.setenv("FLASK_BACKEND_SECURITY_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("FLASK_BACKEND_OBSERVABILITY_ACCESS_LOG", "off")
    app = Flask("env")
    app.config.from_prefixed_env()
    BackendPatterns().init_app(app)
    settings = app.extensions["backend_patterns"].settings
    assert settings.health.timeout_seconds == 1.5
    assert settings.security.cors_origins == ("https://a.example", "https://b.example")
    assert settings.observability.access_log is False
