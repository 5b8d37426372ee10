"""What a client, or a careless part of the app, can send to make an error handler fail."""

from __future__ import annotations

import dataclasses
import json
import logging

import marshmallow as ma
import pytest
from flask import Flask, jsonify, request
from flask_smorest import Api
from werkzeug.datastructures import Headers, WWWAuthenticate
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable, Unauthorized

from flask_backend_patterns import (
    BackendPatterns,
    BadRequestError,
    Blueprint,
    ConfigError,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitError,
    SetupError,
    UnauthorizedError,
    ValidationError,
)
from flask_backend_patterns.observability.events import event_of
from flask_backend_patterns.observability.logs import BackendFormatter
from flask_backend_patterns.observability.masking import Masker, hide_sql_parameters


class Required(ma.Schema):
    value = ma.fields.Integer(required=True)


class Thing(ma.Schema):
    name = ma.fields.String()
    number = ma.fields.Integer()
    things = ma.fields.List(ma.fields.Nested(Required))


def make_app(**config) -> Flask:
    app = Flask("hostile")
    app.config.update(BACKEND_API_PREFIXES=["/api"], **config)
    BackendPatterns().init_app(app)
    blueprint = Blueprint("things", "things", url_prefix="/things")
    blueprint.route("/", methods=["POST"])(blueprint.arguments(Thing)(lambda thing: thing))
    app.register_blueprint(blueprint)
    app.add_url_rule("/api/raw", "raw", lambda: jsonify(request.get_json()), methods=["POST"])
    return app


