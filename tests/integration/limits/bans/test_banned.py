"""Bans in an app: who is turned away, by what, and what is left alone."""

import json
import logging

import pytest
from flask import Flask, abort

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.errors import RateLimitError


def make_app(**config):
    app = Flask("banning", static_folder=None)
    app.config.update(
        {
            "BACKEND_LIMITS_BAN_AFTER": 3,
            "BACKEND_LIMITS_BAN_PATHS": "/wp-*, *.php, .env",
            "BACKEND_REDIS_TIMEOUT_SECONDS": 20,  # a busy machine is no outage
        }
        | config
    )
    BackendPatterns(app)
    api = Blueprint("api", "api")

    @api.get("/refused")
    def refused():
        raise RateLimitError

    @api.get("/fine")
    def fine():
        return {"fine": True}

    app.register_blueprint(api)
    app.add_url_rule("/missing.php", view_func=lambda: abort(404), endpoint="missing")
    app.add_url_rule("/page.php", view_func=lambda: "page", endpoint="page")
    app.add_url_rule("/post.php", view_func=lambda: "post", endpoint="post", methods=["POST"])
    app.add_url_rule("/files/<path:name>", view_func=lambda name: abort(404), endpoint="files")
    return app


@pytest.fixture(params=["memory", "redis"])
def app(request):
    if request.param == "memory":
        return make_app()
    return make_app(BACKEND_REDIS_URL=request.getfixturevalue("redis_url"))


def ask(app, path, address="10.0.0.1", **headers):
    return app.test_client().get(path, headers=headers, environ_base={"REMOTE_ADDR": address})


def is_banned(app, address="10.0.0.1"):
    return ask(app, "/fine", address).status_code == 403


def test_too_many_refusals_ban_the_address(app):
    """The fourth 429 is the last: then 403 with the seconds left, in our format, for this address only."""
    assert [ask(app, "/refused").status_code for _ in range(6)] == [429] * 4 + [403] * 2
    answer = ask(app, "/fine")
    assert 590 < int(answer.headers["Retry-After"]) <= 600
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    error = answer.json["error"]
    assert error == {
        "code": "BANNED",
        "message": "Your address has sent too many requests that were refused, and is banned for a while.",
        "request_id": answer.headers["X-Request-ID"],
    }
    assert not is_banned(app, "10.0.0.2")


def test_formats_of_the_answer(app):
    """Problem documents where they are wished for or set; HEAD has no body; the health endpoints answer banned probes."""
    ban(app)
    problem = ask(app, "/fine", Accept="application/problem+json")
    assert problem.mimetype == "application/problem+json"
    assert problem.json["code"] == "BANNED"
    assert problem.json["request_id"] == problem.headers["X-Request-ID"]
    assert (
        ask(app, "/fine", Accept="application/json, application/problem+json;q=0").mimetype
        == "application/json"
    )
    head = app.test_client().head("/fine", environ_base={"REMOTE_ADDR": "10.0.0.1"})
    assert (head.status_code, head.data) == (403, b"")
    assert ask(app, "/health/live").status_code == 200


def ban(app, address="10.0.0.1"):
    app.extensions["backend_patterns"].limits.banning.bans.add(address)


@pytest.mark.parametrize(
    ("path", "bans"),
    [
        ("/wp-login.php", True),
        ("/WP-Admin/setup", True),
        ("/a//b.PHP", True),
        ("/.env", True),
        ("/files/x.php", True),  # the app takes every path below, and has nothing there
        ("/nothing", False),
        ("/.environment", False),
        ("/missing.php", False),  # the app has such a route, which finds nothing
        ("/page.php", False),
        ("/post.php", False),  # it has, for another method
        ("/fine?x=.php", False),
    ],
)
def test_paths_of_scanners(path, bans):
    """Only what the app has nothing at; the request itself is a 404, the next one is turned away."""
    app = make_app()
    assert ask(app, path).status_code in (200, 404, 405)
    assert is_banned(app) is bans


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json, text/html", "application/json"),
        ("*/*", "application/json"),
    ],
)
def test_a_browser_is_shown_a_page(accept, kind):
    """Who asks for pages is told in one."""
    app = make_app()
    ask(app, "/wp-login.php")
    answer = ask(app, "/fine", Accept=accept)
    assert (answer.status_code, answer.content_type) == (403, kind)
    assert "is banned for a while" in answer.text
    assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize("path", ["/wp-login.php", "/refused"])
@pytest.mark.parametrize(("site", "bans"), [("cross-site", False), ("same-origin", True), ("none", True)])
def test_nobody_is_banned_for_what_another_sites_page_asks(path, site, bans):
    """`<img src=//api/wp-login.php>` on a page of somebody else is not what the visitor has done."""
    app = make_app()
    for _ in range(5):
        assert ask(app, path, **{"Sec-Fetch-Site": site}).status_code in (404, 429, 403)
    assert is_banned(app) is bans


