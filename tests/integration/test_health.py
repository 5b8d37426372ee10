"""The health endpoints of an app, over SQLite, PostgreSQL, Redis and RQ as they are."""

import logging
import threading
import time

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from rq import Queue, SimpleWorker
from sqlalchemy import NullPool, create_engine, text

from flask_backend_patterns import BackendPatterns, ConfigError
from flask_backend_patterns.observability.events import event_of

TOKEN = "s3cret-for-operators"
SECRET = "pa55word"


def make_app(*, checks=None, before=None, after=None, **settings):
    app = Flask(__name__)
    app.config.update(BACKEND_HEALTH_CACHE_SECONDS=0, BACKEND_HEALTH_DETAILS="always")
    app.config.update(settings)
    if before:
        before(app)
    BackendPatterns(app, health_checks=checks)
    if after:
        after(app)
    return app


@pytest.fixture(autouse=True)
def dispose_engines(monkeypatch):
    """Close what the pools of this test's databases hold."""
    databases = []
    init_app = SQLAlchemy.init_app
    monkeypatch.setattr(
        SQLAlchemy, "init_app", lambda db, app: (databases.append((db, app)), init_app(db, app))
    )
    yield
    for db, app in databases:
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


def failing(error):
    def check():
        raise error

    return check


def ready(app, **kwargs):
    return app.test_client().get("/health/ready", **kwargs)


def details_of(response):
    return {name: entries[0] for name, entries in response.get_json(force=True)["checks"].items()}


@pytest.fixture
def events(caplog):
    """Names of `dependency.*` events of health checks so far, with the dependency; apps of earlier tests may log others."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")

    def read():
        found = [event for event in map(event_of, caplog.records) if event is not None]
        return [
            (event["event"], event["name"])
            for event in found
            if event["event"].startswith("dependency.") and "name" in event
        ]

    return read


@pytest.mark.parametrize("path", ["live", "ready", "startup"])
@pytest.mark.parametrize("prefix", ["/health", "/ops/health", "/health/", ""])
def test_three_endpoints_below_a_settable_prefix(prefix, path):
    """`application/health+json` that no cache keeps, for GET and HEAD, below any prefix."""
    client = make_app(BACKEND_HEALTH_PREFIX=prefix, BACKEND_HEALTH_DETAILS="never").test_client()
    for method in (client.get, client.head):
        response = method(f"{prefix.rstrip('/')}/{path}")
        assert (response.status_code, response.mimetype) == (200, "application/health+json")
        assert response.headers["Cache-Control"] == "no-store"
    assert client.get(f"{prefix.rstrip('/')}/{path}").get_json(force=True) == {"status": "pass"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BACKEND_HEALTH_PREFIX": "health"}, "BACKEND_HEALTH_PREFIX"),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": ""}, "BACKEND_HEALTH_DETAILS_TOKEN"),
        ({"BACKEND_REDIS_URL": f"http://user:{SECRET}@cache"}, "BACKEND_REDIS_URL"),
        ({"BACKEND_REDIS_URL": f"redis://user:{SECRET}@cache:port/0"}, "BACKEND_REDIS_URL"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(settings, named):
    """The error names the key, and shows no secret."""
    with pytest.raises(ConfigError, match=named) as caught:
        make_app(**settings)
    assert SECRET not in str(caught.value)


def test_liveness_does_not_depend_on_anything():
    """A restart would not mend a dependency, so liveness is 200 and runs no check."""
    calls = []
    client = make_app(checks={"mine": lambda: calls.append(1)}).test_client()
    assert client.get("/health/live").status_code == 200
    assert calls == []


def test_startup_passes_for_good_once_the_checks_have_passed():
    """503 until then, 200 from then on whatever happens later."""
    state = {}

    def check_now():
        return state["check"]()

    client = make_app(checks={"mine": check_now}).test_client()
    statuses = []
    for check in (failing(OSError()), dict, failing(OSError())):
        state["check"] = check
        statuses.append(client.get("/health/startup").status_code)
    assert statuses == [503, 200, 200]


def test_a_users_check_is_run_in_the_app_and_its_facts_are_shown():
    """`health_checks` run in an app context, synchronous or not; facts cannot pass for our own fields."""
    from flask import current_app

    async def asynchronous():
        return {"app": current_app.name}

    checks = {
        "sync": lambda: {"app": current_app.name, "status": "fail", "at": threading.Lock, 1: 2},
        "async": asynchronous,
    }
    response = ready(make_app(checks=checks))
    assert response.status_code == 200
    shown = details_of(response)
    assert shown["async"]["app"] == __name__
    assert (shown["sync"]["app"], shown["sync"]["status"], shown["sync"]["1"]) == (__name__, "pass", 2)
    assert shown["sync"]["observedUnit"] == "ms"


@pytest.mark.parametrize(
    ("settings", "authorization", "shown"),
    [
        ({}, None, False),
        ({}, f"Bearer {TOKEN}", False),
        ({"BACKEND_HEALTH_DETAILS": "always"}, None, True),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, None, False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, f"Bearer {TOKEN}", True),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, f"bearer {TOKEN}", True),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, f"Bearer {TOKEN}x", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, f"Bearer {TOKEN[:-1]}", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, "Bearer ", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, "Bearer", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, "Bearer \xe9", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, f"Basic {TOKEN}", False),
        ({"BACKEND_HEALTH_DETAILS_TOKEN": TOKEN}, TOKEN, False),
    ],
)
@pytest.mark.parametrize("path", ["ready", "startup"])
def test_single_checks_are_shown_to_those_allowed(settings, authorization, shown, path):
    """With the token, or to all by setting; everybody gets the status."""
    checks = {"mine": failing(OSError(SECRET))}
    app = make_app(checks=checks, **{"BACKEND_HEALTH_DETAILS": "never", **settings})
    headers = {"Authorization": authorization} if authorization else {}
    response = app.test_client().get(f"/health/{path}", headers=headers)
    assert response.status_code == 503
    assert response.get_json(force=True)["status"] == "fail"
    assert ("checks" in response.get_json(force=True)) is shown


def test_the_token_is_compared_in_constant_time(monkeypatch):
    """The whole of both is handed to `hmac.compare_digest`."""
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda *both: compared.append(both))
    app = make_app(BACKEND_HEALTH_DETAILS="never", BACKEND_HEALTH_DETAILS_TOKEN=TOKEN)
    ready(app, headers={"Authorization": "Bearer guess"})
    assert compared == [(b"guess", TOKEN.encode())]


def test_nothing_of_a_driver_is_in_an_answer(caplog):
    """Addresses, users, passwords and a driver's words stay in the log, also for those who may see details."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    database = f"postgresql+psycopg://somebody:{SECRET}@127.0.0.1:1/shop"
    app = make_app(
        checks={"mine": failing(OSError(f"https://{SECRET}@partner.example/"))},
        after=lambda app: SQLAlchemy().init_app(app),
        SQLALCHEMY_DATABASE_URI=database,
        BACKEND_REDIS_URL=f"redis://somebody:{SECRET}@127.0.0.1:1/0",
        BACKEND_JOBS_QUEUES="orders",
    )
    response = ready(app)
    assert response.status_code == 503
    outputs = {name: entry["output"] for name, entry in details_of(response).items()}
    assert outputs == {
        "database": "OperationalError",
        "redis": "ConnectionError",
        "queue": "ConnectionError",
        "mine": "OSError",
    }
    for secret in (SECRET, "somebody", "127.0.0.1", "partner", "SELECT", "refused"):
        assert secret not in response.text
    assert "refused" in caplog.text


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_database_is_found_and_asked(database_url, order):
    """Flask-SQLAlchemy set up before or after us: its database answers."""
    db = SQLAlchemy()
    app = make_app(**{order: db.init_app}, SQLALCHEMY_DATABASE_URI=database_url)
    response = ready(app)
    assert (response.status_code, list(details_of(response))) == (200, ["database"])


