"""The shop, held against its own OpenAPI document by Schemathesis: every check, stateful too, on both databases.

Schemathesis makes up requests from the document, good and bad ones, follows what it learns from the answers (an order's
`Location` leads to that order), and says where an answer is not what the document promises. The seed is fixed and the
number of examples bounded, so a run is repeatable and takes seconds.
"""

import json
import logging
import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from flask import Flask
from flask_migrate import upgrade
from schemathesis.checks import CHECKS
from schemathesis.engine import Status, StopReason, events, from_schema
from schemathesis.engine.run import PhaseName
from werkzeug.serving import WSGIRequestHandler, make_server

from example_app import create_app
from example_app.extensions import db
from example_app.models import User
from example_app.seeding.demo import DEMO_PASSWORD
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed
from example_app.transactions import write_transaction
from flask_backend_patterns import hash_password
from flask_backend_patterns.auth.state import auth_state

SEED = 20_260
MAX_EXAMPLES = 5  # for each operation; the coverage phase adds every boundary the document names
MAX_STEPS = 5  # of one stateful scenario
MAX_SECONDS = 120  # a run that takes longer stops, and fails as incomplete
SLOWEST_ANSWER_SECONDS = 10  # for the check of that name; machines of tests are slow
MAX_SHOWN_CHARACTERS = 1_500
MAX_SHOWN_FAULTS = 5  # of the run itself; they tend to be alike

# Schemathesis' own lists know no preconditions (RFC 9110, 13; RFC 6585, 3), which are looked at before the body is: 412 and 428
# refuse a bad request too, and whether a good `If-Match` holds depends on what is stored, as a 404 and a 409 do.
EXPECTED_STATUSES = {
    "positive_data_acceptance": ["2xx", "3xx", "401", "403", "404", "409", "412", "429", "5xx"],
    "negative_data_rejection": [
        *("400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429", "5xx"),
    ],
    "missing_required_header": ["400", "401", "403", "406", "415", "422", "428"],
}

# What one check says of one operation and is no defect where the answer says so: (check, operation) -> text of the answer.
# Which products there are, what was signed as a cursor and which keys were used are no rules of a document.
ACCEPTED: dict[tuple[str, str], tuple[bytes, ...]] = {
    ("positive_data_acceptance", "POST /api/orders"): (b"No such product.", b"IDEMPOTENCY_MISMATCH"),
    ("positive_data_acceptance", "GET /api/products/feed"): (b"INVALID_CURSOR",),
    # Nor are the tokens that were sent by mail, the caller's password, which passwords are too easy to guess, how a scope is
    # written, what time it is, and which ways to keep a login the app reads.
    ("positive_data_acceptance", "POST /auth/login"): (b"This app takes:",),
    ("positive_data_acceptance", "POST /auth/verify"): (b"Ask for a new one.",),
    ("positive_data_acceptance", "POST /auth/reset"): (b"Ask for a new one.",),
    ("positive_data_acceptance", "POST /auth/password"): (b"This is not your password.",),
    ("positive_data_acceptance", "POST /auth/register"): (
        *(b'"field":"password","message":', b"Not a valid email address."),  # 0@0.a
    ),
    ("positive_data_acceptance", "POST /auth/api-keys"): (
        *(b"Write each scope like orders:read", b"Give a time in the future.", b"printable characters."),
    ),
}


@dataclass(frozen=True)
class Finding:
    """One kind of failure of one operation, and a request that shows it."""

    check: str
    operation: str
    status: int | None
    title: str
    message: str
    request: str

    def __str__(self) -> str:
        text = (
            f"{self.check}: {self.operation} -> {self.status}: {self.title}\n{self.message}\n{self.request}"
        )
        return text[:MAX_SHOWN_CHARACTERS]


