"""A declaration above a plain Flask route is met by no request: the route is shut until it is put right."""

from __future__ import annotations

import functools
import gc
import threading

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask
from flask.views import MethodView

from flask_backend_patterns import BackendPatterns, Blueprint, deprecated, public, require_auth, require_role
from flask_backend_patterns._bypassed import bypassed
from flask_backend_patterns.observability.events import event_of


def make_app(name="bypassed", **config):
    app = Flask(name, static_folder=None)
    app.config.update(JWT_SECRET_KEY="k" * 32, BACKEND_OBSERVABILITY_ACCESS_LOG=False, **config)
    BackendPatterns().init_app(app)
    return app


def foreign(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def above_a_route(app):
    @require_auth
    @app.get("/x")
    def hidden():
        return "open"


def above_a_blueprints_route(app):
    blueprint = FlaskBlueprint("plain", "plain")

    @require_auth
    @blueprint.get("/x")
    def hidden():
        return "open"

    app.register_blueprint(blueprint)


def above_a_route_with_one_below(app):
    @require_role("admin")
    @app.get("/x")
    @deprecated(since=0)
    def hidden():
        return "open"


def above_a_foreign_decorator(app):
    @require_auth
    @foreign
    @app.get("/x")
    def hidden():
        return "open"


def above_an_async_route(app):
    @require_auth
    @app.get("/x")
    async def hidden():
        return "open"


def above_a_class_route(app):
    class Things(MethodView):
        def get(self):
            return "open"

    routed = Things.as_view("things")
    app.add_url_rule("/x", view_func=routed)
    require_auth(routed)


def dropped(app):
    require_auth(app.get("/x", endpoint="dropped")(lambda: "open"))


MISTAKES = [
    above_a_route,
    above_a_blueprints_route,
    above_a_route_with_one_below,
    above_a_foreign_decorator,
    above_an_async_route,
    above_a_class_route,
    dropped,
]


@pytest.mark.parametrize("default", ["allow", "deny"])
@pytest.mark.parametrize("make", MISTAKES, ids=lambda make: make.__name__)
def test_every_request_to_it_is_refused(make, default, caplog):
    """500 for each method, from the first request on; the log says what to move, and other routes go on."""
    app = make_app(BACKEND_AUTH_DEFAULT=default)
    app.get("/fine")(public(reason="fine")(lambda: "fine"))
    make(app)
    gc.collect()
    client = app.test_client()
    for method in ("get", "get", "head", "options"):
        answer = client.open("/x", method=method.upper())
        assert (answer.status_code, b"open" in answer.data) == (500, False)
    assert client.get("/fine").data == b"fine"
    assert client.get("/missing").status_code == 404
    events = [event for event in map(event_of, caplog.records) if event]
    assert len([event for event in events if event["event"] == "declaration_bypassed"]) == 1
    reasons = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert len(reasons) == 4
    assert all("is refused. Put these decorators below" in reason for reason in reasons)


def test_what_is_not_required_shuts_nothing(caplog):
    """`@deprecated` above a route is in the log only: nobody gets in who should not."""
    app = make_app()
    kept = deprecated(since=0)(app.get("/x")(lambda: "fine"))
    assert app.test_client().get("/x").data == b"fine"
    assert "declaration_bypassed" in caplog.text
    assert kept


def test_requests_that_come_together_are_all_refused():
    """Whoever comes while the first one still looks has to wait for it."""
    app = make_app()
    for number in range(300):
        app.add_url_rule(f"/{number}", f"e{number}", lambda: "")
    above_a_route(app)
    together, statuses = threading.Barrier(8), []

    def ask():
        client = app.test_client()
        together.wait()
        statuses.append(client.get("/x").status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [500] * 8


# --- What only looks like it --------------------------------------------------------------------------------------


def stacked(app):
    app.get("/x")(public(reason="a")(deprecated(since=0)(public(reason="b")(lambda: "fine"))))


def open_beside_closed(app):
    def both():
        return "fine"

    closed = require_auth(require_role("a")(both))
    app.add_url_rule("/x", "open", both)
    app.add_url_rule("/closed", "closed", closed)


def open_beside_closed_over_a_foreign_one(app):
    def both():
        return "fine"

    app.add_url_rule("/x", "open", both)
    app.add_url_rule("/closed", "closed", require_auth(foreign(require_role("a")(both))))


def guarded_by_a_blueprint(app):
    def both():
        return "fine"

    blueprint = FlaskBlueprint("closed", "closed", url_prefix="/closed")
    require_auth(blueprint)
    blueprint.add_url_rule("/x", "x", require_role("a")(both))
    app.register_blueprint(blueprint)
    app.add_url_rule("/x", "open", both)


def with_decorators_of_our_blueprint(app):
    blueprint = Blueprint("ours", "ours")

    @blueprint.get("/x")
    @public(reason="a")
    @blueprint.response(200)
    @deprecated(since=0)
    def fine():
        return "fine"

    app.register_blueprint(blueprint)


def on_a_class(app):
    @public(reason="a")
    class Things(MethodView):
        @deprecated(since=0)
        def get(self):
            return "fine"

    app.add_url_rule("/x", view_func=Things.as_view("things"))


@pytest.mark.parametrize(
    "make",
    [
        stacked,
        open_beside_closed,
        open_beside_closed_over_a_foreign_one,
        guarded_by_a_blueprint,
        with_decorators_of_our_blueprint,
        on_a_class,
    ],
    ids=lambda make: make.__name__,
)
def test_guards_that_are_met_or_replaced_shut_nothing(make, caplog):
    """Stacked decorators replace each other's guards, and one view may have an open and a closed route."""
    app = make_app()
    make(app)
    assert b"fine" in app.test_client().get("/x").data
    assert bypassed(app) == {}
    assert "declaration_bypassed" not in caplog.text


@pytest.mark.parametrize("first", ["open", "closed"])
def test_a_view_may_be_open_in_one_app_and_closed_in_another(first):
    """As a factory makes them, whichever comes first; also when the other app has served and is gone."""
    apps = {}

    def view():
        return "open"

    def make(kind):
        app = apps[kind] = make_app(kind)
        owner_of = {"closed": lambda: require_role(kind)(view), "open": lambda: view}
        app.add_url_rule("/x", "x", owner_of[kind]())

    second = {"open": "closed", "closed": "open"}[first]
    make(first)
    make(second)
    for kind in (second, first):
        assert apps[kind].test_client().get("/x").status_code == (401 if kind == "closed" else 200)
    apps.clear()
    gc.collect()
    make("open")
    assert apps["open"].test_client().get("/x").status_code == 200


def test_views_made_by_a_factory_are_each_apps_own():
    """The same code, run for several apps: each is judged by its own routes."""

    def make(*, is_wrong):
        app = make_app()

        def local():
            return "open"

        if is_wrong:
            require_auth(app.get("/x")(local))
        else:
            app.get("/x")(require_auth(local))
        return app

    apps = [make(is_wrong=number % 2 == 0) for number in range(4)]
    assert [app.test_client().get("/x").status_code for app in apps] == [500, 401, 500, 401]
