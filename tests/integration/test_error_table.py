"""Every kind of failure, on an API route, a page and unknown paths, held against the table of CONTRACTS section 2.

Run in both orders of `init_app`, with and without flask-smorest's own `Api`, beside JWTManager and Limiter, which bring
error handlers of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx
import jwt
import marshmallow
import pytest
import redis
import requests
import sqlalchemy.exc
from flask import Flask, abort, request
from flask_jwt_extended import JWTManager
from flask_jwt_extended import exceptions as jwt_extended
from flask_limiter import Limiter, RateLimitExceeded
from flask_smorest import Api
from limits import parse
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized, default_exceptions

from flask_backend_patterns import (
    AppError,
    BackendPatterns,
    Blueprint,
    ConflictError,
    NotFoundError,
    RateLimitError,
)

SECRET = "s3cr3t-driver-text"  # in every foreign exception; must never be answered


class TeapotsEmptyError(ConflictError):
    code = "TEAPOTS_EMPTY"
    default_message = "No tea left."


@dataclass(frozen=True)
class Failure:
    id: str
    error: Exception
    status: int
    code: str
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


# CONTRACTS section 2, and the standard names of the statuses it does not list.
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE", 408: "REQUEST_TIMEOUT", 409: "CONFLICT", 410: "GONE", 411: "LENGTH_REQUIRED",
    412: "PRECONDITION_FAILED", 413: "PAYLOAD_TOO_LARGE", 414: "REQUEST_URI_TOO_LONG", 415: "UNSUPPORTED_MEDIA_TYPE",
    416: "REQUESTED_RANGE_NOT_SATISFIABLE", 417: "EXPECTATION_FAILED", 418: "IM_A_TEAPOT", 421: "MISDIRECTED_REQUEST",
    422: "VALIDATION_ERROR", 423: "LOCKED", 424: "FAILED_DEPENDENCY", 428: "PRECONDITION_REQUIRED",
    429: "RATE_LIMIT_EXCEEDED", 431: "REQUEST_HEADER_FIELDS_TOO_LARGE", 451: "UNAVAILABLE_FOR_LEGAL_REASONS",
    500: "INTERNAL_ERROR", 501: "NOT_IMPLEMENTED", 502: "THIRD_PARTY_ERROR", 503: "SERVICE_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED", 505: "HTTP_VERSION_NOT_SUPPORTED",
}  # fmt: skip
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "5"}, 503: {"Retry-After": "5"}}

HTTP = [
    Failure(
        f"werkzeug-{status}",
        kind(description=f"text {status}"),
        status,
        CODES[status],
        f"text {status}",
        HEADERS.get(status, {}),
    )
    for status, kind in default_exceptions.items()
]
INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
RETRY = {"Retry-After": "5"}


def jwt_failure(kind: type[Exception]) -> Failure:
    error = make_error(kind)
    named = {jwt.ExpiredSignatureError: "TOKEN_EXPIRED", jwt_extended.RevokedTokenError: "TOKEN_REVOKED"}
    if kind is jwt_extended.NoAuthorizationError:
        return Failure("jwt-none", error, 401, "UNAUTHORIZED", None, {"WWW-Authenticate": "Bearer"})
    return Failure(f"jwt-{kind.__name__}", error, 401, named.get(kind, "INVALID_TOKEN"), None, INVALID)


def make_error(kind: type[Exception]) -> Exception:
    """Some classes of Flask-JWT-Extended insist on the token's parts."""
    for arguments in ((SECRET,), (SECRET, {}), (SECRET, {}, {})):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    raise AssertionError(kind)


def every_class(module, base: type[Exception]) -> list[type[Exception]]:
    return [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, base)]


def limiter_failure() -> Exception:
    return RateLimitExceeded(SimpleNamespace(limit=parse("7/minute"), error_message=None))


