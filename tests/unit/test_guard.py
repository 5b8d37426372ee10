"""The guard on every kind of view, and the order in which it enforces."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import ClassVar

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask, request
from flask.views import MethodView
from werkzeug.test import create_environ

from flask_backend_patterns import BackendPatterns, Blueprint, ForbiddenError, SetupError
from flask_backend_patterns.declarations import Declaration, Phase
from flask_backend_patterns.guard import declarations_of, declare
from flask_backend_patterns.observability.events import event_of
from tests.kinds_of_views import COMBINATIONS, FOREIGN, KINDS, plain_async_view, plain_view


@dataclass(frozen=True, kw_only=True)
class Note(Declaration):
    """Writes its name down; refuses or answers early when told to."""

    name: str = ""


def kind(phase: Phase, *, required: bool = True) -> type[Note]:
    namespace = {"phase": phase, "required": required, "statuses": (int(phase) + 400,), "__annotations__": {}}
    return dataclass(frozen=True, kw_only=True)(type(f"Note{phase.name.title()}", (Note,), namespace))


Authenticate, Authorize, Cache = kind(Phase.AUTHENTICATION), kind(Phase.AUTHORIZATION), kind(Phase.CACHE)


@dataclass(frozen=True, kw_only=True)
class Around(Declaration):
    phase: ClassVar[Phase] = Phase.IDEMPOTENCY
    name: str = "around"


@dataclass(frozen=True, kw_only=True)
class Optional(Declaration):
    phase: ClassVar[Phase] = Phase.CACHE
    required: ClassVar[bool] = False


class Recorder:
    """An app whose enforcers write down what they enforce."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refuse: str | None = None
        self.early: str | None = None
        self.app = Flask("guarded")
        self.app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False)
        enforcers = dict.fromkeys((Authenticate, Authorize, Cache), self.check)
        BackendPatterns(enforcers={**enforcers, Around: self.around}).init_app(self.app)

    def check(self, note):
        self.calls.append(note.name)
        if note.name == self.refuse:
            raise ForbiddenError
        return f"early {note.name}" if note.name == self.early else None

    def around(self, note):
        self.calls.append(f"{note.name} in")
        if self.early == note.name:
            return "early around"
        try:
            response = yield
        except ForbiddenError:
            self.calls.append(f"{note.name} failed")
            raise
        self.calls.append(f"{note.name} out")
        return f"<{response}>"

    def get(self, method="get", **kwargs):
        self.calls.clear()
        return getattr(self.app.test_client(), method)("/x", **kwargs)


@pytest.fixture
def recorder():
    return Recorder()


AUTH = declare(Authenticate(name="auth"))
PERMIT = declare(Authorize(name="permit"))


@pytest.mark.parametrize("nested", [False, True], ids=["app", "nested blueprint"])
@pytest.mark.parametrize(("what", "foreign"), COMBINATIONS)
def test_a_guard_holds_on_every_kind_of_view(recorder, what, foreign, nested):
    """Refused when the enforcer refuses, served and enforced exactly once when it does not."""
    view = KINDS[what](FOREIGN[foreign](AUTH))
    register(recorder.app, view, nested=nested)
    assert (recorder.get().data, recorder.calls) == (b"seen", ["auth"])
    recorder.refuse = "auth"
    assert recorder.get().status_code == 403
    assert recorder.get("head").status_code == 403
    assert [item.name for item in declarations_of(recorder.app.view_functions[endpoint(recorder.app)])] == [
        "auth"
    ]


def register(app, view, *, nested):
    if not nested:
        app.add_url_rule("/x", "x", view)
        return
    outer, inner = Blueprint("outer", "outer"), FlaskBlueprint("inner", "inner")
    inner.add_url_rule("/x", "x", view)
    outer.register_blueprint = FlaskBlueprint.register_blueprint.__get__(outer)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


def endpoint(app):
    return next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/x")


@pytest.mark.parametrize("reverse", [False, True])
def test_adjacent_declarations_run_in_the_right_order_whatever_was_written(recorder, reverse):
    """Authentication, authorization, cache: the order of decorators does not matter."""
    decorators = [declare(Cache(name="cache")), PERMIT, AUTH]
    view = plain_view()
    for decorator in reversed(decorators) if reverse else decorators:
        view = decorator(view)
    recorder.app.add_url_rule("/x", "x", view)
    recorder.get()
    assert recorder.calls == ["auth", "permit", "cache"]
    recorder.refuse = "auth"
    recorder.get()
    assert recorder.calls == ["auth"]


def test_of_one_phase_the_outermost_runs_first(recorder):
    """Reading order is running order where phases say nothing."""
    view = declare(Authorize(name="first"))(declare(Authorize(name="second"))(plain_view()))
    recorder.app.add_url_rule("/x", "x", view)
    recorder.get()
    assert recorder.calls == ["first", "second"]


