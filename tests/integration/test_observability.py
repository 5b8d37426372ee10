"""Request ids, the access log, log formats, `Server-Timing`: seen from outside an app."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import threading

import pytest
import structlog
from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.observability import add_request_context
from flask_backend_patterns.observability.events import event_of


def make_app(**config) -> Flask:
    app = Flask("seen")
    app.config.update(config)
    BackendPatterns().init_app(app)

    @app.get("/items/<int:item_id>")
    def item(item_id):
        return f"item {item_id}"

    @app.get("/stream")
    def stream():
        return Response(iter(["a", "b"]), headers={"X-Request-ID": "my own"})

    return app


def events(caplog, name="request"):
    found = [event for event in map(event_of, caplog.records) if event is not None]
    return [event for event in found if event["event"] == name]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    return caplog


def test_the_access_log_says_what_happened(log):
    """One event a response: method, path, route, status, duration, bytes, id; never the query string."""
    response = make_app().test_client().get("/items/7?token=hunter2", headers={"X-Request-ID": "abc"})
    (event,) = events(log)
    assert event.pop("duration_ms") >= 0
    assert event == {
        "event": "request",
        "method": "GET",
        "path": "/items/7",
        "route": "/items/<int:item_id>",
        "status": 200,
        "bytes": len("item 7"),
        "request_id": "abc",
    }
    assert response.headers["X-Request-ID"] == "abc"
    assert "hunter2" not in log.text


def test_a_probe_is_logged_with_its_route(log):
    """Answered in front of the app, and a line of the access log like any other."""
    make_app().test_client().get("/health/live")
    assert [(event["route"], event["status"]) for event in events(log)] == [("/health/live", 200)]


def test_streams_have_no_length_and_keep_their_own_header(log):
    """`bytes` is only said when known; a header that the app has set is never changed."""
    response = make_app().test_client().get("/stream")
    assert response.headers.getlist("X-Request-ID") == ["my own"]
    assert events(log)[0]["bytes"] is None


def test_the_access_log_can_be_off(log):
    """`BACKEND_OBSERVABILITY_ACCESS_LOG = False` writes none; the id is still there."""
    response = make_app(BACKEND_OBSERVABILITY_ACCESS_LOG=False).test_client().get("/items/1")
    assert events(log) == []
    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("fails_in", ["after_request", "before_request", "teardown_request"])
def test_a_failing_hook_of_the_app_costs_neither_id_nor_log_line(log, fails_in):
    """R6: whatever the app's hooks do, the answer has its id and exactly one access log line with the real status."""
    app = make_app(PROPAGATE_EXCEPTIONS=False)

    def broken(*_):
        raise OSError("hook")

    getattr(app, fails_in)(broken)
    try:
        response = app.test_client().get("/items/1", headers={"X-Request-ID": "abc"})
    except OSError:
        assert fails_in == "teardown_request"  # Flask lets it out of the application
    else:
        assert response.status_code == 500
        assert response.headers["X-Request-ID"] == "abc"
    (event,) = events(log)
    assert event["request_id"] == "abc"


def test_a_hook_that_replaces_the_headers_by_a_dict_costs_nothing(log):
    """A3: id and security headers are there all the same."""
    app = make_app()

    @app.after_request
    def replace(response):
        response.headers = dict(response.headers)
        response.get_wsgi_headers = lambda _environ: Headers(response.headers)
        return response

    response = app.test_client().get("/items/1")
    assert {"X-Request-ID", "X-Content-Type-Options"} <= set(response.headers.keys())


@pytest.mark.parametrize("threads", [16])
def test_ids_of_concurrent_requests_do_not_mix(log, threads):
    """Each of many threads gets its own id back, and its log line carries it."""
    app = make_app()
    barrier, seen = threading.Barrier(threads), {}

    def call(number):
        client = app.test_client()
        barrier.wait()
        for turn in range(20):
            sent = f"t{number}-{turn}"
            seen[sent] = client.get(f"/items/{number}", headers={"X-Request-ID": sent}).headers[
                "X-Request-ID"
            ]

    workers = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == threads * 20
    assert all(sent == got for sent, got in seen.items())
    assert {event["request_id"]: event["path"] for event in events(log)} == {
        sent: f"/items/{sent[1:].split('-')[0]}" for sent in seen
    }