FOREIGN = [
    Failure(
        "marshmallow",
        marshmallow.ValidationError({"a": ["bad"]}),
        422,
        "VALIDATION_ERROR",
        "Invalid input data",
    ),
    Failure("no-result", sqlalchemy.exc.NoResultFound(SECRET), 404, "NOT_FOUND"),
    Failure("stale", StaleDataError(SECRET), 409, "CONFLICT"),
    Failure(
        "unique",
        sqlalchemy.exc.IntegrityError(SECRET, {}, SimpleNamespace(sqlstate="23505", args=(SECRET,))),
        409,
        "CONFLICT",
    ),
    Failure(
        "operational",
        sqlalchemy.exc.OperationalError(SECRET, {}, Exception()),
        503,
        "DATABASE_ERROR",
        None,
        RETRY,
    ),
    Failure(
        "interface",
        sqlalchemy.exc.InterfaceError(SECRET, {}, Exception()),
        503,
        "DATABASE_ERROR",
        None,
        RETRY,
    ),
    Failure("pool-timeout", sqlalchemy.exc.TimeoutError(SECRET), 503, "DATABASE_ERROR", None, RETRY),
    *[
        Failure(f"redis-{kind.__name__}", kind(SECRET), 503, "SERVICE_UNAVAILABLE", None, RETRY)
        for kind in (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, redis.ResponseError)
    ],
    *[jwt_failure(kind) for kind in every_class(jwt.exceptions, jwt.PyJWTError)],
    *[jwt_failure(kind) for kind in every_class(jwt_extended, jwt_extended.JWTExtendedException)],
    Failure(
        "limiter", limiter_failure(), 429, "RATE_LIMIT_EXCEEDED", "Too many requests.", {"Retry-After": "60"}
    ),
    Failure("httpx-timeout", httpx.ReadTimeout(SECRET), 504, "DEADLINE_EXCEEDED"),
    Failure("httpx-connect", httpx.ConnectError(SECRET), 503, "NETWORK_ERROR", None, RETRY),
    Failure("httpx-protocol", httpx.RemoteProtocolError(SECRET), 502, "THIRD_PARTY_ERROR"),
    Failure(
        "httpx-status",
        httpx.HTTPStatusError(SECRET, request=httpx.Request("GET", "http://x"), response=httpx.Response(500)),
        502,
        "THIRD_PARTY_ERROR",
    ),
    Failure("httpx-decoding", httpx.DecodingError(SECRET), 502, "THIRD_PARTY_ERROR"),
    Failure("httpx-misuse", httpx.UnsupportedProtocol(SECRET), 500, "INTERNAL_ERROR"),
    Failure("httpx-url", httpx.InvalidURL(SECRET), 500, "INTERNAL_ERROR"),
    Failure("requests-url", requests.exceptions.InvalidURL(SECRET), 500, "INTERNAL_ERROR"),
    Failure("requests-json", requests.exceptions.JSONDecodeError(SECRET, "", 0), 502, "THIRD_PARTY_ERROR"),
    Failure("marshmallow-misuse", marshmallow.exceptions.RegistryError(SECRET), 500, "INTERNAL_ERROR"),
    Failure(
        "disconnected",
        sqlalchemy.exc.DBAPIError(SECRET, {}, Exception(), connection_invalidated=True),
        503,
        "DATABASE_ERROR",
        None,
        RETRY,
    ),
    Failure("requests-timeout", requests.ConnectTimeout(SECRET), 504, "DEADLINE_EXCEEDED"),
    Failure("requests-connect", requests.ConnectionError(SECRET), 503, "NETWORK_ERROR", None, RETRY),
    Failure("requests-status", requests.HTTPError(SECRET), 502, "THIRD_PARTY_ERROR"),
    Failure("timeout", TimeoutError(SECRET), 504, "DEADLINE_EXCEEDED"),
    Failure("uncaught", RuntimeError(SECRET), 500, "INTERNAL_ERROR", "An unexpected error occurred."),
    Failure(
        "not-null",
        sqlalchemy.exc.IntegrityError(SECRET, {}, SimpleNamespace(sqlstate="23502", args=(SECRET,))),
        500,
        "INTERNAL_ERROR",
    ),
]
OWN = [
    Failure("own", NotFoundError("No such order."), 404, "NOT_FOUND", "No such order."),
    Failure("own-subclass", TeapotsEmptyError(), 409, "TEAPOTS_EMPTY", "No tea left."),
    Failure(
        "own-headers", RateLimitError(retry_after=9), 429, "RATE_LIMIT_EXCEEDED", None, {"Retry-After": "9"}
    ),
]

