"""What is answered: `RateLimit-Policy`, `RateLimit`, `Retry-After`, the 429, the log event and the metric."""

from __future__ import annotations

import re

import pytest
from flask import Response, make_response, request

from flask_backend_patterns import Blueprint, NotFoundError, conditional, public
from flask_backend_patterns.limits import rate_limit

POLICY = '"default";q=5;w=60'


@pytest.fixture
def api_shop(make_shop):
    """A route of each outcome, under the default limit."""
    shop = make_shop(BACKEND_LIMITS_DEFAULT="5/minute", BACKEND_LIMITS_DEFAULT_KEY="address")
    blueprint = Blueprint("api", "api")

    def missing():
        raise NotFoundError

    def broken():
        raise ZeroDivisionError

    def own():
        return Response("own", headers={"RateLimit": "mine", "Retry-After": "7"}, status=503)

    blueprint.get("/ok")(lambda: {"a": 1})
    blueprint.get("/missing")(missing)
    blueprint.get("/broken")(broken)
    blueprint.get("/same")(conditional()(lambda: make_response("same")))
    blueprint.get("/own")(own)
    blueprint.get("/free")(rate_limit(None)(lambda: {"a": 1}))
    blueprint.get("/open")(public(reason="all")(lambda: {"a": 1}))
    shop.app.register_blueprint(blueprint)
    shop.app.add_url_rule("/plain", "plain", lambda: "plain")
    return shop


@pytest.mark.parametrize(
    ("path", "status"), [("/ok", 200), ("/missing", 404), ("/broken", 500), ("/same", 200), ("/open", 200)]
)
def test_every_answer_of_a_limited_route_says_where_the_caller_stands(api_shop, path, status):
    """Errors too; in the words of the draft: quota and window, what is left and until when."""
    for left in (4, 3):
        with api_shop.ask(path) as response:
            assert response.status_code == status
            assert response.headers["RateLimit-Policy"] == POLICY
            assert re.fullmatch(rf'"default";r={left};t=\d+', response.headers["RateLimit"])
            assert "X-RateLimit-Limit" not in response.headers


def test_a_304_says_it_too(api_shop):
    """Nothing has changed but what is left."""
    with api_shop.ask("/same") as response:
        tag = response.headers["ETag"]
    with api_shop.ask("/same", headers={"If-None-Match": tag}) as response:
        assert response.status_code == 304
        assert response.headers["RateLimit"].startswith('"default";r=3')


def test_a_header_of_the_app_is_left(api_shop):
    """What the app has set itself is never changed."""
    with api_shop.ask("/own") as response:
        assert response.headers.getlist("RateLimit") == ["mine"]
        assert response.headers.getlist("Retry-After") == ["7"]
        assert response.headers["RateLimit-Policy"] == POLICY


@pytest.mark.parametrize("path", ["/free", "/plain", "/nowhere"])
def test_who_is_not_limited_gets_no_headers(api_shop, path):
    """Routes taken out, routes of the app that are not ours, and no routes at all: never refused."""
    for _ in range(7):
        with api_shop.ask(path) as response:
            assert response.status_code in (200, 404)
            assert "RateLimit" not in response.headers


def test_a_refusal_is_an_error_like_any_other(api_shop):
    """Code, details that name the policy, and when to come back."""
    assert api_shop.statuses(5, "/ok") == [200] * 5
    for _ in range(2):
        with api_shop.ask("/ok") as response:
            assert response.status_code == 429
            assert response.json["error"]["code"] == "RATE_LIMIT_EXCEEDED"
            assert response.json["error"]["details"] == [
                {"policy": "default", "message": 'The limit "default" is 5 requests per minute.'}
            ]
            assert 1 <= int(response.headers["Retry-After"]) <= 120
            assert response.headers["RateLimit"].startswith('"default";r=0;t=')
            assert response.headers["RateLimit-Policy"] == POLICY
    with api_shop.ask("/ok?as=problem", headers={"Accept": "application/problem+json"}) as response:
        assert response.json["errors"] == [{"detail": 'The limit "default" is 5 requests per minute.'}]


def test_an_error_page_of_the_app_keeps_retry_after(shop):
    """A handler of the app that answers a 429 by itself need not know when."""
    shop.app.register_error_handler(429, lambda _: ("slow down", 429))
    from flask_backend_patterns import RateLimitError

    shop.app.register_error_handler(RateLimitError, lambda _: ("slow down", 429))
    shop.route(rate_limit("1/minute")(lambda: "seen"))
    assert shop.status() == 200
    with shop.ask() as response:
        assert (response.status_code, response.text) == (429, "slow down")
        assert int(response.headers["Retry-After"]) >= 1


