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

pytestmark = pytest.mark.xdist_group("redis_server")


@pytest.fixture
def shop(request, redis_url):
    """An app, not called `app`, which pytest-flask keeps a context for; with settings given as its parameter."""
    shop = Flask("shop")
    shop.config.update(getattr(request, "param", {}))
    shop.config.update(
        BACKEND_REDIS_URL=redis_url, BACKEND_API_PREFIXES=["/"], BACKEND_OBSERVABILITY_METRICS_PATH="/metrics"
    )
    BackendPatterns().init_app(shop)
    connection = Redis.from_url(
        redis_url, socket_timeout=0.1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0)
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
    assert time.monotonic() - begun < 2  # 0.1 s by the time limit; a busy machine adds to it
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert "redis" not in answer.text.lower()
    redis_server.resume()
    redis_server.start()
    wait_until(lambda: client.open(path, method=method).status_code < 300)


def test_routes_without_redis_do_not_feel_a_hanging_one(shop, redis_server):
    """8 threads of which 6 ask for what needs it: none holds its thread for long, so the others are served as ever."""
    client = shop.test_client()
    client.get("/needed")
    redis_server.suspend()
    stop, slow = threading.Event(), []

    def ask():
        own = shop.test_client()
        while not stop.is_set():
            begun = time.monotonic()
            assert own.get("/needed").status_code == 503
            slow.append(time.monotonic() - begun > 0.09)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    served = 0
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert client.get("/apart").status_code == 200
        served += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert served > 50
    assert len(slow) > 100
    assert sum(slow) < len(slow) / 10  # each thread once, and what the machine adds


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
    redis_server.start()
    wait_until(lambda: not state_of(shop).redis.is_down)
    assert 'backend_dependency_up{name="redis"} 1.0' in client.get("/metrics").text
    events = [event_of(record) for record in caplog.records if event_of(record)]
    named = [
        event for event in events if event["event"].startswith("dependency.") and "used_for" not in event
    ]
    assert [event["event"] for event in named] == ["dependency.down", "dependency.up"]
    assert named[1]["refused"] == 99
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


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