SETUPS = [
    pytest.param((order, api), id=f"{order}-{'smorest' if api else 'plain'}")
    for order in ("ours_first", "ours_last")
    for api in (True, False)
]


def make_app(order: str, *, with_api: bool, with_us: bool = True) -> Flask:
    app = Flask("table")
    app.config.update(
        API_TITLE="t",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        JWT_SECRET_KEY="k" * 32,
        BACKEND_API_PREFIXES=["/api"],
        BACKEND_OBSERVABILITY_ACCESS_LOG=False,
    )

    def others() -> Api | None:
        JWTManager(app)
        Limiter(lambda: "key", app=app, storage_uri="memory://")
        return Api(app) if with_api else None

    if with_us and order == "ours_first":
        BackendPatterns().init_app(app)
    api = others()
    if with_us and order == "ours_last":
        BackendPatterns().init_app(app)

    app.config["FAILURES"] = {}

    def fail() -> None:
        raise app.config["FAILURES"]["next"]

    def read_json() -> dict[str, object]:
        return {"read": request.get_json()}

    blueprint = Blueprint("shop", "shop", url_prefix="/shop")
    blueprint.route("/fail", methods=["GET", "POST"])(fail)
    blueprint.route("/json", methods=["POST"])(read_json)
    (api or app).register_blueprint(blueprint)
    app.add_url_rule("/page", "page", fail)
    app.add_url_rule("/page-json", "page-json", read_json, methods=["POST"])
    app.add_url_rule("/api/old", "old", fail)
    return app


@pytest.fixture(scope="module", params=SETUPS)
def table_app(request):
    order, with_api = request.param
    return make_app(order, with_api=with_api), make_app(order, with_api=with_api, with_us=False)


def assert_contract(response, failure: Failure) -> None:
    assert response.status_code == failure.status
    assert response.mimetype == "application/json"
    body = json.loads(response.data)
    assert list(body) == ["error"]
    error = body["error"]
    assert error["code"] == failure.code
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert set(error) <= {"code", "message", "details", "request_id"}
    if failure.message is not None:
        assert error["message"] == failure.message
    assert SECRET not in response.get_data(as_text=True)
    for name, value in failure.headers.items():
        assert response.headers[name] == value


@pytest.mark.parametrize("path", ["/shop/fail", "/api/old"])
@pytest.mark.parametrize("failure", [*HTTP, *FOREIGN, *OWN], ids=lambda failure: failure.id)
def test_every_failure_on_an_api_route_follows_the_contract(table_app, failure, path):
    """E1, E2, E3, E7: one format, the contract's status and code, the headers of the status, the id, no driver text."""
    app, _ = table_app
    app.config["FAILURES"]["next"] = failure.error
    assert_contract(app.test_client().get(path), failure)


@pytest.mark.parametrize("failure", [*HTTP, *FOREIGN], ids=lambda failure: failure.id)
@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json"])
def test_a_failure_on_a_page_is_answered_as_without_us(table_app, failure, accept):
    """E5, A4: status, body and type of a page's errors stay the app's, whatever the client accepts."""
    answers = []
    for app in table_app:
        app.config["FAILURES"]["next"] = failure.error
        answers.append(app.test_client().get("/page", headers={"Accept": accept}))
    ours, theirs = answers
    assert (ours.status, ours.data, ours.mimetype) == (theirs.status, theirs.data, theirs.mimetype)
    added = {"X-Request-ID", "X-Content-Type-Options", "Referrer-Policy"}
    assert {name for name, _ in ours.headers} - added == {name for name, _ in theirs.headers}