@pytest.mark.parametrize("away", ["default", "reports"])
def test_every_bind_is_asked(sqlite_url, away):
    """One database of several that is away is enough to be unready."""
    urls = {"default": sqlite_url, "reports": sqlite_url, away: "sqlite:////nowhere/at/all.db"}
    app = make_app(
        after=SQLAlchemy().init_app,
        SQLALCHEMY_DATABASE_URI=urls["default"],
        SQLALCHEMY_BINDS={"reports": urls["reports"]},
    )
    assert ready(app).status_code == 503


def test_a_dead_pooled_connection_is_not_a_dead_database(postgres_url):
    """After the database closed the pool's connections (a restart, an idle timeout), readiness stays as it is."""
    db = SQLAlchemy()
    app = make_app(after=db.init_app, SQLALCHEMY_DATABASE_URI=postgres_url)
    with app.app_context():
        pid = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        db.session.remove()
    other = create_engine(postgres_url, poolclass=NullPool)
    with other.connect() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid}).scalar_one()
    assert ready(app).status_code == 200


def test_postgresql_suspended_and_resumed(postgres_url, postgres_server, events):
    """A database that hangs makes readiness 503 within the timeout, at once from then on, and 200 when it goes on."""
    app = make_app(
        after=SQLAlchemy().init_app,
        SQLALCHEMY_DATABASE_URI=postgres_url,
        BACKEND_HEALTH_TIMEOUT_SECONDS=0.5,
    )
    assert ready(app).status_code == 200
    postgres_server.suspend()
    try:
        durations = []
        for _ in range(5):
            started = time.monotonic()
            response = ready(app)
            durations.append(time.monotonic() - started)
            assert response.status_code == 503
            assert details_of(response)["database"]["output"] == "timed out"
        hanging = [thread.name for thread in threading.enumerate()].count("health-database")
    finally:
        postgres_server.resume()
    assert 0.5 <= durations[0] < 10
    assert min(durations[1:]) < 0.5  # no wait; the rest is a busy machine's
    assert hanging == 1
    for thread in threading.enumerate():
        if thread.name == "health-database":
            thread.join(60)
    assert ready(app).status_code == 200
    assert events() == [("dependency.down", "database"), ("dependency.up", "database")]


