"""The WSGI edge: whatever is behind it, `init_app` turns no answer into a failure."""

from __future__ import annotations

import logging
import re
import sys

import pytest
from flask import Flask, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Request as BaseRequest
from werkzeug.wrappers import Response as BaseResponse

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.observability.events import event_of
from flask_backend_patterns.observability.handler import BackendHandler

HEADERS = [("Content-Type", "text/plain")]


@BaseRequest.application
def werkzeug_app(request):
    return BaseResponse(request.path)


def reusing_app(_environ, start_response):
    start_response("200 OK", HEADERS)
    return [b"same list"]


def generator_app(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"late"


def odd_app(_environ, start_response):
    start_response("fine", [("Content-Type", "text/plain"), ("Content-Length", "")])
    return [b"odd"]


def make_app() -> Flask:
    app = Flask("edge")
    app.config["BACKEND_OBSERVABILITY_SERVER_TIMING"] = True
    app.add_url_rule("/status", "status", lambda: Response("abc", status="OK"))
    app.add_url_rule("/length", "length", lambda: Response("abc", headers={"Content-Length": ""}))
    app.add_url_rule("/café", "cafe", lambda: "abc")
    app.wsgi_app = DispatcherMiddleware(
        app.wsgi_app,
        {"/werkzeug": werkzeug_app, "/reusing": reusing_app, "/generator": generator_app, "/odd": odd_app},
    )
    return app


def ask(app, path):
    body, status, headers = run_wsgi_app(app, create_environ(path), buffered=True)
    return b"".join(body), status, headers


@pytest.mark.parametrize(
    "path", ["/werkzeug/x", "/reusing/", "/generator/", "/odd/", "/status", "/length", "/café", "/nothing"]
)
def test_mounted_apps_and_odd_responses_are_answered_as_without_us(path, caplog):
    """Plain werkzeug and WSGI apps below ours, a status without a number, an empty length: same answer, and logged."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    plain, ours = make_app(), make_app()
    BackendPatterns().init_app(ours)
    for _ in range(3):
        body, status, headers = ask(ours, path)
        assert (body, status) == ask(plain, path)[:2]
        assert len(headers.getlist("X-Request-ID")) == 1
        assert len(headers.getlist("Server-Timing")) == 1
    assert HEADERS == [("Content-Type", "text/plain")]
    assert len([record for record in caplog.records if event_of(record)]) == 3


@pytest.mark.parametrize(("path", "said"), [("/café", "/café"), ("/%ff", "/\ufffd")])
def test_the_logged_path_is_the_one_people_know(path, said, caplog):
    """WSGI's Latin-1 is undone; bytes that are no UTF-8 are marked."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    app = make_app()
    BackendPatterns().init_app(app)
    ask(app, path)
    assert [event_of(record)["path"] for record in caplog.records if event_of(record)] == [said]


@pytest.fixture
def own_logging():
    """An app's own handler on our logger; records of what it formats."""
    logger, lines = logging.getLogger("flask_backend_patterns"), []

    class Own(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler, level = Own(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler, lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_filter_that_reads_messages_as_text_works(own_logging):
    """The usual redacting filter, `re.sub` on `record.msg`, meets a string."""
    handler, lines = own_logging

    def redact(record):
        record.msg = re.sub("request", "REQUEST", record.msg)
        return True

    handler.addFilter(redact)
    app = Flask("redacting")
    BackendPatterns().init_app(app)
    assert app.test_client().get("/").status_code == 404
    assert lines[0].startswith("REQUEST method=GET path=/ ")


def test_a_filter_that_fails_costs_the_line_and_not_the_answer(own_logging, capsys):
    """Whatever logging does, the request is answered; the fault is shown as logging shows its own."""
    handler, _ = own_logging

    def broken(_record):
        raise OSError("broken filter")

    handler.addFilter(broken)
    app = Flask("broken")
    BackendPatterns().init_app(app)
    assert app.test_client().get("/").status_code == 404
    assert "broken filter" in capsys.readouterr().err


def test_the_apps_record_factory_is_used(own_logging):
    """An app whose format needs what its factory adds gets its lines."""
    handler, lines = own_logging
    handler.setFormatter(logging.Formatter("%(tenant)s %(message)s"))
    before = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = before(*args, **kwargs)
        record.tenant = "t1"
        return record

    logging.setLogRecordFactory(factory)
    try:
        app = Flask("tenants")
        BackendPatterns().init_app(app)
        app.test_client().get("/")
    finally:
        logging.setLogRecordFactory(before)
    assert lines[0].startswith("t1 request ")


def test_nobody_forges_a_line_or_commands_a_terminal(own_logging):
    """Line breaks, spaces and escapes in a path stay inside the quotes of its field."""
    _, lines = own_logging
    app = Flask("forged")
    BackendPatterns().init_app(app)
    app.test_client().get("/x%0aCRITICAL auth admin status=200%1b[31m")
    assert len(lines[0].splitlines()) == 1
    assert r'path="/x\nCRITICAL auth admin status=200\u001b[31m"' in lines[0]


def test_an_exception_that_leaves_is_logged_as_the_500_it_becomes(caplog):
    """A teardown that raises leaves the app, as in Flask; the access log says what the client gets."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    app = Flask("teardown")
    BackendPatterns().init_app(app)

    @app.teardown_appcontext
    def broken(_error):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        app.test_client().get("/")
    assert [event_of(record)["status"] for record in caplog.records if event_of(record)] == [500]


def test_a_process_without_stderr_serves_and_keeps_nothing(monkeypatch):
    """Lines have nowhere to go and do not pile up."""
    handler = BackendHandler(logging.Formatter(), delay_seconds=0)
    monkeypatch.setattr(sys, "stderr", None)
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "line", None, None))
    assert handler._waiting == []