@dataclass
class Examination:
    """What one run did and found."""

    document: dict[str, Any]
    findings: dict[tuple[str, str, int | None, str], Finding] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # what kept the run from being complete
    ran: dict[str, Status] = field(default_factory=dict)  # by phase
    checked: Counter[str] = field(default_factory=Counter)  # by check
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # by operation and status

    def report(self) -> str:
        """Everything found, one paragraph each, most of a request to repeat it included."""
        lines = [f"{len(self.findings)} findings in {sum(self.answers.values()):,} answers"]
        lines += [*self.broken[:MAX_SHOWN_FAULTS], *map(str, self.findings.values())]
        return "\n\n".join(lines)

    def note(self, event: events.EngineEvent) -> None:
        """Take over what an event of the run says."""
        if isinstance(event, events.ScenarioFinished):
            self._note_scenario(event)
        elif isinstance(event, events.PhaseFinished):
            self.ran[event.phase.name.value] = event.status
        elif isinstance(event, events.NonFatalError):
            self.broken.append(f"error: {event.label}: {event.info.format()}"[:MAX_SHOWN_CHARACTERS])
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.SchemaAnalysisWarnings):
            self.broken += [f"document: {warning.message}" for warning in event.warnings]
        elif isinstance(event, events.EngineFinished) and event.stop_reason is not StopReason.COMPLETED:
            self.broken.append(f"the run stopped early: {event.stop_reason}")

    def _note_scenario(self, event: events.ScenarioFinished) -> None:
        recorder = event.recorder
        for case_id, interaction in recorder.interactions.items():
            if interaction.response is not None and case_id in recorder.cases:
                operation = recorder.cases[case_id].value.operation
                if interaction.request.method == operation.method.upper():  # it tries other methods, too
                    self.answers[operation.label, interaction.response.status_code] += 1
        for case_id, nodes in recorder.checks.items():
            for node in nodes:
                self.checked[node.name] += 1
                if node.failure_info is None:
                    continue
                failure = node.failure_info.failure
                operation = failure.operation or recorder.cases[case_id].value.operation.label
                interaction = recorder.interactions.get(failure.case_id or case_id)
                said = interaction.response.content if interaction and interaction.response else b""
                if any(text in said for text in ACCEPTED.get((node.name, operation), ())):
                    continue
                finding = Finding(
                    check=node.name,
                    operation=operation,
                    status=interaction.response.status_code if interaction and interaction.response else None,
                    title=failure.title,
                    message=failure.message,
                    request=node.failure_info.code_sample,
                )
                self.findings.setdefault((finding.check, operation, finding.status, finding.title), finding)


def configuration(auth: Mapping[str, object], base_url: str) -> schemathesis.Config:
    """Everything on, bounded, and the same each time."""
    return schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "workers": 1,
            "base-url": base_url,
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "output": {
                "sanitization": {"enabled": False}
            },  # so that a request can be sent again as it is shown
            "auth": {"auto-signup": False, **auth},
            "checks": {
                "enabled": True,
                "max_response_time": SLOWEST_ANSWER_SECONDS,
                **{check: {"expected-statuses": statuses} for check, statuses in EXPECTED_STATUSES.items()},
            },
            "generation": {
                "mode": "all",
                "max-examples": MAX_EXAMPLES,
                "database": "none",
                "no-shrink": True,
                "allow-x00": False,  # refused everywhere; tests/integration/example/test_generated_input.py sends it
            },
            "phases": {"stateful": {"max-steps": MAX_STEPS}},
        }
    )


def without_catch_all(document: dict[str, Any]) -> dict[str, Any]:
    """The document without `default` responses, which would document every status there is and so promise nothing."""
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and len(operation.get("responses", ())) > 1:
                operation["responses"].pop("default", None)
    return document


