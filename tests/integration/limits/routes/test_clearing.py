"""Limits that are lifted: of one caller by an operator, of all by tests."""

import pytest
from flask import Flask, request

from flask_backend_patterns import BackendPatterns, Blueprint, rate_limit
from flask_backend_patterns.testing import reset_limits

ASKED = [("/a", "10.0.0.1"), ("/b", "10.0.0.1"), ("/tenant", "10.0.0.1"), ("/a", "10.0.0.2")]


def make_app(**config):
    app = Flask("clearing")
    app.config.update({"BACKEND_REDIS_TIMEOUT_SECONDS": 20} | config)  # a busy machine is no outage
    BackendPatterns(app)
    api = Blueprint("api", "api")
    api.get("/a")(rate_limit("1/hour", key="address", name="name|*")(lambda: "a"))
    api.get("/b")(rate_limit("1/hour; 5/day", strategy="gcra")(lambda: "b"))
    api.get("/tenant")(rate_limit("1/hour", key=lambda: request.args["id"])(lambda: "c"))
    app.register_blueprint(api)
    return app


def used_up(app):
    """Which of `ASKED` are refused; those that are not are now."""
    found = []
    for number, (path, address) in enumerate(ASKED):
        answer = app.test_client().get(
            path, query_string={"id": "[x]"}, environ_base={"REMOTE_ADDR": address}
        )
        if answer.status_code == 429:
            found.append(number)
    return found


@pytest.mark.parametrize(
    ("arguments", "code", "still"),
    [
        (["address:10.0.0.1"], 0, [2, 3]),
        (["address:10.0.0.1", "--name", "name|*"], 0, [1, 2, 3]),
        (["address:10.0.0.1", "--name", "*"], 1, [0, 1, 2, 3]),
        (["address:10.0.0.2", "function:[x]"], 0, [0, 1]),
        (["actor:10.0.0.1"], 1, [0, 1, 2, 3]),
        (["address:*"], 1, [0, 1, 2, 3]),
        (["10.0.0.1"], 2, [0, 1, 2, 3]),
        (["address:"], 2, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_one_caller_is_let_in_again(redis_url, arguments, code, still):
    """By `flask backend limits clear`; what others have used up stays, also where the process refuses from memory."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    assert used_up(app) == []
    assert used_up(app) == [0, 1, 2, 3]
    operator = make_app(BACKEND_REDIS_URL=redis_url)
    done = operator.test_cli_runner().invoke(args=["backend", "limits", "clear", *arguments])
    assert done.exit_code == code, done.output
    reset = app.extensions["backend_patterns"].limits
    for listener in (reset.refusals, reset.front):
        listener.hear(None)  # the feed's delivery has tests of its own
    assert used_up(app) == still


def test_processes_are_told(redis_url):
    """The keys that are cleared are published, so that no process goes on refusing from memory."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    state = app.extensions["backend_patterns"]
    told = []
    state.cache.feed.listen(lambda keys: told.extend(keys or ()))
    used_up(app)
    used_up(app)
    assert state.limits.clearing.clear("address:10.0.0.2") == 1
    assert told == ["limits:bucket:n=name|*|1/3600|sliding-window-counter|a:10.0.0.2"]
    assert used_up(app) == [0, 1, 2]


def test_without_redis_nothing_can_be_cleared_from_outside():
    """The counts are each process's own."""
    done = make_app().test_cli_runner().invoke(args=["backend", "limits", "clear", "actor:7"])
    assert (done.exit_code, "BACKEND_REDIS_URL" in done.output) == (2, True)


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_tests_may_begin_anew(request, kind):
    """All counts and all that is known to be refused are gone."""
    config = {"BACKEND_REDIS_URL": request.getfixturevalue("redis_url")} if kind == "redis" else {}
    app = make_app(**config)
    for _ in range(2):
        assert used_up(app) == []
        assert used_up(app) == [0, 1, 2, 3]
        reset_limits(app)


@pytest.mark.parametrize(
    ("arguments", "code", "lines"),
    [
        (
            ["address:10.0.0.1"],
            0,
            ["GET api.<lambda>_1 by actor: 1 of 5 in 86400 s", "name|*: 1 of 1 in 3600 s"],
        ),
        (["address:10.0.0.1", "--name", "name|*"], 0, ["name|*: 1 of 1 in 3600 s"]),
        (["function:[x]"], 0, ["1 of 1 in 3600 s"]),
        (["actor:10.0.0.1"], 1, ["nothing was counted"]),
        (["10.0.0.1"], 2, ["is no caller"]),
    ],
)
def test_where_a_caller_stands_is_shown(redis_url, arguments, code, lines):
    """By `flask backend limits show`, which counts nothing."""
    app = make_app(BACKEND_REDIS_URL=redis_url)
    used_up(app)
    done = app.test_cli_runner().invoke(args=["backend", "limits", "show", *arguments])
    assert done.exit_code == code, done.output
    for line in lines:
        assert line in done.output
