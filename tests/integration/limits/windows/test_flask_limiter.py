"""An app's own `Limiter` counts through our windows: one trip, exact, alive without Redis, each app for itself."""

import time
import warnings

import pytest
from flask import Flask
from flask_limiter import Limiter, commands
from flask_limiter.errors import RateLimitExceeded
from limits import parse
from limits.errors import ConfigurationError
from limits.strategies import STRATEGIES

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.limits.backends.fallback import FallbackWindows

OURS = ["backend-fixed-window", "backend-sliding-window-counter", "backend-gcra"]
EDGE_SECONDS = 10
ALL = [*OURS, "fixed-window", "sliding-window-counter", "moving-window"]


@pytest.fixture(autouse=True)
def within_one_hour():
    """Fixed windows begin anew with the hour: a test that would meet that begins after it."""
    left = 3600 - time.time() % 3600
    if left < EDGE_SECONDS:
        time.sleep(left)


def caller():
    return "somebody"


def make_app(redis_url, *, name="shop", limiter=None, limiter_first=False, **config):
    """An app with a limited view `/` (3/hour) and one of two limits, `/two`."""
    app = Flask(name)
    limiter = limiter or Limiter(caller, headers_enabled=True)
    app.config.update(
        {
            "BACKEND_REDIS_URL": redis_url,
            "BACKEND_REDIS_TIMEOUT_SECONDS": 2.0,  # patient, since the machine may be busy
            "BACKEND_API_PREFIXES": ("/",),
            **config,
        }
    )
    if limiter_first:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it counts in memory
            limiter.init_app(app)
    BackendPatterns(app)
    if not limiter_first:
        limiter.init_app(app)

    @app.get("/")
    @limiter.limit("3/hour")
    def index():
        return "fine"

    @app.get("/two")
    @limiter.limit("10/minute; 2/hour")
    def two():
        return "fine"

    return app, limiter