class Faults(logging.Handler):
    """The tracebacks that the app logs, each kind once, by the exception's type and text."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.texts: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text = "".join(traceback.format_exception(error))
            self.texts.setdefault(f"{type(error)} {error}", "fault: ..." + text[-MAX_SHOWN_CHARACTERS:])


@contextmanager
def faults_logged() -> Iterator[Faults]:
    """Take what the app logs, which would be thousands of lines in the report of a failed test."""
    logger, faults = logging.getLogger("flask_backend_patterns"), Faults()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(faults)
    try:
        yield faults
    finally:
        logger.removeHandler(faults)
        logger.propagate = propagates


class QuietHandler(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of a real server with `app`."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


def examine(app: Flask, auth: Mapping[str, object], *, paths: str = "/") -> Examination:
    """Run all phases and all checks of Schemathesis over what the document of `app` says of the paths that match `paths`.

    Over HTTP: in process, Schemathesis' own probes without credentials fail (4.32 hands werkzeug's client options of requests).
    """
    with faults_logged() as faults, served(app) as base_url:
        document = without_catch_all(httpx.get(f"{base_url}/openapi.json").raise_for_status().json())
        document["paths"] = {path: item for path, item in document["paths"].items() if re.match(paths, path)}
        seen = Examination(document=document)
        schema = schemathesis.openapi.from_dict(document, config=configuration(auth, base_url))
        # Not the option `max-time`: that fills the time with examples beyond the number asked for.
        stream, deadline = from_schema(schema).execute(), time.monotonic() + MAX_SECONDS
        for event in stream:
            seen.note(event)
            if time.monotonic() > deadline:
                stream.stop()
    seen.broken += faults.texts.values()
    return seen


# --- The shop ------------------------------------------------------------------------------------------------------


# Hundreds of logins and wrong passwords: Argon2 at its lowest cost, and a limit that does not end the run. The callers who are
# not logged in are held to the limit of production.
SETTINGS = {
    "BACKEND_AUTH_PASSWORD_TIME_COST": 1,
    "BACKEND_AUTH_PASSWORD_MEMORY_KIB": 8,
    "BACKEND_AUTH_PASSWORD_PARALLELISM": 1,
}
# Hundreds of requests of one caller, from one address. Admins order and import without limit; of a customer every order but five
# would be a 429, which shows nothing: those runs are without limits.
WIDE_LIMITS = {"BACKEND_LIMITS_DEFAULT": "1000000/minute", "BACKEND_LIMITS_EXEMPT_ADDRESSES": ["127.0.0.1"]}
UNLIMITED = {"BACKEND_LIMITS_ENABLED": False}
NO_LIMITS = dict.fromkeys(
    ("BACKEND_AUTH_FAILURES_PER_ADDRESS", "BACKEND_AUTH_FAILURES_PER_ACCOUNT"), "1000000/minute"
)


@pytest.fixture
def shop_app(database_url: str, redis_url: str, tmp_path: Path, who: str) -> Iterator[Flask]:
    """The shop with some goods and people, as it runs in production: its faults are answers, not exceptions."""
    app = create_app(
        {
            "SHOP_INSTANCE": tmp_path / "instance",
            "SQLALCHEMY_DATABASE_URI": database_url,
            "BACKEND_REDIS_URL": redis_url,
            "BACKEND_REDIS_TIMEOUT_SECONDS": 5.0,  # a busy machine is no outage
            **SETTINGS,
            **(UNLIMITED if who.startswith("customer") else WIDE_LIMITS),
            **({} if who == "anonymous" else NO_LIMITS),
        }
    )
    with app.app_context():
        upgrade()
        seed(Sizes(users=10, products=45, orders=60))
        with write_transaction() as session:
            session.add_all(
                User(email=email, name=email, role="customer", password_hash=hash_password(password))
                for email, password in ((NEIGHBOUR, DEMO_PASSWORD), EXAMPLE_LOGIN)
            )
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["example_app.queue"].connection.close()


CUSTOMER, NEIGHBOUR, ADMIN = "customer@shop.example", "neighbour@shop.example", "admin@shop.example"
EXAMPLE_LOGIN = ("ada@example.com", "correct horse battery")  # as the document's example says
# What these take is sent by mail, or given once, or is the caller's own password: nothing that a document can tell.
NEED_A_SECRET = {"POST /auth/refresh", "POST /auth/verify", "POST /auth/reset", "POST /auth/password"}


# Their 401 is for what is in the body, not for a login that they would need.
TAKE_CREDENTIALS = {"POST /auth/login", "POST /auth/refresh"}


def tokens(email: str) -> dict[str, Any]:
    """Somebody who logs in, and again whenever an operation has logged them out."""
    login = {
        "path": "/auth/login",
        "payload": {"login": email, "password": DEMO_PASSWORD},
        "extract_selector": "/data/access_token",
    }
    return {"dynamic": {"openapi": {"jwt": login}}}


def peers(app: Flask, folder: Path, *emails: str) -> dict[str, Any]:
    """Several people who must not see each other's things: what one creates is asked for by the others. By API keys."""
    with app.app_context():
        state = auth_state()
        owners = [state.users.store.find_by_login(email) for email in emails]
        keys = [state.api_keys.create(user.auth_id, name="fuzz", scopes=["*"]).key for user in owners]
    people = [
        {"name": email, "fixedHeaders": [{"name": "X-API-Key", "value": key}]}
        for email, key in zip(emails, keys, strict=True)
    ]
    file = folder / "people.json"
    file.write_text(json.dumps({"auth": people}))
    return {"wfc": {"path": str(file), "peers": list(emails)}}


# Each operation once on each database; what is for everybody does not look at who calls, and a key is no login.
RUNS = [
    ("sqlite", "anonymous", "/"),
    ("sqlite", "customers", "/api/(?!products)"),
    ("sqlite", "admin", "/(auth/|api/(?!products$|products/feed))"),
    ("postgresql", "customer", "/(auth/|api/(?!products))"),
    ("postgresql", "admin", "/api/"),
]