@pytest.mark.parametrize(("away", "back"), [("stop", "start"), ("kill", "start"), ("suspend", "resume")])
def test_redis_away_and_back(redis_url, redis_server, events, away, back):
    """Stopped, killed or hanging: 503 within the budget, 200 when it is back, each change logged once."""
    app = make_app(BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_TIMEOUT_SECONDS=0.3)
    assert ready(app).status_code == 200
    getattr(redis_server, away)()
    durations = []
    for _ in range(3):
        started = time.monotonic()
        assert ready(app).status_code == 503
        durations.append(time.monotonic() - started)
    assert events() == [("dependency.down", "redis")]
    getattr(redis_server, back)()
    assert ready(app).status_code == 200
    assert events() == [("dependency.down", "redis"), ("dependency.up", "redis")]
    # 0.3 s for the command; the rest is a busy machine's
    assert min(durations) < 3


def test_the_queue_has_workers_or_warns(redis_url):
    """A queue without a worker warns and stays ready; with one, backlog and workers are shown; a killed one is none."""
    app = make_app(
        BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_TIMEOUT_SECONDS=20, BACKEND_JOBS_QUEUES="orders, mails"
    )
    connection = Redis.from_url(redis_url)
    queues = [Queue(name, connection=connection) for name in ("orders", "mails")]

    def shown():
        response = ready(app)
        assert response.status_code == 200
        assert response.get_json(force=True)["status"] == details_of(response)["queue"]["status"]
        return details_of(response)["queue"]

    assert (shown()["status"], shown()["output"]) == ("warn", "NoWorkerError")
    orders = SimpleWorker(queues[:1], connection=connection)
    orders.register_birth()
    assert shown()["status"] == "warn"
    both = SimpleWorker(queues, connection=connection)
    both.register_birth()
    queues[1].enqueue("mail.send")
    assert shown()["status"] == "pass"
    assert shown()["waiting"] == {"orders": 0, "mails": 1}
    assert shown()["workers"] == {"orders": 2, "mails": 1}
    connection.delete(both.key)  # what is left of a killed worker when its heartbeat has run out
    assert shown()["status"] == "warn"
    connection.close()


def test_the_drain_file_turns_readiness_off(tmp_path):
    """503 while it is there, whatever the checks say, and liveness is not touched."""
    file = tmp_path / "drain"
    client = make_app(BACKEND_HEALTH_DRAIN_FILE=str(file)).test_client()
    assert client.get("/health/ready").status_code == 200
    file.touch()
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.get_json(force=True)) == (
        503,
        {"status": "fail", "output": "draining"},
    )
    assert client.get("/health/live").status_code == 200
    file.unlink()
    assert client.get("/health/ready").status_code == 200


def test_probes_are_answered_whatever_the_app_asks_of_its_visitors():
    """A login check, a rate limit and trusted hosts of the app do not make Kubernetes restart a healthy pod."""
    app = Flask("strict")
    app.config["BACKEND_SECURITY_TRUSTED_HOSTS"] = ["shop.example"]
    BackendPatterns().init_app(app)
    Limiter(lambda: "everybody", app=app, default_limits=["1/hour"], storage_uri="memory://")
    app.before_request(lambda: ("log in", 401))
    client = app.test_client()
    for _ in range(3):
        for name in ("live", "ready", "startup"):
            response = client.get(f"/health/{name}", headers={"Host": "10.0.0.7:8000"})
            assert (response.status_code, response.json["status"]) == (200, "pass")
            assert response.headers["X-Request-ID"]
    assert client.get("/", headers={"Host": "shop.example"}).status_code == 401
    assert client.post("/health/live", headers={"Host": "shop.example"}).status_code == 401


def test_checks_that_cannot_be_made_are_failed_ones(caplog, sqlite_url):
    """A mistake in the set-up makes the app unready, with the reason in the log, and leaves liveness alone."""
    app = Flask("mistaken")
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    BackendPatterns(db=SQLAlchemy()).init_app(app)
    SQLAlchemy().init_app(app)
    response = app.test_client().get("/health/ready")
    assert (response.status_code, response.json) == (503, {"status": "fail"})
    assert any("health_failed" in str(record.msg) for record in caplog.records)
    assert app.test_client().get("/health/live").status_code == 200