@pytest.mark.parametrize("path", ["/things/", "/api/raw"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[" * 100_000, 400),
        ('{"a":' * 50_000, 400),
        ('{"number": %s}' % ("9" * 5_000), 400),
        ('{"\\ud800": 1}', None),
        ('{"name": "\\ud800"}', None),
        ('{"number": %s}' % (2**70), None),
        ("\x00", 400),
    ],
    ids=["brackets", "objects", "digits", "surrogate key", "surrogate", "big", "NUL"],
)
def test_no_body_makes_a_5xx(path, body, status):
    """E4: bodies that decoders choke on are 400 `MALFORMED_JSON`; odd but legal ones are validated and answered."""
    response = make_app().test_client().post(path, data=body, content_type="application/json")
    assert response.status_code == (status or response.status_code) < 500
    if status == 400:
        assert response.json["error"]["code"] == "MALFORMED_JSON"


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
@pytest.mark.parametrize(
    "error",
    [
        BadRequestError("no such \ud800"),
        ValidationError(details=[{"field": "x\ud800", "message": 2**70}]),
        ValidationError(details=[{"field": 7}, {"message": "m", "value": {1: b"x"}}]),
        BadRequestError(headers={"X-Hint": "a\r\nX-Forged: 1"}),
        RateLimitError(retry_after=0.2),
    ],
    ids=["surrogate", "detail", "odd details", "header", "fraction"],
)
def test_any_error_can_be_answered_and_logged_in_any_format(error, accept, caplog):
    """Text that is no UTF-8, huge numbers, missing messages, line breaks in headers: a 4xx, and its line in the log."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    app = make_app()

    def fail():
        raise error

    app.add_url_rule("/api/fail", "fail", fail)
    response = app.test_client().get("/api/fail", headers={"Accept": accept})
    assert response.status_code == error.status
    assert json.loads(response.data)
    assert "X-Forged" not in response.headers
    assert response.headers.get("Retry-After") in {None, "1"}
    for record in filter(event_of, caplog.records):
        assert json.loads(BackendFormatter(Masker(), is_console=False).format(record))


def test_validation_errors_are_bounded():
    """A small body with 50,000 mistakes gets a small answer that says so."""
    body = {"things": [{}] * 50_000}
    response = make_app().test_client().post("/things/", json=body)
    details = response.json["error"]["details"]
    assert len(details) == 101
    assert details[-1] == {"message": "Only the first 100 errors are listed."}
    assert len(response.data) < 20_000


def answer_of(error, path="/api/x", **headers):
    app = make_app()

    def fail():
        raise error

    app.add_url_rule(path, "x", fail)
    return app.test_client().get(path, headers=headers)


def test_several_challenges_are_kept():
    """E3: an exception with two `WWW-Authenticate` challenges keeps both."""
    error = Unauthorized(
        www_authenticate=[WWWAuthenticate("basic", {"realm": "x"}), WWWAuthenticate("bearer")]
    )
    assert answer_of(error).headers["WWW-Authenticate"] == "Basic realm=x, Bearer"


def test_a_users_exception_may_have_data_of_its_own():
    """Only what webargs and flask-smorest put there is read."""

    class RowError(HTTPException):
        code = 409
        description = "Bad row."
        data = ("row 1",)

    response = answer_of(RowError())
    assert (response.status_code, response.json["error"]["message"]) == (409, "Bad row.")


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (MethodNotAllowedError("Closed on Sundays.", allowed=["GET", "PUT"]), ("Allow", "GET, PUT")),
        (UnauthorizedError("Who?", scheme="Basic"), ("WWW-Authenticate", "Basic")),
        (RateLimitError(retry_after=7), ("Retry-After", "7")),
    ],
)
def test_an_error_page_keeps_text_and_headers(error, header):
    """A browser on a page of the app gets the app's page, with our text and our header."""
    response = answer_of(error, "/page", Accept="text/html")
    assert response.mimetype == "text/html"
    assert error.message.encode() in response.data
    assert response.headers[header[0]] == header[1]


def test_a_416_page_has_no_invented_range():
    """A status whose werkzeug class takes other arguments first is made like any other."""
    error = NotFoundError("Bad range.")
    error.status = 416
    response = answer_of(error, "/page", Accept="text/html")
    assert (response.status_code, response.headers.get("Content-Range")) == (416, None)
    assert RequestedRangeNotSatisfiable.code == 416


def test_a_500_handler_of_the_blueprint_is_called():
    """Its author wrote it for this API; the failure is still in the log."""
    app = make_app()
    blueprint = Blueprint("b", "b", url_prefix="/b")
    blueprint.route("/boom")(lambda: 1 / 0)
    blueprint.register_error_handler(
        500, lambda error: (f"mine {type(error.original_exception).__name__}", 500)
    )
    app.register_blueprint(blueprint)
    response = app.test_client().get("/b/boom")
    assert (response.status_code, response.data) == (500, b"mine ZeroDivisionError")


def test_a_blueprint_without_init_app_names_the_cure():
    """Our errors on an app that forgot `init_app` say what to call."""
    app = Flask("bare")
    app.testing = True
    blueprint = Blueprint("b", "b")

    def fail():
        raise NotFoundError

    blueprint.route("/x")(fail)
    app.register_blueprint(blueprint)
    with pytest.raises(SetupError, match=r"BackendPatterns\(\)\.init_app\(app\)"):
        app.test_client().get("/x")
    with pytest.raises(SetupError, match="takes the Flask app"):
        BackendPatterns("app")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BACKEND_API_PREFIXES", "api"),
        ("BACKEND_API_PREFIXES", ["/api/*"]),
        ("BACKEND_API_PREFIXES", [""]),
        ("BACKEND_SECURITY_TRUSTED_HOSTS", ["https://shop.example/"]),
        ("BACKEND_SECURITY_REFERRER_POLICY", "origin\r\nX: y"),
        ("BACKEND_HEALTH_PREFIX", "/<x>"),
        ("BACKEND_REDIS_URL", "nonsense"),
    ],
)
def test_settings_that_would_silently_do_nothing_are_refused(key, value):
    """A prefix without its slash, a pattern where none is read, a scheme where a host belongs."""
    app = Flask("wrong")
    app.config[key] = value
    with pytest.raises(ConfigError, match=key):
        BackendPatterns().init_app(app)
    Api(Flask("untouched"), spec_kwargs={"title": "t", "version": "1", "openapi_version": "3.1.0"})


@dataclasses.dataclass
class Login:
    user: str
    password: str


@pytest.mark.parametrize(
    "value",
    [
        Login("a", "hunter2"),
        Headers([("Authorization", "hunter2")]),
        [("Authorization", "hunter2")],
        {"pwd": "hunter2"},
        {"passphrase": "hunter2"},
        {"private-key": "hunter2"},
        {"otp": "hunter2"},
        {"credentials": ["hunter2"]},
    ],
    ids=str,
)
def test_secrets_are_masked_in_whatever_holds_them(value):
    """Dataclasses, werkzeug's headers, pairs, and short names of secrets."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "said", None, None)
    record.value = value
    assert "hunter2" not in BackendFormatter(Masker(), is_console=False).format(record)


def test_parameters_are_hidden_inside_exception_groups():
    """Errors collected by a task group are looked into as well."""
    from sqlalchemy.exc import OperationalError

    inner = OperationalError("UPDATE x SET a=?", ("hunter2",), Exception("locked"))
    hide_sql_parameters(ExceptionGroup("several", [ValueError(), ExceptionGroup("inner", [inner])]))
    assert "hunter2" not in str(inner)