@pytest.mark.parametrize(("database_url", "who", "paths"), RUNS, indirect=["database_url"])
def test_the_shop_keeps_the_promises_of_its_document(shop_app, tmp_path, who, paths):
    """Whoever calls (nobody, a customer, the staff, two customers by turns), what is answered is what is documented.

    No 5xx; no undocumented status, media type or header; no body against its schema; no bad input accepted and no good
    input refused; no way round the login, and none to another customer's things.
    """
    auth: dict[str, Callable[[], dict[str, Any]]] = {
        "anonymous": dict,
        "customer": lambda: tokens(CUSTOMER),
        "admin": lambda: tokens(ADMIN),
        "customers": lambda: peers(shop_app, tmp_path, CUSTOMER, NEIGHBOUR),
    }
    seen = examine(shop_app, auth[who](), paths=paths)
    assert (seen.broken, list(seen.findings)) == ([], []), seen.report()
    assert_thorough(seen, who)
    if who == "anonymous":
        assert logins_kept_secret(seen) == []


def assert_thorough(seen: Examination, who: str) -> None:
    """The run was what it says it is: all phases, and each operation answered with success to who may use it."""
    for phase in (PhaseName.COVERAGE, PhaseName.FUZZING, PhaseName.STATEFUL_TESTING):
        # Failed it has for Schemathesis where a finding is one of `ACCEPTED`; skipped or broken off it must not be.
        assert seen.ran.get(phase.value) in {Status.SUCCESS, Status.FAILURE}, (phase, seen.ran)
    assert {"not_a_server_error", "status_code_conformance", "response_schema_conformance"} <= set(
        seen.checked
    )
    operations = {operation for operation, _ in seen.answers}
    succeeded = {operation for operation, status in seen.answers if 200 <= status < 300}
    if who == "admin":
        assert operations - NEED_A_SECRET <= succeeded, sorted(operations - NEED_A_SECRET - succeeded)


def logins_kept_secret(seen: Examination) -> list[str]:
    """Operations that answer 401 to nobody although the document says nothing of a login; `ignored_auth` skips them."""
    paths = seen.document["paths"]
    answered = {operation for operation, status in seen.answers if status == HTTPStatus.UNAUTHORIZED}
    return [
        operation
        for operation in sorted(answered)
        for method, _, path in [operation.partition(" ")]
        if not paths[path][method.lower()].get("security", seen.document.get("security"))
        and operation not in TAKE_CREDENTIALS
    ]


# --- The examination itself ------------------------------------------------------------------------------------------


def test_every_check_there_is_takes_part():
    """A check that a new release of Schemathesis adds is on as well, or this says so."""
    project = configuration({}, "http://127.0.0.1").projects.get_default()
    checks = project.checks_config_for(operation=None)  # type: ignore[arg-type]
    off = [name for name in CHECKS.get_all_names() if not checks.get_by_name(name=name).enabled]
    assert off == []


THING = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
A_THING = {"200": {"description": "A thing", "content": {"application/json": {"schema": THING}}}}
FAULTY_DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Faulty", "version": "1"},
    "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    "paths": {
        "/breaks": {"get": {"responses": A_THING}},
        "/open": {"get": {"responses": A_THING, "security": [{"basic": []}]}},
        "/undocumented-status": {"get": {"responses": A_THING}},
        "/against-schema": {"get": {"responses": A_THING}},
        "/takes-anything": {
            "get": {
                "responses": A_THING,
                "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}}],
            }
        },
    },
}


def make_faulty_app() -> Flask:
    """An API that breaks its promises, each in one operation."""
    app = Flask(__name__)

    @app.get("/openapi.json")
    def document():
        return FAULTY_DOCUMENT

    @app.get("/breaks")
    def breaks():
        return {"name": "broken"}, 500

    @app.get("/open")
    @app.get("/takes-anything")
    def opened():
        return {"name": "for everybody"}

    @app.get("/undocumented-status")
    def undocumented_status():
        return {"name": "x"}, 226

    @app.get("/against-schema")
    def against_schema():
        return {"name": 7}

    return app


def test_a_broken_promise_is_found():
    """The examination sees a 5xx, an undocumented status, a body against its schema a login nobody asks for, bad input accepted."""
    seen = examine(make_faulty_app(), {"basic": {"username": "ann", "password": "x"}})
    found = {(check, operation) for check, operation, *_ in seen.findings}
    assert {
        ("not_a_server_error", "GET /breaks"),
        ("status_code_conformance", "GET /undocumented-status"),
        ("response_schema_conformance", "GET /against-schema"),
        ("ignored_auth", "GET /open"),
        ("negative_data_rejection", "GET /takes-anything"),
    } <= found, seen.report()
    assert "curl" in seen.report()
