"""`route_table`: every rule and method of an app, with what a request to it really meets."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import flask
import pytest
from flask import Flask
from flask.views import MethodView, View
from flask_smorest import Api
from marshmallow import Schema, fields
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from flask_backend_patterns import BackendPatterns, Blueprint, idempotent
from flask_backend_patterns.audit import Source, route_table
from flask_backend_patterns.auth.declarations import Public, RequirePermission
from flask_backend_patterns.declarations import Declaration, Phase
from flask_backend_patterns.guard import declare

QUIET = {"BACKEND_HEALTH_ENABLED": False}


def needs(permission):
    return declare(RequirePermission(permission=permission))


def make_app(**config):
    app = Flask("audited", **{key: config.pop(key) for key in list(config) if key.islower()})
    app.config.update(QUIET | config)
    BackendPatterns(app)
    return app


def lines(app, *, static=False):
    """`{(method, location): entry}` of an app, without Flask's own static route."""
    entries = route_table(app)
    return {
        (entry.method, entry.location): entry for entry in entries if static or entry.rule[:8] != "/static/"
    }


def permissions(app):
    return {key: entry.columns.get("permission") for key, entry in lines(app).items()}


# --- Methods ------------------------------------------------------------------------------------------------------


def view():
    return "x"


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ({}, ["GET"]),
        ({"methods": ["GET", "HEAD"]}, ["GET"]),
        ({"methods": ["HEAD"]}, ["HEAD"]),
        ({"methods": ["POST"]}, ["POST"]),
        ({"methods": ["GET", "OPTIONS"]}, ["GET", "OPTIONS"]),
        ({"methods": ["OPTIONS"]}, ["OPTIONS"]),
        ({"provide_automatic_options": False}, ["GET"]),
        ({"methods": ["DELETE", "PROPFIND", "post"]}, ["POST", "DELETE", "PROPFIND"]),
    ],
)
def test_methods_flask_adds_by_itself_are_left_out(options, listed):
    """HEAD beside GET, and OPTIONS that no view sees; those that somebody wrote down are listed, in a fixed order."""
    app = make_app()
    app.add_url_rule("/x", view_func=view, **options)
    assert [method for method, _ in lines(app)] == listed


def test_options_are_not_automatic_in_an_app_that_says_so():
    """Then a view with OPTIONS is listed, and one without has none."""
    app = make_app(PROVIDE_AUTOMATIC_OPTIONS=False)
    app.add_url_rule("/x", view_func=view)
    app.add_url_rule("/y", "y", view, methods=["OPTIONS"])
    assert list(lines(app)) == [("GET", "/x"), ("OPTIONS", "/y")]


def test_the_methods_of_a_class_are_judged_one_by_one():
    """With only `get` guarded, `post` and a `head` of its own are undeclared."""

    class Orders(MethodView):
        @needs("orders:read")
        def get(self):
            return "x"

        def head(self):
            return ""

        def post(self):
            return "x"

    app = make_app()
    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    found = lines(app)
    assert {key[0]: entry.declared for key, entry in found.items()} == {
        "GET": True,
        "HEAD": False,
        "POST": False,
    }
    assert found["GET", "/orders"].columns == {"authentication": "required", "permission": "orders:read"}


def test_two_rules_of_one_path_are_judged_one_by_one():
    """Different views of one path, one declared."""
    app = make_app()
    app.add_url_rule("/x", "read", view)
    app.add_url_rule("/x", "write", needs("x:write")(lambda: "x"), methods=["POST"])
    assert permissions(app) == {("GET", "/x"): None, ("POST", "/x"): "x:write"}


def test_a_declaration_that_depends_on_the_method_is_asked_for_each():
    """`@idempotent` says nothing about the GET of its view."""
    app = make_app()
    app.add_url_rule("/x", view_func=idempotent()(lambda: "x"), endpoint="x", methods=["GET", "POST"])
    told = {method: entry.columns.get("idempotency") for (method, _), entry in lines(app).items()}
    assert told == {"GET": None, "POST": "key required"}


# --- Kinds of views -----------------------------------------------------------------------------------------------