def test_names_are_escaped_and_told_apart(shop):
    """A structured-field string each, and no two policies of a route share a name."""
    limits = [
        rate_limit("9/minute", name='so "so" \\ la'),
        rate_limit("8/minute"),
        rate_limit("7/minute"),
        rate_limit("6/90seconds", key=lambda: "all"),
    ]

    def view():
        return "seen"

    for limit in reversed(limits):
        view = limit(view)
    shop.route(view)
    with shop.ask() as response:
        named = r'"so \"so\" \\ la";q=9;w=60, "actor";q=8;w=60, "actor-2";q=7;w=60, "x";q=6;w=90'
        assert response.headers["RateLimit-Policy"] == named


@pytest.mark.parametrize(("standard", "legacy"), [(False, True), (True, True), (False, False)])
def test_headers_are_by_setting(make_shop, standard, legacy):
    """The older ones are of the limit that is nearest to its end."""
    shop = make_shop(BACKEND_LIMITS_HEADERS=standard, BACKEND_LIMITS_LEGACY_HEADERS=legacy)
    shop.route(rate_limit("2/minute; 100/hour")(lambda: "seen"))
    with shop.ask() as response:
        assert ("RateLimit" in response.headers) is standard
        assert ("RateLimit-Policy" in response.headers) is standard
        assert ("X-RateLimit-Limit" in response.headers) is legacy
        if legacy:
            assert response.headers["X-RateLimit-Limit"] == "2"
            assert response.headers["X-RateLimit-Remaining"] == "1"
            assert int(response.headers["X-RateLimit-Reset"]) > 1_700_000_000


def test_browsers_may_read_them(make_shop):
    """CORS exposes what our limits send."""
    shop = make_shop(BACKEND_SECURITY_CORS_ORIGINS="https://shop.example")
    shop.route(rate_limit("1/minute")(lambda: "seen"))
    for status in (200, 429):
        with shop.ask(headers={"Origin": "https://shop.example"}) as response:
            assert response.status_code == status
            exposed = {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}
            assert exposed >= {"RateLimit", "RateLimit-Policy", "Retry-After"}


def test_refusals_are_logged_once_for_a_caller_and_window(make_shop, recorder):
    """One event a caller, not one a request; though each is cheaper than the last, so that it has to be asked about."""
    shop = make_shop()
    shop.route(rate_limit("1/hour", cost=lambda: int(request.args["cost"]))(lambda: "seen"))
    for cost in (1, 5, 4, 3, 2):
        shop.status(f"/x?cost={cost}")
        shop.status(f"/x?cost={cost}", address="10.0.0.2")
    told = recorder.named("rate_limited")
    assert [(event["policy"], event["limit"], event["caller"]) for event in told] == [
        ("actor", "1/hour", "a:10.0.0.1"),
        ("actor", "1/hour", "a:10.0.0.2"),
    ]


def test_decisions_are_counted_by_policy(make_shop):
    """One for each limit and request; refusals from the front too."""
    shop = make_shop(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")
    shop.route(rate_limit("2/minute", name="search")(rate_limit("9/minute")(lambda: "seen")))
    assert shop.statuses(5) == [200, 200, 429, 429, 429]
    with shop.ask("/metrics") as response:
        found = dict(
            re.findall(r"^backend_rate_limit_decisions_total{(.*)} (\S+)$", response.text, re.MULTILINE)
        )
    counts = {labels: float(value) for labels, value in found.items() if float(value)}
    assert counts == {
        'decision="allowed",policy="search"': 2.0,
        'decision="refused",policy="search"': 3.0,
        'decision="allowed",policy="actor"': 2.0,
    }


# --- L2 ---


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_forwarded_headers_that_nobody_trusts_are_warned_of_once(make_shop, recorder, header):
    """L2: the address stays the one that is connected, so nobody forges a key; and the developer is told."""
    shop = make_shop()
    shop.route(rate_limit("2/minute", key="address")(lambda: "seen"))
    assert [shop.status(headers={header: f"for=1.2.3.{last}"}) for last in range(3)] == [200, 200, 429]
    (event,) = recorder.named("forwarded_headers_untrusted")
    assert event["header"].lower() == header.lower()


def test_behind_a_trusted_proxy_the_clients_own_address_counts(make_shop, recorder):
    """L2: two clients of one proxy have a limit each, and neither forges another one by a longer list."""
    shop = make_shop(BACKEND_SECURITY_TRUSTED_PROXIES=1)
    shop.route(rate_limit("1/minute", key="address")(lambda: "seen"))

    def status(forwarded):
        return shop.status(address="10.0.0.9", headers={"X-Forwarded-For": forwarded})

    assert [status("1.1.1.1"), status("1.1.1.1"), status("2.2.2.2"), status("9.9.9.9, 1.1.1.1")] == [
        *(200, 429, 200, 429)
    ]
    assert recorder.named("forwarded_headers_untrusted") == []