def test_a_foreign_decorator_in_between_keeps_its_effect(recorder):
    """One that copies our attributes is not mistaken for our guard: its own work is still done, and both guards'."""

    def shouting(view):
        return functools.wraps(view)(lambda: view().upper())

    view = AUTH(shouting(PERMIT(plain_view())))
    recorder.app.add_url_rule("/x", "x", view)
    assert (recorder.get().data, recorder.calls) == (b"SEEN", ["auth", "permit"])
    assert [item.name for item in declarations_of(view)] == ["auth", "permit"]


def test_a_class_and_its_method_make_one_guard(recorder):
    """The method's authentication runs before the class' cache."""

    @declare(Cache(name="cache"))
    class Item(MethodView):
        @AUTH
        def get(self):
            return "seen"

        def post(self):
            return "posted"

    recorder.app.add_url_rule("/x", view_func=Item.as_view("item"))
    recorder.get()
    assert recorder.calls == ["auth", "cache"]
    recorder.get("post")
    assert recorder.calls == ["cache"]
    view = recorder.app.view_functions["item"]
    assert [item.name for item in declarations_of(view, "GET")] == ["auth", "cache"]
    assert [item.name for item in declarations_of(view, "POST")] == ["cache"]


@pytest.mark.parametrize("override", ["get", "dispatch_request", "decorators", "as_view"])
def test_a_subclass_cannot_shake_off_what_its_base_declares(recorder, override):
    """Overriding the method, the dispatch, the decorators or `as_view` leaves the base's declarations enforced."""

    @AUTH
    class Base(MethodView):
        def get(self):
            return "base"

    body = {
        "get": lambda _self: "child",
        "dispatch_request": lambda _self: "child",
        "decorators": [],
        "as_view": classmethod(MethodView.as_view.__func__),
    }
    child = type("Child", (Base,), {override: body[override]})
    recorder.app.add_url_rule("/x", view_func=child.as_view("item"))
    recorder.refuse = "auth"
    assert recorder.get().status_code == 403


def test_a_dispatch_of_ones_own_that_goes_on_to_the_base_is_enforced_once(recorder):
    """The class' declarations are not enforced (and counted) a second time further in; the method's still are."""

    @AUTH
    class Base(MethodView):
        @PERMIT
        def get(self):
            return "base"

    class Child(Base):
        def dispatch_request(self, **kwargs):
            return super().dispatch_request(**kwargs)

    recorder.app.add_url_rule("/x", view_func=Child.as_view("item"))
    assert (recorder.get().data, recorder.calls) == (b"base", ["auth", "permit"])


@pytest.mark.parametrize("own_dispatch", [False, True])
def test_a_request_that_is_dispatched_again_is_enforced_again(recorder, own_dispatch):
    """A retrying middleware, or a batch endpoint over the same environment: each dispatch meets the class' guard."""

    @AUTH
    class Item(MethodView):
        init_every_request = False

        def get(self):
            return "seen"

    class Own(Item):
        def dispatch_request(self, **kwargs):
            return super().dispatch_request(**kwargs)

    view = (Own if own_dispatch else Item).as_view("item")
    recorder.app.add_url_rule("/x", view_func=view)

    @recorder.app.get("/batch")
    def batch():
        environ = {**request.environ, "PATH_INFO": "/x"}
        return f"{status_of(environ)}{status_of(environ)}"

    def status_of(environ):
        with recorder.app.request_context(environ):
            return recorder.app.full_dispatch_request().status_code

    recorder.refuse = "auth"
    assert recorder.app.test_client().get("/batch").data == b"403403"
    environ = create_environ("/x")
    statuses = []
    for _ in range(2):
        list(recorder.app.wsgi_app(environ, lambda status, *_: statuses.append(status[:3])))
    assert statuses == ["403", "403"]


def test_a_request_dispatched_inside_another_is_enforced(recorder):
    """A view that dispatches a second request to its own shared instance, in the middle of its own dispatch."""

    @AUTH
    class Item(MethodView):
        init_every_request = False

        def get(self):
            return "seen"

    class Own(Item):
        def dispatch_request(self, **kwargs):
            if not request.args:
                return super().dispatch_request(**kwargs)
            recorder.refuse = "auth"
            with recorder.app.request_context({**request.environ, "QUERY_STRING": ""}):
                return str(recorder.app.full_dispatch_request().status_code)

    class Plain(Own):
        def dispatch_request(self, **kwargs):
            if not request.args:
                return Item.dispatch_request(self, **kwargs)
            return super().dispatch_request(**kwargs)

    recorder.app.add_url_rule("/x", view_func=Plain.as_view("item"))
    assert recorder.app.test_client().get("/x?again=1").data == b"403"


