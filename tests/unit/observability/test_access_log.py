"""The access log: the same line whether or not a log record is made of it, and a record for whoever wants one."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._contribution import ACTOR_ID_KEY
from flask_backend_patterns.observability.direct_lines import lone_handler
from flask_backend_patterns.observability.events import LOGGER_NAME, event_of
from flask_backend_patterns.observability.handler import BackendHandler
from flask_backend_patterns.observability.logs import BackendFormatter, json_line
from flask_backend_patterns.observability.masking import Masker

LOGGER = logging.getLogger(LOGGER_NAME)


def json_handler(delay_seconds=0.0):
    return BackendHandler(BackendFormatter(Masker(), is_console=False), delay_seconds=delay_seconds)


@pytest.fixture
def stderr(monkeypatch):
    """What our handler writes to, and nobody else."""
    stream = io.StringIO()
    monkeypatch.setattr(BackendHandler, "stream", stream)
    monkeypatch.setattr(LOGGER, "propagate", False)
    monkeypatch.setattr(LOGGER, "handlers", [json_handler()])
    monkeypatch.setattr(LOGGER, "filters", [])
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield stream
    LOGGER.setLevel(level)


def make_app(**config) -> Flask:
    app = Flask("lines")
    app.config.update(config)
    BackendPatterns().init_app(app)
    LOGGER.handlers[:] = [
        ours for ours in LOGGER.handlers if isinstance(ours, BackendHandler)
    ]  # not pytest's
    app.add_url_rule("/items/<item>", "item", lambda item: item)
    app.add_url_rule("/stream", "stream", lambda: iter(["a"]))
    return app


def line_of(stream: io.StringIO) -> dict:
    """The only line that was written, without what differs from time to time."""
    (text,) = stream.getvalue().splitlines()
    stream.seek(0)
    stream.truncate()
    line = json.loads(text)
    assert line.pop("duration_ms") >= 0
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset().total_seconds() == 0
    return line


def call(app: Flask, path="/items/7", **options):
    return app.test_client().get(path, headers={"X-Request-ID": "abc"}, **options)


@pytest.mark.parametrize(
    ("path", "environ"),
    [
        ("/items/7?token=hunter2", {}),
        ("/stream", {}),
        ("/none", {}),
        ('/items/"%0d%0a{}é', {}),
        ("/items/%ff%fe", {}),
        ("/items/%ed%a0%80", {}),
        ("/items/7", {ACTOR_ID_KEY: "user-é"}),
        ("/items/7", {ACTOR_ID_KEY: ""}),
        ("/items/7", {"SCRIPT_NAME": "/mounted"}),
        ("/items/7", {"REQUEST_METHOD": 'G"\u0100T'}),
    ],
)
def test_the_line_is_that_of_the_record(stderr, path, environ):
    """Whatever a client sends: with a record or without, it is the same object on one line."""
    app = make_app()
    assert lone_handler(LOGGER) is LOGGER.handlers[0]
    call(app, path, environ_overrides=environ)
    direct = line_of(stderr)
    LOGGER.addFilter(lambda _record: True)
    assert lone_handler(LOGGER) is None
    call(app, path, environ_overrides=environ)
    assert list(line_of(stderr).items()) == list(direct.items())
    assert direct["logger"] == LOGGER_NAME
    assert "hunter2" not in str(direct)


class Keeper(logging.Handler):
    """An app's handler; remembers the events it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(event_of(record)["event"])


def watch_own_handler(monkeypatch, keeper):
    LOGGER.handlers.insert(0, keeper)


def watch_handler_of_the_root(monkeypatch, keeper):
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr(logging.getLogger(), "handlers", [keeper])


def watch_filter_of_the_logger(monkeypatch, keeper):
    LOGGER.addFilter(lambda record: keeper.emit(record) or True)


def watch_filter_of_our_handler(monkeypatch, keeper):
    LOGGER.handlers[0].addFilter(lambda record: keeper.emit(record) or True)


def watch_formatter(monkeypatch, keeper):
    class Formatter(logging.Formatter):
        def format(self, record):
            keeper.emit(record)
            return "{}"

    LOGGER.handlers[0].setFormatter(Formatter())


def watch_handler_class(monkeypatch, keeper):
    class Ours(BackendHandler):
        def emit(self, record):
            keeper.emit(record)

    LOGGER.handlers[:] = [Ours(BackendFormatter(Masker(), is_console=False), delay_seconds=0)]


def watch_record_factory(monkeypatch, keeper):
    kept = logging.getLogRecordFactory()

    def make(*args, **kwargs):
        record = kept(*args, **kwargs)
        keeper.emit(record)
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", make)


def watch_every_logger(monkeypatch, keeper):
    """As error trackers do."""
    kept = logging.Logger.callHandlers

    def call_handlers(logger, record):
        keeper.emit(record)
        kept(logger, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", call_handlers)


def watch_this_logger(monkeypatch, keeper):
    kept = LOGGER.handle
    monkeypatch.setattr(LOGGER, "handle", lambda record: keeper.emit(record) or kept(record), raising=False)


WATCHES = [value for name, value in list(globals().items()) if name.startswith("watch_")]


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: watch.__name__)
def test_whoever_listens_gets_a_record(stderr, monkeypatch, watch):
    """Handlers, filters, formatters and factories of the app, also when put there after the first request."""
    app, keeper = make_app(), Keeper()
    call(app)
    assert line_of(stderr)["event"] == "request"
    watch(monkeypatch, keeper)
    call(app)
    assert keeper.seen == ["request"]
    assert lone_handler(LOGGER) is None