@pytest.mark.parametrize(
    ("config", "header", "banned"),
    [
        ({}, "X-Forwarded-For", []),
        ({}, "Forwarded", []),
        ({"BACKEND_SECURITY_TRUSTED_PROXIES": 0}, "X-Forwarded-For", ["10.0.0.1"]),
        ({"BACKEND_SECURITY_TRUSTED_PROXIES": 1}, "X-Forwarded-For", ["192.0.2.7"]),
    ],
)
def test_a_proxy_is_not_banned_for_its_clients(config, header, banned):
    """Where nothing is said of proxies, who forwards may be one; with trusted ones the client is meant."""
    app = make_app(**config)
    for _ in range(5):
        ask(app, "/refused", **{header: "192.0.2.7"})
    assert [ban.network for ban in app.extensions["backend_patterns"].limits.banning.bans.listed()] == banned


def test_a_proxy_put_right_further_in_is_not_banned():
    """A wrapper of the app's own that was there before us: what came in is the proxy's address."""
    app = Flask("wrapped")
    app.config["BACKEND_LIMITS_BAN_AFTER"] = 1
    inner = app.wsgi_app

    def put_right(environ, start_response):
        environ["REMOTE_ADDR"] = "192.0.2.7"
        return inner(environ, start_response)

    app.wsgi_app = put_right
    BackendPatterns(app)
    app.add_url_rule("/refused", view_func=lambda: ("no", 429))
    for _ in range(5):
        assert ask(app, "/refused").status_code == 429


def test_a_banned_flood_writes_the_access_log_and_nothing_else(caplog):
    """One event that says so, then one `request` a request; refusals before the ban are not `error` events either."""
    app = make_app()
    with caplog.at_level(logging.INFO, logger="flask_backend_patterns"):
        for _ in range(50):
            ask(app, "/refused")
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert sorted(set(events)) == ["address_banned", "request"]
    assert (events.count("address_banned"), events.count("request")) == (1, 50)


def test_off_by_default(redis_url):
    """An app that sets nothing bans nobody and keeps nothing."""
    app = make_app(BACKEND_LIMITS_BAN_AFTER=None, BACKEND_LIMITS_BAN_PATHS="", BACKEND_REDIS_URL=redis_url)
    assert [ask(app, "/refused").status_code for _ in range(10)] == [429] * 10
    assert app.extensions["backend_patterns"].limits.banning is None


def test_the_metric_counts_who_is_turned_away():
    """As a decision of the policy `bans`."""
    app = make_app(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")
    ban(app)
    for _ in range(3):
        assert is_banned(app)
    sample = 'backend_rate_limit_decisions_total{decision="refused",policy="bans"} 3.0'
    assert sample in ask(app, "/metrics").text


def cli(app, *args):
    return app.test_cli_runner().invoke(args=["backend", "bans", *args])


def test_the_command_line(redis_url):
    """List, add and lift; the running app obeys."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    assert cli(app).output == "No address is banned.\n"
    assert cli(app, "add", "10.0.0.1", "2001:db8::1", "--seconds", "3700").output == (
        "10.0.0.1 is banned for 1 h 1 min.\n2001:db8::/64 is banned for 1 h 1 min.\n"
    )
    assert is_banned(app)
    listed = cli(app, "list", "--plain")
    assert listed.exit_code == 0
    assert "2001:db8::/64" in listed.output
    assert "by hand" in listed.output
    assert listed.output.endswith("2 addresses are banned.\n")
    rows = json.loads(cli(app, "--json").output)["bans"]
    assert rows == json.loads(cli(app, "list", "--json").output)["bans"]
    assert {(row["address"], row["reason"]) for row in rows} == {
        ("10.0.0.1", "by hand"),
        ("2001:db8::/64", "by hand"),
    }
    lifted = cli(app, "lift", "10.0.0.1", "10.0.0.2")
    assert lifted.exit_code == 1
    assert lifted.output == "10.0.0.1 is let in again.\n10.0.0.2 was not banned.\n"
    assert cli(app, "lift", "2001:db8::/64").exit_code == 0
    assert not is_banned(app)


@pytest.mark.parametrize(
    ("config", "args", "says"),
    [
        ({"BACKEND_LIMITS_BAN_AFTER": None, "BACKEND_LIMITS_BAN_PATHS": ""}, (), "BACKEND_LIMITS_BAN_AFTER"),
        ({"BACKEND_LIMITS_ENABLED": False}, ("list",), "BACKEND_LIMITS_BAN_AFTER"),
        ({}, ("lift", "10.0.0.1"), "BACKEND_REDIS_URL"),
        ({"BACKEND_REDIS_URL": "redis://127.0.0.1:1"}, (), "Redis does not answer"),
        ({"BACKEND_REDIS_URL": "redis://127.0.0.1:1"}, ("add", "10.0.0.0/8"), "no address"),
        (
            {"BACKEND_REDIS_URL": "redis://127.0.0.1:1", "BACKEND_LIMITS_EXEMPT_ADDRESSES": "10.0.0.0/8"},
            ("add", "10.0.0.1"),
            "exempt",
        ),
        ({"BACKEND_REDIS_URL": "redis://127.0.0.1:1"}, ("add", "10.0.0.1", "--seconds", "0"), "range"),
        ({}, ("lift",), "ADDRESS"),
    ],
)
def test_what_the_command_line_cannot_do(config, args, says):
    """Exit code 2, and what to do instead."""
    result = cli(make_app(**config), *args)
    assert result.exit_code == 2
    assert says in result.output
