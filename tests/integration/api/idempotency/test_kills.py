"""A process killed in the midst of an idempotent request leaves a replayable result or no write."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "order_app.py"
DEADLINE_SECONDS = 60
BODY = {"name": "one"}
HEADERS = {"Idempotency-Key": "kill-key"}
STEPS = [
    "before the first write",
    "after flush",
    "after the view's commit",
    "while the result is stored",
    "before the real commit",
]


@pytest.fixture
def blocked(database_url, make_app):
    """Start a process whose request stops at `step`; kill it when told."""
    started = []

    def start(step):
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "block", database_url, step, HEADERS["Idempotency-Key"]],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "reached\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def app(database_url, make_app):
    impatient = {"connect_args": {"timeout": 0.05}} if database_url.startswith("sqlite") else {}
    return make_app(database_url, engine_options=impatient, clock=time.time)


def post(app):
    return app.test_client().post("/orders", json=BODY, headers=HEADERS)


def post_until_served(app):
    """The database server may notice a moment later that the client is gone."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := post(app)).status_code in {409, 503} and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_the_commit_leaves_no_write(step, app, order_app, blocked, database_url):
    """Until then a retry is told to wait (409, or 503 while SQLite's only writer is busy); after that it runs anew."""
    process = blocked(step)
    waiting = post(app)
    assert waiting.status_code == (503 if database_url.startswith("sqlite") else 409)
    assert int(waiting.headers["Retry-After"]) >= 1
    process.kill()
    process.wait()
    assert order_app.count_orders(app) == 0
    answer = post_until_served(app)
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, None)
    assert order_app.count_orders(app) == 1


def test_killed_after_the_commit_leaves_a_result_to_replay(app, order_app, blocked):
    """The client never got its answer; the retry gets it, and there is one order."""
    process = blocked("after the real commit")
    process.kill()
    process.wait()
    answer = post_until_served(app)
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, "true")
    assert answer.json["name"] == "one"
    assert order_app.count_orders(app) == 1