def switch_off_logger(monkeypatch):
    LOGGER.setLevel(logging.WARNING)


def switch_off_handler(monkeypatch):
    LOGGER.handlers[0].setLevel(logging.WARNING)


def switch_off_all(monkeypatch):
    monkeypatch.setattr(LOGGER.manager, "disable", logging.INFO)
    LOGGER.manager._clear_cache()


def switch_off_this(monkeypatch):
    monkeypatch.setattr(LOGGER, "disabled", True)


OFF = [switch_off_logger, switch_off_handler, switch_off_all, switch_off_this]


@pytest.mark.parametrize("switch_off", OFF, ids=lambda switch: switch.__name__)
def test_levels_hold(stderr, monkeypatch, switch_off):
    """What the app does not want to see is not written."""
    app = make_app()
    try:
        switch_off(monkeypatch)
        assert call(app).status_code == 200
        assert stderr.getvalue() == ""
    finally:
        monkeypatch.undo()
        LOGGER.manager._clear_cache()


def test_fields_that_are_named_secret_are_masked(stderr):
    """`BACKEND_OBSERVABILITY_MASKED_KEYS` holds for the access log too."""
    call(make_app(BACKEND_OBSERVABILITY_MASKED_KEYS=["path", "actor"]), environ_overrides={ACTOR_ID_KEY: "7"})
    line = line_of(stderr)
    assert (line["path"], line["actor_id"], line["route"]) == ("***", "***", "/items/<item>")


def test_people_get_columns(stderr):
    """The console form stays what it is."""
    LOGGER.handlers[:] = [BackendHandler(BackendFormatter(Masker(), is_console=True), delay_seconds=0)]
    call(make_app())
    assert "request" in stderr.getvalue()
    assert not stderr.getvalue().startswith("{")


def test_lines_keep_their_order(stderr):
    """A line that waits is written before the next record, which is not of the access log."""
    LOGGER.handlers[:] = [json_handler(delay_seconds=60)]
    app = make_app()
    call(app)
    assert stderr.getvalue() == ""
    LOGGER.info("something else")
    assert [json.loads(line)["event"] for line in stderr.getvalue().splitlines()] == [
        "request",
        "something else",
    ]


def test_a_stream_that_breaks_costs_no_request(stderr, monkeypatch):
    """As with every handler: the failure is shown where failures of logging are shown, the answer is given."""
    faults = []
    monkeypatch.setattr(BackendHandler, "handleError", lambda _handler, record: faults.append(record))
    monkeypatch.setattr(stderr, "write", lambda _text: 1 / 0)
    assert call(make_app()).status_code == 200
    assert '"path":"/items/7"' in faults[0].getMessage()


@pytest.mark.parametrize(
    "seconds", [0.0, 0.000001, 1.5, 1_700_000_000.999999, 1_700_000_001.0, 253402300799.0]
)
def test_timestamps_are_rfc_3339_in_utc(seconds):
    """To the microsecond, whole seconds too."""
    line = json.loads(json_line({"event": "x"}, level="info", created=seconds, logger="x"))
    text = line["timestamp"]
    assert len(text) == len("2026-01-01T00:00:00.000000Z")
    assert abs(datetime.fromisoformat(text).timestamp() - seconds) <= 2e-6


class Unspeakable:
    """Has no text."""

    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    "fields",
    [
        {"form": {"user": "a", "password": "hunter2"}, "token": "hunter2"},
        {"text": "a\r\nb\udc80", "number": 10**40, "bytes": b"x", "none": None},
        {"when": datetime(2026, 1, 2, tzinfo=UTC), "items": [1, (2, 3)], "thing": object},
        {"level": "mine", "logger": "mine"},
    ],
)
def test_other_events_too_are_the_same_without_a_record(stderr, fields):
    """Whatever their fields are; secrets are masked either way."""
    log = make_app().extensions["backend_patterns"].log

    def line(**more):
        log.info("job.started", **fields, **more)
        (text,) = stderr.getvalue().splitlines()
        stderr.seek(0)
        stderr.truncate()
        return [item for item in json.loads(text).items() if item[0] != "timestamp"]

    direct = line()
    LOGGER.addFilter(lambda _record: True)
    assert line() == direct
    assert "hunter2" not in str(direct)


def test_an_event_that_cannot_be_written_fails_nobody(stderr, monkeypatch):
    """It is shown where failures of logging are shown."""
    faults = []
    monkeypatch.setattr(BackendHandler, "handleError", lambda _handler, record: faults.append(record))
    make_app().extensions["backend_patterns"].log.info("odd", thing=Unspeakable())
    assert [event_of(record)["event"] for record in faults] == ["odd"]
    assert stderr.getvalue() == ""
