"""`@deprecated` on the routes of an app: on which answers its headers are, and what is counted."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import pytest
from flask import Blueprint, Flask, Response, abort, g, redirect, request, stream_with_context
from flask.views import MethodView
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.datastructures import Headers
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._boundary import RequestBoundary
from flask_backend_patterns.api.deprecation import MAX_CALLERS, METRIC_LABELS, contribution, deprecated
from flask_backend_patterns.declarations import Declaration, Phase
from flask_backend_patterns.errors import ForbiddenError
from flask_backend_patterns.guard import declare

OLD = {"since": 1688169599, "sunset": 1893456000, "link": "/docs/old"}
HEADERS = {
    "Deprecation": "@1688169599",
    "Sunset": "Tue, 01 Jan 2030 00:00:00 GMT",
    "Link": '</docs/old>; rel="deprecation", </docs/old>; rel="sunset"',
}


@dataclass(frozen=True, kw_only=True)
class Refused(Declaration):
    phase: ClassVar[Phase] = Phase.AUTHORIZATION


def refuse(_declaration):
    raise ForbiddenError("Not you.")


def foreign(view):
    """A decorator of somebody else that hides what it wraps."""

    class Hidden:
        __name__ = "hidden"

        def __call__(self, *args, **kwargs):
            return view(*args, **kwargs)

    return Hidden()


def wrapping(view):
    @functools.wraps(view)
    def wrapped(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapped


def make_app(caller=None) -> Flask:
    app = Flask("old")
    app.config.update(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics", BACKEND_API_CALLER=caller)
    app.register_blueprint(views())
    app.add_url_rule("/class", view_func=OldClass.as_view("class"))
    app.add_url_rule("/method", view_func=OldMethod.as_view("method"))
    BackendPatterns(enforcers={Refused: refuse}).init_app(app)

    @app.before_request
    def stop():
        if "stop" in request.args:
            abort(401)

    @app.after_request
    def replace(response):
        if "replace" in request.args:
            response.headers = Headers({"Content-Type": "text/plain"})
        if "fail" in request.args:
            raise LookupError("in a hook")
        return response

    return app


def ok():
    return "ok"


def wrong():
    raise ForbiddenError("No.")


def broken():
    raise RuntimeError("broken")


def own():
    return "own", {"Deprecation": "@1", "Link": '</next>; rel="next"'}


def streamed():
    return Response(stream_with_context(iter(["a", "b"])))


def missing():
    abort(404)


def moved():
    return redirect("/new")


def empty():
    return "", 204


async def late():
    return "late"


def item(item_id):
    return str(item_id)


def views():
    blp, old = Blueprint("old", __name__), deprecated(**OLD)
    plain = (ok, wrong, broken, own, streamed, missing, moved, empty, late)
    routes = {
        **{view.__name__: old(view) for view in plain},
        "new": ok,
        "refused": declare(Refused())(old(ok)),
        "refused-above": old(declare(Refused())(ok)),
        "hidden": foreign(old(ok)),
        "hidden-refused": foreign(declare(Refused())(old(ok))),
        "wrapped": wrapping(old(ok)),
        "items/<int:item_id>": old(item),
    }
    for number, (rule, view) in enumerate(routes.items()):
        blp.add_url_rule(f"/{rule}", str(number), view, methods=["GET", "POST"])
    return blp


@deprecated(since=1)
class OldClass(MethodView):
    def get(self):
        return "get"

    @deprecated(since=2)
    def post(self):
        return "post"


class OldMethod(MethodView):
    def get(self):
        return "get"

    @deprecated(since=2)
    def post(self):
        return "post"


@pytest.fixture
def client():
    return make_app().test_client()


def rules():
    return [rule.rule for rule in make_app().url_map.iter_rules() if rule.endpoint.startswith("old.")]


def test_every_kind_of_answer_has_the_headers(client):
    """Success, refusals by the view and by other declarations, crashes, streams, redirects, empty ones, async views."""
    statuses = {}
    for rule in rules():
        path = rule.replace("<int:item_id>", "7")
        answer = client.get(path)
        statuses[path] = answer.status_code
        expected = {} if path == "/new" else HEADERS
        if path == "/own":
            expected = {**HEADERS, "Deprecation": "@1", "Link": f'</next>; rel="next", {HEADERS["Link"]}'}
        assert {name: answer.headers.get(name) for name in HEADERS} == {
            name: expected.get(name) for name in HEADERS
        }, path
        assert all(len(answer.headers.getlist(name)) <= 1 for name in HEADERS)
    assert set(statuses.values()) >= {200, 204, 302, 403, 404, 500}


@pytest.mark.parametrize(
    ("query", "status"), [("stop", 401), ("replace", 200), ("fail", 500), ("stop&replace", 401)]
)
@pytest.mark.parametrize("path", ["/ok", "/hidden", "/items/7"])
def test_hooks_of_the_app_do_not_lose_the_headers(client, query, status, path):
    """A refusal before the view, replaced headers, a hook that raises."""
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == status
    if path == "/hidden" and "stop" in query:  # the view was not reached, and nobody can look into it
        assert "Deprecation" not in answer.headers
    else:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_only_the_declared_methods_of_a_class_are_deprecated(client):
    """A declaration on a method counts for it, one on the class for all; the innermost wins."""
    found = {
        (method, path): client.open(path, method=method).headers.get("Deprecation")
        for path in ("/class", "/method")
        for method in ("GET", "HEAD", "POST")
    }
    assert found == {
        ("GET", "/class"): "@1",
        ("HEAD", "/class"): "@1",
        ("POST", "/class"): "@2",
        ("GET", "/method"): None,
        ("HEAD", "/method"): None,
        ("POST", "/method"): "@2",
    }


def test_a_refusal_before_the_view_finds_the_innermost_declaration_too(client):
    """What the guard would have noted is read off the view."""
    found = [client.open("/class?stop=1", method=method).headers["Deprecation"] for method in ("GET", "POST")]
    assert found == ["@1", "@2"]


def test_other_routes_say_nothing(client):
    """Unknown paths, methods that a route does not have, and routes that are not deprecated."""
    for answer in (
        client.get("/nowhere"),
        client.delete("/ok"),
        client.get("/new"),
        client.post("/method?stop=1"),
    ):
        assert ("Deprecation" in answer.headers) == (answer.request.path == "/method")


def test_two_edges_say_and_count_it_once_each():
    """An app mounted in another: each header stands once."""
    inner, outer = make_app(), Flask("outer")
    BackendPatterns().init_app(outer)
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/inner": inner.wsgi_app})
    outer.wsgi_app = RequestBoundary(outer.wsgi_app, [contribution(outer, log=None)])
    answer = outer.test_client().get("/inner/ok")
    assert {name: answer.headers.getlist(name) for name in HEADERS} == {
        name: [value] for name, value in HEADERS.items()
    }
    assert "Deprecation" not in outer.test_client().get("/inner/new").headers


# --- Counting ---------------------------------------------------------------------------------------------------------


def counted(client):
    text = client.get("/metrics").text
    return {
        tuple(sample.labels[name] for name in METRIC_LABELS): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "backend_deprecated_requests_total"
    }


def caller_from_g():
    return g.get("user") or request.headers.get("X-Caller", "nobody")


def test_use_is_counted_by_method_route_and_caller():
    """Every answer once, errors too, by the rule and not the path; preflights and other routes not at all."""
    client = make_app(caller_from_g).test_client()
    for number in range(5):
        client.get(f"/items/{number}", headers={"X-Caller": "ann"})
    client.post("/items/1", headers={"X-Caller": "bob"})
    client.get("/ok?stop=1")
    client.get("/ok?fail=1")
    client.get("/broken")
    client.get("/streamed")
    for path in ("/new", "/nowhere"):
        client.get(path)
    client.options("/ok")
    assert counted(client) == {
        ("GET", "/items/<int:item_id>", "ann"): 5,
        ("POST", "/items/<int:item_id>", "bob"): 1,
        ("GET", "/ok", "nobody"): 2,
        ("GET", "/broken", "nobody"): 1,
        ("GET", "/streamed", "nobody"): 1,
    }


def test_callers_are_bounded():
    """However many callers there are, `MAX_CALLERS` are named; long and odd names do no harm."""
    client = make_app(caller_from_g).test_client()
    for number in range(MAX_CALLERS + 50):
        client.get("/ok", headers={"X-Caller": f'{number} "é\\' + "x" * 500})
    counts = counted(client)
    assert len(counts) == MAX_CALLERS + 1
    assert counts["GET", "/ok", "other"] == 50
    assert max(len(caller) for _, _, caller in counts) == 100


def test_methods_that_clients_make_up_are_no_labels():
    """A rule without methods takes any; however many are sent, the metric and what is remembered stay bounded."""
    app = make_app(caller_from_g)
    app.url_map.add(Rule("/any", endpoint="any"))
    app.view_functions["any"] = deprecated(**OLD)(lambda: "any")
    for number in range(5):
        assert app.test_client().open("/any", method=f"X{number}").headers["Deprecation"]
    assert counted(app.test_client()) == {("OTHER", "/any", "nobody"): 5}


@pytest.mark.parametrize("nobody", [None, ""])
def test_a_caller_without_a_name_is_unknown(nobody):
    """As `BACKEND_API_CALLER` says where nobody is logged in."""
    client = make_app(lambda: nobody).test_client()
    client.get("/ok")
    assert counted(client) == {("GET", "/ok", "unknown"): 1}


@pytest.mark.parametrize("name", ["\ud800", "a\nb\x00", 7, 0])
def test_a_callers_name_cannot_spoil_the_metrics(name):
    """A lone surrogate, as JSON may bring, line ends and what is no text: the scrape is answered."""
    client = make_app(lambda: name).test_client()
    assert client.get("/ok").status_code == 200
    shown = "?" if name == "\ud800" else str(name)
    assert counted(client) == {("GET", "/ok", shown): 1}


@pytest.mark.parametrize("caller", [None, lambda: g.nobody, lambda: 1 // 0])
def test_a_caller_that_cannot_be_named_is_unknown(caller, caplog):
    """The request is answered and counted all the same, and the fault is in the log."""
    client = make_app(caller).test_client()
    answer = client.get("/ok")
    assert (answer.status_code, answer.headers["Deprecation"]) == (200, HEADERS["Deprecation"])
    assert "X-Request-ID" in answer.headers
    assert counted(client) == {("GET", "/ok", "unknown"): 1}
    assert ("deprecation_caller_failed" in caplog.text) == (caller is not None)
