"""`flask backend cache`: what people and scripts get."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.audit import route_table
from flask_backend_patterns.cache.view_cache import cache_control, cached_view
from flask_backend_patterns.cli.route_rows import columns_in


def make_app(**config):
    app = Flask("cached-cli")
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False, BACKEND_REDIS_TIMEOUT_SECONDS=20, **config)
    BackendPatterns().init_app(app)

    @app.get("/x/<int:number>")
    @cached_view(60, stale=5, tags=["x:{number}"], vary_on=["header:Accept-Language", "shared"])
    @cache_control(public=True, max_age=30)
    def view(number):
        return {"number": number}

    return app


@pytest.fixture
def app(redis_url):
    return make_app(BACKEND_REDIS_URL=redis_url)


def run(app, *args):
    return app.test_cli_runner().invoke(args=["backend", "cache", *args])


def is_hit(app, path="/x/1"):
    return "hit" in app.test_client().get(path).headers["Cache-Status"]


def test_stats_for_people_and_for_machines(app):
    """The store, how many values it has, and the room kept near."""
    app.test_client().get("/x/1")
    shown = run(app, "stats")
    assert shown.exit_code == 0
    assert "redis" in shown.output
    assert "32.0 MiB" in shown.output
    facts = json.loads(run(app, "stats", "--json").output)
    assert facts["store"]["entries"] == 1
    assert facts["near"]["max_entries"] == 10_000


@pytest.mark.parametrize(
    ("args", "is_forgotten"),
    [
        (["--tag", "x:1"], True),
        (["--tag", "other", "--tag", "x:1"], True),
        (["--tag", "x:2"], False),
        (["--prefix", "view:view:"], True),
        (["--prefix", "view:other:"], False),
        (["--key", "nothing"], False),
        (["--everything"], True),
    ],
)
def test_another_process_forgets(app, redis_url, args, is_forgotten):
    """What the command names is gone for a server that has it, and nothing else; the session's keys stay."""
    from redis import Redis

    with Redis.from_url(redis_url) as client:
        client.set("session:1", "stays")
        assert not is_hit(app)
        assert is_hit(app)
        done = run(make_app(BACKEND_REDIS_URL=redis_url), "invalidate", *args)
        assert done.exit_code == 0, done.output
        assert done.output.startswith("Forgot ")
        app.extensions["backend_patterns"].cache.aside.near.forget(None)  # what its feed is about to tell it
        assert is_hit(app) is not is_forgotten
        assert client.get("session:1") == b"stays"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--tag", ""],
        ["--prefix", ""],
        ["--everything", "--tag", "a"],
        ["--unknown"],
    ],
)
def test_wrong_usage_is_2(app, args):
    """And forgets nothing."""
    app.test_client().get("/x/1")
    assert run(app, "invalidate", *args).exit_code == 2
    assert is_hit(app)


@pytest.mark.parametrize("command", [["stats"], ["invalidate", "--everything"]])
def test_a_store_that_is_away_is_1(command):
    """Nothing is said to be done."""
    done = run(make_app(BACKEND_REDIS_URL="redis://127.0.0.1:1/0"), *command)
    assert done.exit_code == 1
    assert "does not answer" in done.output


@pytest.mark.parametrize("command", [["stats"], ["invalidate", "--everything"]])
@pytest.mark.parametrize("config", [{}, {"BACKEND_CACHE_ENABLED": False}])
def test_a_store_that_no_command_can_reach_is_2(command, config):
    """The memory of each process, and no cache at all: the command says what to do."""
    done = run(make_app(**config), *command)
    assert done.exit_code == 2
    assert "BACKEND_" in done.output


def test_json_of_invalidate(app):
    """What was asked for."""
    done = json.loads(run(app, "invalidate", "--tag", "a", "--key", "b", "--json").output)
    asked = {"tags": ["a"], "keys": ["b"], "prefix": None, "everything": False}
    assert done == {"invalidated": asked, "values_found": 0}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["--prefix", "view:view:"],
            "Forgot keys that begin with view:view:. The store had 2 of these keys.",
        ),
        (["--tag", "x:1"], "Forgot tag x:1."),
        (["--key", "a", "--tag", "b"], "Forgot tag b, key a. The store had 0 of these keys."),
    ],
)
def test_invalidate_says_what_it_did(app, args, said):
    """How many values there were, as far as anybody knows it."""
    assert [is_hit(app, path) for path in ("/x/1", "/x/2")] == [False, False]
    assert run(app, "invalidate", *args).output == f"{said}\n"


def test_stats_tell_what_calls_came_to_where_metrics_are_on(redis_url):
    """By name and result; hits of the near cache in all."""
    app = make_app(BACKEND_REDIS_URL=redis_url, BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")
    engine = app.extensions["backend_patterns"].cache.aside
    for result in ("miss", "near", "near", "hit"):
        engine.tally("shop.item").count(result)
    engine.tally("view").count("near")
    facts = json.loads(run(app, "stats", "--json").output)
    assert facts["requests"] == {"shop.item": {"near": 2, "hit": 1, "miss": 1}, "view": {"near": 1}}
    assert facts["near"]["hits"] == 3
    lines = [" ".join(line.split()) for line in run(app, "stats").output.splitlines()]
    assert {"near hits 3", "calls of shop.item near 2, hit 1, miss 1"} <= set(lines)


def test_the_columns_of_the_routes():
    """`cache` holds both declarations, `vary_on` what was listed; both are known columns."""
    table = route_table(make_app())
    (route,) = [entry for entry in table if entry.rule == "/x/<int:number>"]
    assert route.columns["cache"] == "public, max-age=30 & 60 s, stale 5 s"
    assert route.columns["vary_on"] == "header:Accept-Language, shared"
    assert {"cache", "vary_on", "limit"} <= set(columns_in(table))
