"""What an app's routes feel of a Redis that is away: R3, R8, R9, R10."""

import logging
import threading
import time

import jwt
import pytest
from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue

from flask_backend_patterns import BackendPatterns, require_auth
from flask_backend_patterns._state import state_of
from flask_backend_patterns.observability.events import event_of

LIMIT_SECONDS = 0.5


@pytest.fixture
def shop(request, redis_url):
    """An app, not called `app`, which pytest-flask keeps a context for; with settings given as its parameter.

    Its time limits are five times those that apps have: a machine that is busy is no outage.
    """
    shop = Flask("shop")
    shop.config.update({"BACKEND_REDIS_TIMEOUT_SECONDS": LIMIT_SECONDS} | getattr(request, "param", {}))
    shop.config.update(
        BACKEND_REDIS_URL=redis_url, BACKEND_API_PREFIXES=["/"], BACKEND_OBSERVABILITY_METRICS_PATH="/metrics"
    )
    BackendPatterns().init_app(shop)
    connection = Redis.from_url(
        redis_url,
        socket_timeout=LIMIT_SECONDS,
        socket_connect_timeout=LIMIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    add_views(shop, connection)
    yield shop
    connection.close()
    state_of(shop).redis.close()


def add_views(shop, connection):
    @shop.get("/needed")
    def needed():
        return {"value": state_of(current_app).redis.command("ECHO", "x").decode()}

    @shop.get("/own-client")
    def own_client():
        return {"value": connection.get("x")}

    @shop.post("/jobs")
    def enqueue():
        return {"id": Queue(connection=connection).enqueue("builtins.print").id}, 202

    @shop.get("/apart")
    def apart():
        return {"value": 1}

    @shop.get("/wrong-command")
    def wrong_command():
        return {"value": state_of(current_app).redis.command("NO-SUCH-COMMAND")}

    @shop.get("/own-wrong-command")
    def own_wrong_command():
        return {"value": connection.execute_command("NO-SUCH-COMMAND")}


NEEDS = [("GET", "/needed"), ("GET", "/own-client"), ("POST", "/jobs")]


@pytest.mark.parametrize("loss", ["kill", "suspend"])
@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_a_route_that_needs_redis_is_away_with_it(shop, redis_server, method, path, loss):
    """503 in our format with Retry-After within the budget, not a fault of the app; and well again afterwards."""
    client = shop.test_client()
    assert client.open(path, method=method).status_code < 300
    getattr(redis_server, loss)()
    begun = time.monotonic()
    answer = client.open(path, method=method)
    assert time.monotonic() - begun < 10  # 0.5 s by the time limit; a busy machine adds to it
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert "redis" not in answer.text.lower()
    redis_server.resume()
    redis_server.start()
    wait_until(lambda: client.open(path, method=method).status_code < 300)


def test_routes_without_redis_do_not_feel_a_hanging_one(shop, redis_server, caplog):
    """6 threads ask for what needs it, beside one that does not: each of them waits once at most, so others are served."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    client = shop.test_client()
    wait_until(lambda: client.get("/needed").status_code == 200)
    redis_server.suspend()
    stop, statuses = threading.Event(), []

    def ask():
        own = shop.test_client()
        while not stop.is_set():
            statuses.append(own.get("/needed").status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    served = []
    while len(served) < 100 or len(statuses) < 1_000:
        served.append(client.get("/apart").status_code)
    stop.set()
    for thread in threads:
        thread.join()
    probe = probe_of(shop)
    redis_server.resume()
    wait_until(lambda: "dependency.up" in names_in(caplog, probe))
    assert set(served) == {200}
    assert set(statuses) == {503}
    (refused,) = (
        event["refused"] for event in outages_in(caplog, probe) if event["event"] == "dependency.up"
    )
    assert len(statuses) - 6 <= refused <= len(statuses)  # without a wait


@pytest.mark.parametrize("shop", [{"BACKEND_REDIS_TIMEOUT_SECONDS": 5.0}], ids=["patient"], indirect=True)
def test_an_outage_is_told_once(shop, redis_server, caplog):
    """R9: one event when it goes, one when it is back with how many were refused; no stack for each request."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    client = shop.test_client()
    client.get("/needed")
    assert 'backend_dependency_up{name="redis"} 1.0' in client.get("/metrics").text
    redis_server.kill()
    for _ in range(100):
        client.get("/needed")
    assert 'backend_dependency_up{name="redis"} 0.0' in client.get("/metrics").text
    probe = probe_of(shop)
    redis_server.start()
    wait_until(
        lambda: "dependency.up" in names_in(caplog, probe)
    )  # the last thing that is done at a recovery
    assert 'backend_dependency_up{name="redis"} 1.0' in client.get("/metrics").text
    assert names_in(caplog, probe) == ["dependency.down", "dependency.up"]
    assert outages_in(caplog, probe)[1]["refused"] == 99
    assert sum(record.exc_info is not None for record in caplog.records) == 1  # of the one that noticed


def test_a_client_of_the_apps_own_writes_no_line_a_request(shop, redis_server, caplog):
    """R9: of 100 requests that fail since Redis is away one is in the log, with its stack; what Redis answers is, each time."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    client = shop.test_client()
    for _ in range(3):
        assert client.get("/wrong-command").status_code == 503
        assert client.get("/own-wrong-command").status_code == 503
    assert len(errors_in(caplog)) == 6
    caplog.clear()
    redis_server.kill()
    for _ in range(100):
        assert client.get("/own-client").status_code == 503
        assert client.get("/needed").status_code == 503
    assert len(errors_in(caplog)) == 1
    assert sum(record.exc_info is not None for record in caplog.records) == 1


def test_authentication_that_is_closed_writes_no_line_a_request(redis_server, redis_url, caplog):
    """R9: BACKEND_AUTH_ACCESS_OUTAGE = "closed" answers everybody by 503; one of them is in the log."""
    caplog.set_level(logging.INFO, "flask_backend_patterns")
    shop = Flask("closed")
    shop.config.update(
        BACKEND_REDIS_URL=redis_url,
        BACKEND_API_PREFIXES=["/"],
        BACKEND_AUTH_ACCESS_OUTAGE="closed",
        JWT_SECRET_KEY="a-secret-of-more-than-32-bytes-for-this",
    )
    BackendPatterns().init_app(shop)
    shop.add_url_rule("/mine", view_func=require_auth(lambda: {"ok": True}))
    now = int(time.time())
    claims = {"sub": "7", "jti": "a", "iat": now, "exp": now + 3_600}
    token = jwt.encode(claims, shop.config["JWT_SECRET_KEY"], algorithm="HS256")
    redis_server.kill()
    client = shop.test_client()
    for _ in range(50):
        assert client.get("/mine", headers={"Authorization": f"Bearer {token}"}).status_code == 503
    assert len(errors_in(caplog)) == 1
    state_of(shop).redis.close()
    state_of(shop).cache.feed.close()


def errors_in(caplog):
    return [record for record in caplog.records if (event_of(record) or {}).get("event") == "error"]


def probe_of(shop):
    """The thread that looks whether Redis is back; there is one in an outage."""
    return state_of(shop).redis.outage._probe


def outages_in(caplog, probe):
    """Beginning and end of the outage that `probe` is of; apps of earlier tests may find their ends meanwhile."""
    told = [(record.thread, event_of(record)) for record in caplog.records if event_of(record)]
    return [
        event
        for thread, event in told
        if "used_for" not in event
        and (
            event["event"] == "dependency.down" or (event["event"], thread) == ("dependency.up", probe.ident)
        )
    ]


def names_in(caplog, probe):
    return [event["event"] for event in outages_in(caplog, probe)]


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
