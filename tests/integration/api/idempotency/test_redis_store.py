"""`@idempotent` with its results in Redis."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import redis

from flask_backend_patterns import SetupError

PROGRAM = Path(__file__).parent / "order_app.py"
REPLAYED = "Idempotency-Replayed"
HEADERS = {"Idempotency-Key": "k"}


@pytest.fixture
def app(make_app, sqlite_url, redis_url):
    return make_app(sqlite_url, redis_url=redis_url, settings={"store": "redis"})


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as found:
        yield found


def post(app, path="/orders"):
    return app.test_client().post(path, json={"name": "one"}, headers=HEADERS)


def test_the_answer_is_replayed(app, client, order_app):
    """Byte for byte; one key below our prefix, as JSON, that lives for a day."""
    first, again = post(app), post(app)
    assert (first.data, first.headers["Location"]) == (again.data, again.headers["Location"])
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    (key,) = client.keys("*")
    assert key.startswith(b"backend:idempotency:")
    assert 86_000 < client.ttl(key) <= 86_400
    assert json.loads(client.hget(key, "result"))["status"] == 201
    assert order_app.count_orders(app) == 1


def test_while_it_runs_others_are_told_to_wait(app, order_app):
    """409 with Retry-After from inside the view; the view's own session commits by itself."""
    inner = []

    @app.post("/slow")
    @order_app.idempotent()
    def slow():
        if not inner:
            inner.append(None)
            inner[0] = app.test_client().post("/slow", headers=HEADERS)
        return "", 201

    assert app.test_client().post("/slow", headers=HEADERS).status_code == 201
    assert (inner[0].status_code, inner[0].headers["Retry-After"]) == (409, "1")
    assert inner[0].json["error"]["code"] == "IDEMPOTENCY_IN_PROGRESS"


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_what_may_pass_gives_the_key_back(status, app, client):
    """Nothing is left in Redis, and the retry runs."""
    for _ in range(2):
        assert post(app, f"/raises/{status}").status_code == status
        assert client.keys("*") == []
    assert len(app.called) >= 2


def test_a_refusal_by_the_view_is_stored(app):
    """404 and its kind are replayed."""
    first, again = post(app, "/raises/404"), post(app, "/raises/404")
    assert (first.data, again.headers[REPLAYED]) == (again.data, "true")


def test_redis_away_refuses_before_the_view(app, redis_server, order_app):
    """503 with Retry-After; nothing is run unprotected."""
    redis_server.stop()
    answer = post(app)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert order_app.count_orders(app) == 0


@pytest.mark.parametrize(("path", "status"), [("/ends/201", 201), ("/ends/500", 500)])
def test_redis_going_in_the_midst_keeps_the_answer(path, status, app, redis_server, order_app):
    """What was written stands, so the client is told; the loss is logged."""

    @app.post("/ends/<int:code>")
    @order_app.idempotent()
    def ends(code):
        redis_server.stop()
        return "", code

    assert post(app, path).status_code == status
    assert [name for name, _ in app.log.events] == [
        "dependency.down",
        "idempotency_result_lost" if status == 201 else "idempotency_release_failed",
    ]


def test_an_attempt_that_outlives_its_lease_stores_nothing(app, client, order_app):
    """The result of the request that took the key over is not overwritten, and the log says why."""

    @app.post("/slow")
    @order_app.idempotent()
    def slow():
        (key,) = client.keys("*")
        if not app.called:
            app.called.append("first")
            client.delete(key)  # the lease ends
            assert app.test_client().post("/slow", headers=HEADERS).data == b"second"
            return "first", 201
        return "second", 201

    assert app.test_client().post("/slow", headers=HEADERS).data == b"first"
    assert app.log.events == [("idempotency_lease_lost", {"lease_seconds": 60})]
    assert app.test_client().post("/slow", headers=HEADERS).data == b"second"


def test_a_view_may_choose_its_store(make_app, sqlite_url, redis_url, order_app):
    """`store=` of the view counts before the setting; without a URL the error says what to set."""
    for url in (redis_url, None):
        app = make_app(sqlite_url, redis_url=url)

        @app.post("/chosen")
        @order_app.idempotent(store="redis")
        def chosen():
            return "", 201

        if url is None:
            with pytest.raises(SetupError, match="BACKEND_REDIS_URL"):
                post(app, "/chosen")
        else:
            assert [post(app, "/chosen").headers.get(REPLAYED) for _ in range(2)] == [None, "true"]


def test_64_threads_of_two_processes_make_one_order(make_app, database_url, redis_url, order_app):
    """Exactly one order; every answer is the identical 201 or a 409."""
    app = make_app(database_url)
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", str(PROGRAM), "burst", database_url, "32", "k", redis_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [
        answer
        for process in processes
        for answer in json.loads(process.communicate(timeout=120)[0])["answers"]
    ]
    assert len(answers) == 64
    assert set(Counter(status for status, _, _ in answers)) <= {201, 409}
    assert len({body for status, body, _ in answers if status == 201}) == 1
    assert order_app.count_orders(app) == 1


def test_killed_between_write_and_answer_the_request_runs_again_after_the_lease(
    make_app, sqlite_url, redis_url, client, order_app
):
    """Said openly: at least once. Until the lease ends the key is taken."""
    app = make_app(sqlite_url, redis_url=redis_url, settings={"store": "redis"}, clock=time.time)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "block", sqlite_url, "after the view's commit", "k", redis_url],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "reached\n"
    process.kill()
    process.communicate()
    assert post(app).status_code == 409
    (key,) = client.keys("*")
    assert 0 < client.pttl(key) <= 60_000
    client.delete(key)  # the lease ends
    assert post(app).status_code == 201
    assert order_app.count_orders(app) == 2