@pytest.mark.parametrize("failure", OWN, ids=lambda failure: failure.id)
def test_our_own_exception_on_a_page_is_ours_unless_a_browser_asks(table_app, failure):
    """Our exceptions are answered in our format anywhere; a browser gets the app's own error page of that status."""
    app, _ = table_app
    app.config["FAILURES"]["next"] = failure.error
    assert_contract(app.test_client().get("/page"), failure)
    page = app.test_client().get("/page", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == failure.status
    assert b'"error"' not in page.data
    assert failure.headers.items() <= dict(page.headers).items()


@pytest.mark.parametrize(
    ("method", "path", "options", "failure"),
    [
        ("post", "/shop/json", {"data": "{", "content_type": "application/json"}, (400, "MALFORMED_JSON")),
        (
            "post",
            "/shop/json",
            {"data": b"\xff", "content_type": "application/json"},
            (400, "MALFORMED_JSON"),
        ),
        (
            "post",
            "/shop/json",
            {"data": "a=1", "content_type": "text/plain"},
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
        ("delete", "/shop/fail", {}, (405, "METHOD_NOT_ALLOWED")),
        ("get", "/api/nothing", {}, (404, "NOT_FOUND")),
        ("get", "/api", {}, (404, "NOT_FOUND")),
        ("post", "/api/old", {}, (405, "METHOD_NOT_ALLOWED")),
    ],
)
def test_requests_that_no_view_wants_follow_the_contract(table_app, method, path, options, failure):
    """E3, E4: bad JSON, a wrong content type, a wrong method and an unknown URL have the one shape, with `Allow`."""
    app, _ = table_app
    response = getattr(app.test_client(), method)(path, **options)
    assert_contract(response, Failure("", Exception(), *failure))
    if failure[0] == 405:
        allowed = {"GET", "HEAD", "OPTIONS"} | ({"POST"} if path == "/shop/fail" else set())
        assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("get", "/nothing", {}),
        ("get", "/apix", {}),
        ("get", "/shop/nothing", {}),
        ("delete", "/page", {}),
        ("post", "/page-json", {"data": "{", "content_type": "application/json"}),
        ("post", "/page-json", {"data": "a=1", "content_type": "text/plain"}),
    ],
)
def test_the_same_elsewhere_is_answered_as_without_us(table_app, method, path, options):
    """E5: an unknown path that no listed prefix covers is the app's, also below the prefix of a blueprint of ours."""
    ours, theirs = (getattr(app.test_client(), method)(path, **options) for app in table_app)
    assert (ours.status, ours.data, ours.mimetype) == (theirs.status, theirs.data, theirs.mimetype)


def test_every_listed_driver_exception_is_in_the_table():
    """No exception class of the listed drivers is forgotten: each is in the table through itself or a parent."""
    known = tuple(type(failure.error) for failure in FOREIGN)
    modules = [
        (redis.exceptions, redis.RedisError),
        (jwt.exceptions, jwt.PyJWTError),
        (jwt_extended, jwt_extended.JWTExtendedException),
    ]
    for module, base in modules:
        for kind in every_class(module, base):
            assert issubclass(kind, known) or issubclass(kind, redis.RedisError), kind
    assert set(CODES) == set(default_exceptions)


def test_challenges_and_own_headers_of_an_exception_are_kept(table_app):
    """E3: what the raiser put on the exception wins over the default of the status."""
    app, _ = table_app
    app.config["FAILURES"]["next"] = Unauthorized(
        "who?", www_authenticate=WWWAuthenticate("basic", {"realm": "x"})
    )
    response = app.test_client().get("/shop/fail")
    assert response.headers.getlist("WWW-Authenticate") == ["Basic realm=x"]
    assert response.json["error"]["message"] == "who?"


def test_a_redirect_and_a_ready_response_are_left_alone():
    """An exception that carries its own answer is no error to translate: redirects, `abort(Response)`."""
    app = make_app("ours_last", with_api=True)
    blueprint = Blueprint("more", "more", url_prefix="/more")

    @blueprint.route("/slash/")
    def slash() -> str:
        return "here"

    @blueprint.route("/ready")
    def ready() -> None:
        abort(app.response_class("mine", 418))

    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/more/slash").status_code == 308
    assert (client.get("/more/ready").status_code, client.get("/more/ready").data) == (418, b"mine")


def test_an_unforeseen_app_error_of_a_user_keeps_its_own_status():
    """A user's subclass may use any status, also one without a name."""

    class OddError(AppError):
        status = 499
        code = "ODD"
        default_message = "Odd."

    app = make_app("ours_last", with_api=False)
    app.config["FAILURES"]["next"] = OddError(
        details=[{"field": "a", "message": "b"}], headers={"X-Odd": "1"}
    )
    response = app.test_client().get("/shop/fail", headers={"Accept": "application/problem+json"})
    assert response.status_code == 499
    assert response.headers["X-Odd"] == "1"
    assert response.json["title"] == "Error"