@pytest.mark.parametrize("strategy", ALL)
def test_a_limited_request_with_headers_costs_one_trip(redis_url, trips, strategy):
    """`limits` needs three; refused requests, and reading the windows again, cost no more."""
    app, _ = make_app(redis_url, RATELIMIT_STRATEGY=strategy)
    client = app.test_client()
    assert client.get("/").headers["X-RateLimit-Remaining"] == "2"
    with trips() as sent:
        assert client.get("/").headers["X-RateLimit-Remaining"] == "1"
    assert sent == ["EVALSHA"]
    client.get("/")
    with trips() as sent:
        refused = client.get("/")
    assert sent == ["EVALSHA"]
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.parametrize("strategy", ALL)
def test_a_refusal_says_when_to_come_back(redis_url, strategy):
    """429 in our format; `Retry-After` is the wait for this request, not the whole window of an hour."""
    app, limiter = make_app(redis_url, RATELIMIT_STRATEGY=strategy, RATELIMIT_HEADERS_ENABLED=False)
    limiter._headers_enabled = False
    client = app.test_client()
    statuses = [client.get("/").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/")
    assert refused.json["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert "X-RateLimit-Limit" not in refused.headers
    expected = 1200 if strategy == "backend-gcra" else 3600
    assert expected - 60 <= int(refused.headers["Retry-After"]) <= expected


def test_the_wait_in_the_headers_of_the_limiter_is_as_exact(redis_url):
    """Flask-Limiter's own `Retry-After` with GCRA, too."""
    app, _ = make_app(redis_url, RATELIMIT_STRATEGY="backend-gcra")
    client = app.test_client()
    refused = [client.get("/") for _ in range(4)][-1]
    assert 1140 <= int(refused.headers["Retry-After"]) <= 1201
    assert 1140 <= int(refused.headers["X-RateLimit-Reset"]) - time.time() <= 1202


def test_a_limiter_set_up_after_us_counts_in_redis(redis_url):
    """Where nothing says otherwise: two processes (two apps of one name, here) share a limit."""
    app, _ = make_app(redis_url)
    other, _ = make_app(redis_url)
    assert app.config["RATELIMIT_STORAGE_URI"] == "backend://"
    found = [each.test_client().get("/").status_code for each in (app, other, app, other)]
    assert found == [200, 200, 200, 429]


def test_a_limiter_that_has_a_storage_keeps_it(redis_url, trips):
    """Set up before us, by argument, or by config: it counts where it did."""
    before, _ = make_app(redis_url, limiter_first=True)
    given, _ = make_app(redis_url, limiter=Limiter(caller, storage_uri="memory://", strategy="moving-window"))
    configured, _ = make_app(redis_url, RATELIMIT_STORAGE_URI="memory://")
    assert "RATELIMIT_STORAGE_URI" not in before.config
    with trips() as sent:
        for app in (before, given, configured):
            assert [app.test_client().get("/").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert sent == []


def test_without_redis_the_limiter_is_left_alone():
    """No `BACKEND_REDIS_URL`, no default of ours."""
    app = Flask("plain")
    BackendPatterns(app)
    assert "RATELIMIT_STORAGE_URI" not in app.config


def test_one_limiter_on_two_apps_counts_for_each(redis_url):
    """PITFALLS L5: the callers of one app do not use up the limits of the other."""
    limiter = Limiter(caller)
    first, _ = make_app(redis_url, name="first", limiter=limiter)
    second, _ = make_app(redis_url, name="second", limiter=limiter)
    for app in (first, second):
        assert [app.test_client().get("/").status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize(("strategy", "loss"), [("backend-gcra", "kill"), ("fixed-window", "suspend")])
def test_redis_goes_away_and_comes_back(redis_server, redis_url, strategy, loss):
    """PITFALLS R2, R5: the same limits from memory, no 500, and in Redis again by itself."""
    app, _ = make_app(redis_url, RATELIMIT_STRATEGY=strategy, BACKEND_REDIS_TIMEOUT_SECONDS=0.5)
    client = app.test_client()
    assert client.get("/").headers["X-RateLimit-Remaining"] == "2"
    getattr(redis_server, loss)()
    found = [client.get("/") for _ in range(5)]
    assert [response.status_code for response in found] == [200, 200, 200, 429, 429]
    assert found[0].headers["X-RateLimit-Remaining"] == "2"  # memory begins with nothing
    redis_server.reset()
    windows = app.extensions["backend_patterns"].limits.windows
    deadline = time.monotonic() + 60
    while windows.is_down:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.get("/").headers["X-RateLimit-Remaining"] == "2"  # Redis is empty now


def test_redis_that_goes_while_the_view_runs_does_not_fail_the_request(redis_server, redis_url):
    """PITFALLS R5: what is done stays done, and the headers are there: nothing is asked after the view."""
    app, limiter = make_app(redis_url, RATELIMIT_STRATEGY="backend-gcra")

    @app.get("/order")
    @limiter.limit("5/minute")
    def order():
        redis_server.kill()
        return "ordered"

    response = app.test_client().get("/order")
    assert (response.status_code, response.headers["X-RateLimit-Remaining"]) == (200, "4")


def test_limits_can_be_looked_at_and_cleared_outside_of_requests(redis_url):
    """As `flask limiter limits` and `clear` do, and `limiter.reset()`."""
    app, limiter = make_app(redis_url, RATELIMIT_STRATEGY="backend-sliding-window-counter")
    item = parse("3/hour")
    with app.app_context():
        for clear in (lambda: limiter.limiter.clear(item, "a"), limiter.reset):
            assert all(limiter.limiter.hit(item, "a") for _ in range(3))
            assert not limiter.limiter.test(item, "a")
            assert limiter.limiter.get_window_stats(item, "a").remaining == 0
            clear()
            assert limiter.limiter.test(item, "a", cost=3)


def test_the_commands_of_flask_limiter_work(redis_url):
    """`flask limiter limits` shows what our windows say."""
    app, _ = make_app(redis_url, RATELIMIT_STRATEGY="backend-gcra")
    app.test_client().get("/")
    result = app.test_cli_runner().invoke(commands.cli, ["limits", "--key", "somebody"])
    assert result.exit_code == 0, result.output
    assert "2 out of 3 remaining" in result.output


@pytest.mark.parametrize("strategy", OURS)
def test_limits_of_any_size_and_key(redis_url, strategy):
    """Nothing a decorator may say, or a stranger's key hold, is a failure; zero lets nobody through."""
    app, limiter = make_app(redis_url, RATELIMIT_STRATEGY=strategy)
    with app.test_request_context():
        counts = limiter.limiter
        assert not counts.hit(parse("0/minute"), "a")
        assert counts.get_window_stats(parse("0/minute"), "a").remaining == 0
        assert counts.hit(parse("1000000000000/1000 years"), "a")
        assert counts.hit(parse("2/minute"), "\udcff" * 9000)
        assert counts.hit(parse("2/minute"), "a", cost=-5)
        assert not counts.hit(parse("2/minute"), "a", cost=3)


@pytest.mark.parametrize("strategy", OURS)
def test_our_strategies_on_other_storages(strategy):
    """In memory (which Flask-Limiter makes for its own fallback) they count; elsewhere the message says what to set."""
    app = Flask("plain")
    BackendPatterns(app)
    limiter = Limiter(caller, app=app, storage_uri="memory://", strategy=strategy)
    assert [limiter.limiter.hit(parse("2/hour"), "a") for _ in range(3)] == [True, True, False]
    with pytest.raises(ConfigurationError, match="RATELIMIT_STORAGE_URI='backend://'"):
        Limiter(caller, app=Flask("other"), storage_uri="redis://127.0.0.1:1", strategy=strategy)


def test_conditional_deductions_and_context_managers_count(redis_url):
    """`deduct_when` counts after the view, `with limiter.limit(...)` inside it; both through our windows."""
    app, limiter = make_app(redis_url, RATELIMIT_STRATEGY="backend-fixed-window")

    @app.get("/failures")
    @limiter.limit("2/hour", deduct_when=lambda response: response.status_code == 404)
    def failures():
        return "no", 404

    @app.get("/inside")
    def inside():
        try:
            with limiter.limit("1/hour"):
                return "fine"
        except RateLimitExceeded:
            return "later"

    client = app.test_client()
    assert [client.get("/failures").status_code for _ in range(3)] == [404, 404, 429]
    assert [client.get("/inside").text for _ in range(2)] == ["fine", "later"]
    assert [client.get("/two").status_code for _ in range(3)] == [200, 200, 429]


def test_strategies_are_known_after_set_up_and_windows_fall_back(redis_url):
    """The names that RATELIMIT_STRATEGY may have."""
    app, _ = make_app(redis_url)
    assert set(OURS) <= STRATEGIES.keys()
    assert isinstance(app.extensions["backend_patterns"].limits.windows, FallbackWindows)