@pytest.mark.parametrize("kind_of_method", [staticmethod, classmethod])
def test_methods_that_take_no_view_stay_as_they_are(recorder, kind_of_method):
    """A declared class may have static and class methods for handlers, guarded or not."""

    @AUTH
    class Item(MethodView):
        get = kind_of_method(lambda *_: "seen")

    recorder.app.add_url_rule("/x", view_func=Item.as_view("item"))
    assert (recorder.get().data, recorder.calls) == (b"seen", ["auth"])
    recorder.refuse = "auth"
    assert recorder.get().status_code == 403


@pytest.mark.parametrize("make_view", [plain_view, plain_async_view], ids=["sync_view", "async_view"])
def test_enforcers_release_what_they_hold_when_the_worker_is_stopped(recorder, make_view):
    """`SystemExit` passes through; the generators are closed before it goes on."""

    def stopping(_declaration):
        raise SystemExit

    app = Flask("stopping")
    released = []

    def holding(_declaration):
        try:
            yield
        finally:
            released.append(True)

    BackendPatterns(enforcers={Around: holding, Cache: stopping}).init_app(app)
    app.add_url_rule("/x", "x", declare(Around())(declare(Cache(name="c"))(make_view())))
    with pytest.raises(SystemExit):
        app.test_client().get("/x")
    assert released == [True]


def test_an_enforcer_may_be_an_object_and_may_not_be_async():
    """A generator `__call__` wraps the view; `async def` is refused where the extension is made."""

    class Wrapping:
        def __call__(self, _declaration):
            response = yield
            return f"<{response}>"

    app = Flask("object")
    BackendPatterns(enforcers={Around: Wrapping()}).init_app(app)
    app.add_url_rule("/x", "x", declare(Around())(plain_view()))
    assert app.test_client().get("/x").data == b"<seen>"

    async def asynchronous(_declaration):
        return None

    with pytest.raises(SetupError, match="async"):
        BackendPatterns(enforcers={Around: asynchronous})


def test_an_enforcer_that_yields_twice_is_a_fault_the_outer_ones_hear_of():
    """A mistake in one enforcer does not leave another's work open."""
    heard = []

    def twice(_declaration):
        yield
        yield

    def outer(_declaration):
        try:
            yield
        except SetupError:
            heard.append(True)
            raise

    app = Flask("twice")
    app.testing = True
    BackendPatterns(enforcers={Around: outer, Cache: twice}).init_app(app)
    app.add_url_rule("/x", "x", declare(Around())(declare(Cache(name="c"))(plain_view())))
    with pytest.raises(SetupError, match="exactly once"):
        app.test_client().get("/x")
    assert heard == [True]


def test_a_decorated_view_does_not_change_the_undecorated(recorder):
    """Decorating makes a new view; the same function stays usable as it was."""
    view = plain_view()
    recorder.app.add_url_rule("/x", "x", view)
    AUTH(view)
    recorder.get()
    assert recorder.calls == []


@pytest.mark.parametrize("make_view", [plain_view, plain_async_view], ids=["sync_view", "async_view"])
def test_around_enforcers_see_the_response_and_the_failure(recorder, make_view):
    """They wrap what comes after them: a later refusal passes through them, the response is theirs to replace."""
    recorder.app.add_url_rule("/x", "x", declare(Cache(name="cache"))(declare(Around())(AUTH(make_view()))))
    assert recorder.get().data == b"<seen>"
    assert recorder.calls == ["auth", "around in", "cache", "around out"]
    recorder.early = "cache"
    assert recorder.get().data == b"<early cache>"
    recorder.early = "around"
    assert recorder.get().data == b"early around"
    recorder.early, recorder.refuse = None, "cache"
    assert recorder.get().status_code == 403
    assert recorder.calls == ["auth", "around in", "cache", "around failed"]


def test_an_around_enforcer_may_replace_a_failure(recorder):
    """What it returns after catching is the response."""

    def rescue(_declaration):
        try:
            yield
        except ZeroDivisionError:
            return "rescued"

    app = Flask("rescue")
    BackendPatterns(enforcers={Around: rescue}).init_app(app)

    @app.get("/x")
    @declare(Around())
    def broken():
        return 1 / 0

    assert app.test_client().get("/x").data == b"rescued"


def test_a_declaration_without_init_app_names_the_cure():
    """Forgetting `init_app` is said with what to call, and nothing is served."""
    app = Flask("bare")
    app.add_url_rule("/x", "x", AUTH(plain_view()))
    app.testing = True
    with pytest.raises(SetupError, match=r"BackendPatterns\(\)\.init_app\(app\)"):
        app.test_client().get("/x")