@pytest.mark.parametrize(("config", "is_sent"), [({}, False), ({"DEBUG": True}, True), ({"BACKEND_OBSERVABILITY_SERVER_TIMING": True}, True), ({"DEBUG": True, "BACKEND_OBSERVABILITY_SERVER_TIMING": False}, False)])  # fmt: skip
def test_server_timing_in_debug_or_by_setting(config, is_sent):
    """Nobody outside learns timings unless asked for."""
    response = make_app(**config).test_client().get("/items/1")
    assert ("Server-Timing" in response.headers) is is_sent
    if is_sent:
        assert response.headers["Server-Timing"].startswith("app;dur=")


def test_the_context_is_there_for_other_loggers():
    """A user's structlog and the app's own logger say the request id, through our processor."""
    app, said = make_app(), []

    def keep(_logger, _method, event):
        said.append(event)
        raise structlog.DropEvent

    logger = structlog.wrap_logger(None, processors=[add_request_context, keep])

    @app.get("/say")
    def say():
        logger.msg("hello")
        return request.path

    app.test_client().get("/say", headers={"X-Request-ID": "abc"})
    assert said == [{"event": "hello", "request_id": "abc", "route": "/say"}]


def test_secrets_in_events_are_masked_before_any_handler(log):
    """An app's own handlers see masked values too."""
    app = make_app()
    app.extensions["backend_patterns"].observability.log.info(
        "login", form={"user": "a", "password": "hunter2"}
    )
    assert events(log, "login") == [{"event": "login", "form": {"user": "a", "password": "***"}}]


SCRIPT = """
import logging, sys
from flask import Flask
from flask_backend_patterns import BackendPatterns, Blueprint
app = Flask("child")
app.config.update({config})
{before}
BackendPatterns().init_app(app)
shop = Blueprint("shop", "shop")
@shop.route("/boom")
def boom():
    app.logger.warning("about to %s", "fail", extra={{"password": "hunter2"}})
    raise ValueError("bad")
app.register_blueprint(shop)
app.test_client().get("/boom", headers={{"X-Request-ID": "abc"}})
"""


def run_child(config="", before=""):
    script = textwrap.dedent(SCRIPT).format(config=config, before=before)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_a_fresh_process_logs_json_lines():
    """CONTRACTS section 8: one object a line, with level, timestamp in UTC, logger, id, and the stack of an error."""
    lines = [
        json.loads(line) for line in run_child('BACKEND_OBSERVABILITY_LOG_LOGGERS=["root"]').splitlines()
    ]
    by_event = {line["event"]: line for line in lines}
    assert by_event.keys() == {"about to fail", "error", "request"}
    for line in lines:
        assert line["request_id"] == "abc"
        assert line["route"] == "/boom"
        assert line["timestamp"].endswith("Z")
    assert by_event["about to fail"]["password"] == "***"
    assert (by_event["about to fail"]["logger"], by_event["about to fail"]["level"]) == ("child", "warning")
    error = by_event["error"]
    assert (error["level"], error["exception"], error["code"]) == (
        "error",
        "builtins.ValueError",
        "INTERNAL_ERROR",
    )
    assert error["stack"].rstrip().endswith("ValueError: bad")


def test_debug_logs_for_people():
    """Columns instead of JSON, the traceback readable."""
    text = run_child("DEBUG=True, PROPAGATE_EXCEPTIONS=False")
    assert "Traceback (most recent call last)" in text
    assert not any(line.startswith("{") for line in text.splitlines())


def test_an_app_that_has_set_up_logging_keeps_its_format():
    """Our events go through its handlers, as readable lines, once."""
    text = run_child(before='logging.basicConfig(level="INFO", format="MINE %(name)s %(message)s")')
    ours = [line for line in text.splitlines() if line.startswith("MINE flask_backend_patterns ")]
    assert len(ours) == 2
    assert ours[1].startswith(
        "MINE flask_backend_patterns request method=GET path=/boom route=/boom status=500"
    )


def test_two_apps_in_a_process_log_each_line_once(capsys):
    """A second `init_app` adds no second handler."""
    script = """
        from flask import Flask
        from flask_backend_patterns import BackendPatterns
        patterns = BackendPatterns()
        apps = [Flask("a"), Flask("b")]
        for app in apps:
            patterns.init_app(app)
        for app in apps:
            app.test_client().get("/")
        """
    script = textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert len(done.stderr.splitlines()) == 2


def test_a_context_pushed_by_hand_has_no_id_and_does_not_fail():
    """A3: a request context in which nothing of ours ran still answers."""
    app = make_app()
    app.register_blueprint(Blueprint("empty", "empty"))
    with app.test_request_context("/items/1"):
        assert app.full_dispatch_request().data == b"item 1"
        assert add_request_context(None, "", {}) == {"route": "/items/<int:item_id>"}
