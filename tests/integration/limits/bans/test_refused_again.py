"""Refusals by `@rate_limit` in front of a real app: what the first one said, and nothing of Flask."""

import pytest
from flask import Flask, jsonify
from werkzeug.routing import BaseConverter

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.limits.decorators import rate_limit
from flask_backend_patterns.limits.refusals import feed_key

CONFIG = {
    "BACKEND_SECURITY_CORS_ORIGINS": "https://a.example",
    "BACKEND_OBSERVABILITY_METRICS_PATH": "/metrics",
    "BACKEND_LIMITS_LEGACY_HEADERS": True,
}


def limited_by_address(path):
    return rate_limit("2/hour", key="address", name=path)(lambda **_: {"fine": True})


def make_app(**config):
    app = Flask("refusing")
    if (change := config.pop("before", None)) is not None:
        change(app)
    app.config.update({"BACKEND_REDIS_TIMEOUT_SECONDS": 20} | CONFIG | config)  # a busy machine is no outage
    BackendPatterns(app)
    app.seen = []
    app.before_request(lambda: app.seen.append(1))
    api = Blueprint("api", "api")
    api.get("/plain")(rate_limit("2/hour", key="address", name="plain")(lambda: {"fine": True}))
    api.get("/actor")(rate_limit("2/hour", name="by actor")(lambda: {"fine": True}))
    for path in ("/items/<int:number>", "/items/<int:number>/parts", "/items/special"):
        api.add_url_rule(path, path, limited_by_address(path), provide_automatic_options=False)
    api.get("/own")(rate_limit("2/hour", key=lambda: "all", name="own")(lambda: {"fine": True}))
    api.get("/some")(rate_limit("2/hour", key="address", when=lambda: True)(lambda: {"fine": True}))
    api.get("/costly")(rate_limit("2/hour", key="address", cost=lambda: 1)(lambda: {"fine": True}))
    app.register_blueprint(api)
    return app


def ask(app, path="/plain", **headers):
    return app.test_client().get(path, headers={"Origin": "https://a.example"} | headers)


@pytest.mark.parametrize("path", ["/plain", "/actor"])
@pytest.mark.parametrize("accept", ["*/*", "application/problem+json"])
def test_the_second_refusal_is_the_first_again(redis_url, path, accept):
    """Status, body and headers, CORS and security ones too, but for the id and the seconds; the app is not asked."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    first = [ask(app, path, Accept=accept) for _ in range(3)][-1]
    assert (first.status_code, len(app.seen)) == (429, 3)
    for _ in range(5):
        again = ask(app, path, Accept=accept)
        assert again.status == first.status
        assert sorted(name for name, _ in again.headers) == sorted(name for name, _ in first.headers)
        changing = {"X-Request-ID", "Retry-After", "RateLimit", "X-RateLimit-Reset"}
        for name in {name for name, _ in first.headers} - changing:
            assert again.headers.getlist(name) == first.headers.getlist(name), name
        assert again.json.keys() == first.json.keys()
        shown = again.json.get("error", again.json)
        assert shown["request_id"] == again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert abs(int(again.headers["Retry-After"]) - int(first.headers["Retry-After"])) <= 30
    assert len(app.seen) == 3


OTHERS = [
    ("/items/7", {}, 0),
    ("/items/3", {"query_string": {"page": 2}}, 0),
    ("/items/3", {"headers": {"Accept": "image/png"}}, 0),
    ("/items/3", {"headers": {"Authorization": "Bearer x"}}, 0),
    ("/items/3", {"headers": {"Accept": "text/html"}}, 1),
    ("/items/3", {"headers": {"Origin": "https://a.example"}}, 1),
    ("/items/x", {}, 1),  # 404
    ("/items/7/", {}, 1),
    ("/items/special", {}, 1),
    ("/items/7/parts", {}, 1),
]


@pytest.mark.parametrize(("path", "options", "asked"), OTHERS)
def test_a_refusal_holds_for_all_of_the_route(path, options, asked):
    """Whatever the path's arguments and the query are, and whoever asks; and for no other route."""
    app = make_app()
    client = app.test_client()
    assert [client.get("/items/3").status_code for _ in range(4)] == [200, 200, 429, 429]
    assert len(app.seen) == 3
    answer = client.get(path, **options)
    assert len(app.seen) == 3 + asked
    assert (answer.status_code == 429) is (path in ("/items/3", "/items/7"))


class Whole(BaseConverter):
    """Of the app: it may look anything up."""


def wrap(app):
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner({**environ, "PATH_INFO": "/plain"}, start)


KNOWN_TO_THE_APP_ALONE = {
    "a converter of the app's": lambda app: app.url_map.converters.update(int=Whole),
    "routes by subdomain": lambda app: setattr(app, "subdomain_matching", True),
    "a wrapper further in": wrap,
    "a header of the app's": lambda app: app.after_request(
        lambda answer: answer.headers.add("X-Path", "x") or answer
    ),
}


@pytest.mark.parametrize("change", KNOWN_TO_THE_APP_ALONE.values(), ids=KNOWN_TO_THE_APP_ALONE)
def test_where_a_path_may_mean_something_else_it_is_asked_again(change):
    """Only where Flask alone says what a path leads to, and nothing in the answer may be of the path, does a route stand for it."""
    app = make_app(before=change)
    client = app.test_client()
    assert [client.get("/items/3").status_code for _ in range(3)][-1] == 429
    seen = len(app.seen)
    assert client.get("/items/4").status_code == 429
    assert len(app.seen) == seen + 1


@pytest.mark.parametrize("path", ["/own", "/some", "/costly"])
def test_what_a_function_decides_is_asked_again(path):
    """A function may say something else next time."""
    app = make_app()
    assert [ask(app, path).status_code for _ in range(5)] == [200, 200, 429, 429, 429]
    assert len(app.seen) == 5


def test_an_error_format_of_the_app_is_asked_for_again():
    """Its text may hold anything."""
    app = make_app(BACKEND_ERRORS_RENDERER=lambda error, context: jsonify(wait=error.retry_after))
    assert [ask(app).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert len(app.seen) == 4


def test_every_refusal_is_counted():
    """Those in front of the app like those in it."""
    app = make_app()
    for _ in range(10):
        ask(app)
    metrics = ask(app, "/metrics").text
    assert 'backend_rate_limit_decisions_total{decision="refused",policy="plain"} 8.0' in metrics


def test_a_cleared_bucket_is_open_at_once(redis_url):
    """Told over the feed: the count is gone, so is what rests on it."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    assert [ask(app).status_code for _ in range(4)] == [200, 200, 429, 429]
    state = app.extensions["backend_patterns"]
    keys = {key for _, kept in state.limits.front._kept.items() for key in kept.refused.keys}
    state.limits.windows.clear(*keys)
    state.cache.feed.publish(*map(feed_key, keys))
    assert ask(app).status_code == 200