def foreign(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def bare_foreign(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    wrapper.__name__ = function.__name__
    return wrapper


async def async_view():
    return "x"


def class_view():
    @needs("x:read")
    class Declared(View):
        def dispatch_request(self):
            return "x"

    return Declared.as_view("x")


def inherited_class_view():
    @needs("x:read")
    class Base(MethodView):
        pass

    class Child(Base):
        def get(self):
            return "x"

    return Child.as_view("x")


VIEWS = {
    "function": lambda: needs("x:read")(lambda: "x"),
    "async": lambda: needs("x:read")(async_view),
    "under a foreign decorator": lambda: foreign(needs("x:read")(lambda: "x")),
    "over a foreign decorator": lambda: needs("x:read")(foreign(lambda: "x")),
    "under one without wraps": lambda: bare_foreign(needs("x:read")(lambda: "x")),
    "under two": lambda: foreign(bare_foreign(needs("x:read")(lambda: "x"))),
    "partial": lambda: functools.partial(needs("x:read")(lambda: "x")),
    "class": class_view,
    "inherited class": inherited_class_view,
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_a_declaration_is_found_on_every_kind_of_view(make):
    """Wherever the guard is, the audit sees it."""
    app = make_app()
    app.add_url_rule("/x", "x", make())
    assert permissions(app) == {("GET", "/x"): "x:read"}


def test_nested_blueprints_have_their_full_rule_and_endpoint():
    """The same blueprint twice is two routes."""
    inner = flask.Blueprint("inner", __name__, url_prefix="/inner")
    inner.add_url_rule("/x", "x", needs("x:read")(lambda: "x"))
    app = make_app()
    for name in ("one", "two"):
        outer = flask.Blueprint(name, __name__, url_prefix=f"/{name}")
        outer.register_blueprint(inner)
        app.register_blueprint(outer)
    assert {location: entry.endpoint for (_, location), entry in lines(app).items()} == {
        "/one/inner/x": "one.inner.x",
        "/two/inner/x": "two.inner.x",
    }
    assert set(permissions(app).values()) == {"x:read"}


def test_a_view_put_in_its_place_later_counts():
    """What is served now, not what was registered."""
    app = make_app()
    app.add_url_rule("/x", "x", needs("x:read")(lambda: "x"))
    app.view_functions["x"] = lambda: "open"
    assert not lines(app)["GET", "/x"].declared


def test_declarations_that_enforce_nothing_are_flagged():
    """A decorator above the route: the route is not declared, and the entry says which kinds are missed."""
    app = make_app()

    @needs("x:read")
    @app.get("/x")
    @declare(VariesOn())
    def x():
        return "x"

    found = lines(app)["GET", "/x"]
    assert (found.is_undeclared, found.bypassed) == (True, ("RequirePermission",))
    assert x is not app.view_functions["x"]  # as a module would keep it: the guard that no route leads to


@dataclass(frozen=True, kw_only=True)
class VariesOn(Declaration):
    phase: ClassVar[Phase] = Phase.CACHE
    required: ClassVar[bool] = False

    def audit(self, method):
        return {"cache": "60 s", "vary_on": f"tenant for {method}"}


def test_columns_of_later_features_just_work():
    """A declaration of anybody adds columns; none of them declares who may call."""
    app = make_app()
    app.add_url_rule("/x", "x", declare(VariesOn())(lambda: "x"))
    found = lines(app)["GET", "/x"]
    assert found.columns == {"cache": "60 s", "vary_on": "tenant for GET"}
    assert found.is_undeclared


# --- Kinds of rules -----------------------------------------------------------------------------------------------


def test_rules_beside_the_ordinary():
    """Redirects, websockets, defaults, aliases, any method, no view; rules that only build URLs are not there."""
    app = make_app()
    app.add_url_rule("/old", "old", redirect_to="/new")
    app.add_url_rule("/older", "older", redirect_to=foreign(view))
    app.add_url_rule("/page", "page", view, defaults={"page": 1, "by": object()})
    app.add_url_rule("/alias", "page", view, alias=True)
    app.add_url_rule("/build", "build", view, build_only=True)
    app.add_url_rule("/socket", "socket", view, websocket=True)
    app.url_map.add(Rule("/any", endpoint="any"))
    app.view_functions["any"] = needs("x:read")(lambda: "x")
    app.url_map.add(Rule("/nothing", endpoint="nothing", methods=["GET"]))
    found = lines(app)
    assert list(found) == [
        ("GET", "/alias"),
        ("ANY", "/any"),
        ("GET", "/nothing"),
        ("GET", "/old"),
        ("GET", "/older"),
        ("GET", "/page"),
        ("WEBSOCKET", "/socket"),
    ]
    assert found["ANY", "/any"].columns["permission"] == "x:read"
    assert found["ANY", "/any"].declared
    assert found["GET", "/alias"].notes == ("alias",)
    assert found["GET", "/nothing"].notes == ("no view function: every request fails",)
    assert found["GET", "/old"].notes == ("redirects to /new",)
    assert found["GET", "/older"].notes == ("redirects to view",)
    assert found["GET", "/page"].notes == ("defaults by=<object object>, page=1",)
    redirects = [found["GET", rule] for rule in ("/old", "/older")]
    assert all(entry.source is Source.REDIRECT and not entry.is_undeclared for entry in redirects)
    assert found["GET", "/nothing"].is_undeclared


def test_any_method_is_declared_only_if_each_is():
    """A class with one open method on a rule for all of them is open."""

    class Half(MethodView):
        @needs("x:read")
        def get(self):
            return "x"

        def post(self):
            return "x"

    app = make_app()
    app.url_map.add(Rule("/any", endpoint="any"))
    app.view_functions["any"] = Half.as_view("any")
    assert lines(app)["ANY", "/any"].is_undeclared


def test_a_subdomain_is_part_of_the_location():
    """The same rule on two subdomains is two routes."""
    app = make_app(SERVER_NAME="example.org")
    app.add_url_rule("/x", "open", view)
    app.add_url_rule("/x", "admin", needs("x:read")(lambda: "x"), subdomain="admin")
    assert permissions(app) == {("GET", "/x"): None, ("GET", "admin.SERVER_NAME/x"): "x:read"}


def test_a_host_is_part_of_the_location():
    """With host matching too, whose placeholders are shown."""
    app = make_app(host_matching=True, static_host="a.example")
    app.add_url_rule("/x", "open", view, host="<tenant>.example")
    app.add_url_rule("/x", "admin", needs("x:read")(lambda: "x"), host="admin.example")
    assert permissions(app) == {("GET", "<tenant>.example/x"): None, ("GET", "admin.example/x"): "x:read"}


@pytest.mark.parametrize(
    ("config", "source"),
    [
        ({}, Source.SETTING),
        ({"BACKEND_AUTH_PUBLIC_ENDPOINTS": ["*"]}, Source.SETTING),
        ({"BACKEND_AUTH_PUBLIC_ENDPOINTS": []}, Source.VIEW),
    ],
)
def test_what_a_setting_lets_through_is_no_open_question(config, source):
    """Static files by default; without the setting they are routes like any other."""
    entry = lines(make_app(**config), static=True)["GET", "/static/<path:filename>"]
    assert (entry.source, entry.is_undeclared, entry.is_public) == (source, source is Source.VIEW, False)


def test_a_setting_does_not_hide_what_is_declared():
    """An endpoint that the setting names and a view declares shows the declaration."""
    app = make_app(BACKEND_AUTH_PUBLIC_ENDPOINTS=["*"])
    app.add_url_rule("/x", "x", needs("x:read")(lambda: "x"))
    entry = lines(app)["GET", "/x"]
    assert (entry.source, entry.columns["authentication"]) == (Source.VIEW, "required")


# --- In front of the app --------------------------------------------------------------------------------------------


def front(app):
    return [entry.rule for entry in route_table(app) if entry.source is Source.FRONT]


def counting(wsgi_app):
    def middleware(environ, start_response):
        return wsgi_app(environ, start_response)

    return middleware


class Middleware:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, environ, start_response):
        return self.inner(environ, start_response)


WRAPPERS = {
    "nothing": lambda wsgi_app: wsgi_app,
    "ProxyFix": ProxyFix,
    "a closure": counting,
    "two": lambda wsgi_app: counting(ProxyFix(wsgi_app)),
    "slots": Middleware,
    "partial": lambda wsgi_app: functools.partial(lambda inner, *args: inner(*args), wsgi_app),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_what_is_answered_in_front_of_the_app_is_listed(wrap):
    """Health, whatever the app has wrapped round it; each is really answered."""
    app = make_app(BACKEND_HEALTH_ENABLED=True, BACKEND_SECURITY_TRUSTED_PROXIES=1)
    app.wsgi_app = wrap(app.wsgi_app)
    assert front(app) == ["/health/live", "/health/ready", "/health/startup"]
    assert all(app.test_client().get(path).status_code in (200, 503) for path in front(app))


def test_a_page_stands_for_its_files():
    """The assets of `/docs` are one line."""
    app = make_app(BACKEND_API_DOCS_PATH="/docs")
    (docs,) = [entry for entry in route_table(app) if entry.rule.startswith("/docs")]
    assert docs.notes[0].startswith("and ")


def test_a_path_the_app_has_taken_is_the_apps():
    """The route that counts is listed once, as the app's."""
    app = make_app(BACKEND_HEALTH_ENABLED=True)
    app.add_url_rule("/health/live", "live", view)
    assert "/health/live" not in front(app)
    assert lines(app)["GET", "/health/live"].source is Source.VIEW


def test_the_paths_of_another_app_are_not_ours():
    """A mounted app has its own, which its own audit lists."""
    app, other = make_app(), make_app(BACKEND_HEALTH_ENABLED=True)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: (other if environ["PATH_INFO"] == "/o" else inner)(environ, start)
    assert front(app) == []


# --- The document -----------------------------------------------------------------------------------------------------


def api_app(*prefixes):
    app = make_app()
    for prefix in prefixes:
        start = f"{prefix}_" if prefix else ""
        said = {"API_TITLE": "x", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
        app.config.update({start + key: value for key, value in said.items()})
        blp = Blueprint(f"beans{prefix}", __name__, url_prefix=f"/{prefix or 'api'}/beans")

        @blp.route("/<int:bean_id>")
        class OneBean(MethodView):
            @blp.response(200, Schema.from_dict({"kind": fields.String()}, name=f"Bean{prefix}"))
            def get(self, bean_id):
                return {"kind": "arabica"}

        Api(app, config_prefix=prefix).register_blueprint(blp)
    app.add_url_rule("/plain", "plain", view)
    return app


@pytest.mark.parametrize("prefixes", [("",), ("V1", "V2")])
def test_documented_is_what_the_document_holds(prefixes):
    """Of one Api or several; a plain Flask route is not in it."""
    found = lines(api_app(*prefixes))
    for prefix in prefixes:
        assert found["GET", f"/{prefix or 'api'}/beans/<int:bean_id>"].documented is True
    assert found["GET", "/plain"].documented is False


def test_without_an_api_nothing_is_said_about_documents():
    """None, not False: there is nothing to be in."""
    app = make_app()
    app.add_url_rule("/x", "x", view)
    assert lines(app)["GET", "/x"].documented is None


# --- Everything together ------------------------------------------------------------------------------------------


def test_the_table_is_the_same_every_time_and_calls_nothing():
    """Sorted by rule and method; no view runs."""
    app = make_app()

    def explode(**_):
        raise AssertionError

    for number, rule in enumerate(("/b", "/a", "/a/<x>", "/")):
        app.add_url_rule(rule, f"e{number}", explode, methods=["POST", "GET", "DELETE"])
    keys = list(lines(app))
    assert keys == [
        (method, rule) for rule in ("/", "/a", "/a/<x>", "/b") for method in ("GET", "POST", "DELETE")
    ]
    assert route_table(app) == route_table(app)


def test_an_app_without_the_extension_can_be_read_too():
    """Before `init_app` is called, every route is an open question."""
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/x", "x", declare(Public(reason="all"))(lambda: "x"))
    app.add_url_rule("/y", "y", view)
    assert {location: entry.declared for (_, location), entry in lines(app).items()} == {
        "/x": True,
        "/y": False,
    }
    assert lines(app)["GET", "/x"].is_public


def test_every_entry_has_the_same_keys_in_json():
    """Machines need not ask whether a key is there."""
    app = api_app("")
    app.add_url_rule("/old", "old", redirect_to="/new")
    keys = {tuple(entry.as_dict()) for entry in route_table(app)}
    assert len(keys) == 1