def test_a_declaration_that_nothing_enforces_refuses():
    """A required declaration without its feature fails closed; one that is not required is skipped."""
    app = Flask("without")
    BackendPatterns().init_app(app)
    app.add_url_rule("/x", "x", AUTH(plain_view()))
    app.add_url_rule("/y", "y", declare(Optional())(plain_view()))
    assert app.test_client().get("/x").status_code == 500
    assert app.test_client().get("/y").data == b"seen"
    app.testing = True
    with pytest.raises(SetupError, match="Nothing enforces NoteAuthentication"):
        app.test_client().get("/x")


def test_one_view_on_two_apps_is_enforced_by_each_apps_own_enforcers():
    """Plans are kept for each app."""
    first, second = Recorder(), Recorder()
    view = AUTH(plain_view())
    for item in (first, second):
        item.app.add_url_rule("/x", "x", view)
    second.refuse = "auth"
    assert (first.get().status_code, second.get().status_code) == (200, 403)


def test_only_views_can_be_declared_on():
    """A class that is no view is a mistake worth a sentence."""
    with pytest.raises(SetupError, match="not a flask View class"):
        AUTH(dict)


def test_signature_and_name_are_kept():
    """Flask makes endpoints from names, smorest documents from docstrings."""
    view = plain_view()
    guarded = AUTH(view)
    assert (guarded.__name__, guarded.__wrapped__) == ("view", view)
    assert asyncio.iscoroutinefunction(AUTH(plain_async_view()))


def test_declared_statuses_are_in_the_document(recorder):
    """E6: the answers of a declaration (401, 429) are documented from the same decorator, on views and classes."""
    from flask_smorest import Api

    recorder.app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api = Api(recorder.app)
    blueprint = Blueprint("b", "b")

    @blueprint.route("/f")
    @blueprint.response(200)
    @AUTH
    def function():
        return "seen"

    @blueprint.route("/c")
    @PERMIT
    class Item(MethodView):
        @AUTH
        def get(self):
            return "seen"

    api.register_blueprint(blueprint)
    paths = api.spec.to_dict()["paths"]
    assert {"200", "430", "default"} <= set(paths["/f"]["get"]["responses"])
    assert {"430", "450", "default"} <= set(paths["/c"]["get"]["responses"])
    recorder.refuse = "auth"
    assert recorder.app.test_client().get("/c").status_code == 403


def test_a_declaration_above_the_route_of_our_blueprint_is_refused():
    """There it would enforce nothing: said when the module is imported, for functions of every kind."""
    blueprint = Blueprint("late", "late")

    def view():
        return "x"

    async def async_view():
        return "x"

    for number, function in enumerate((view, async_view, declare(Authorize(name="a"))(lambda: "x"))):
        blueprint.route(f"/{number}", endpoint=f"e{number}")(function)
        with pytest.raises(SetupError, match="above the route"):
            declare(Authenticate(name="b"))(function)
    wrapped = functools.wraps(view)(lambda: view())  # noqa: PLW0108 - a function of its own
    assert declarations_of(
        declare(Authenticate(name="b"))(wrapped)
    )  # another function, which may get a route


@pytest.mark.parametrize("inner", [False, True], ids=["bare", "over-another"])
def test_a_declaration_above_a_plain_route_is_in_the_log(inner, caplog):
    """Flask's own routes are made before we can tell; the first request says which endpoint lacks what."""
    recorder = Recorder()

    def view():
        return "x"

    fine = recorder.app.get("/fine")(declare(Authorize(name="c"))(lambda: "fine"))
    routed = recorder.app.get("/x")(declare(Authorize(name="a"))(view) if inner else view)
    late = declare(Authenticate(name="b"))(routed)
    for _ in range(2):
        assert recorder.get().status_code == 500
    events = [event for event in map(event_of, caplog.records) if event]
    (bypassed,) = [event for event in events if event["event"] == "declaration_bypassed"]
    assert (bypassed["endpoint"], bypassed["declarations"]) == ("view", ["NoteAuthentication"])
    assert late is not routed
    assert fine


def test_views_whose_declarations_are_met_are_not_in_the_log(caplog):
    """Stacked decorators, classes and routes of blueprints are all as they should be."""
    recorder = Recorder()
    blueprint = Blueprint("fine", "fine")
    kept = []

    @blueprint.get("/x")
    @declare(Authenticate(name="a"))
    @declare(Authorize(name="b"))
    def view():
        return "x"

    @declare(Authenticate(name="c"))
    class Things(MethodView):
        @declare(Authorize(name="d"))
        def get(self):
            return "y"

    kept += [view, Things]
    blueprint.add_url_rule("/y", view_func=Things.as_view("things"), endpoint="things")
    recorder.app.register_blueprint(blueprint)
    assert recorder.get().data == b"x"
    assert "declaration_bypassed" not in caplog.text
