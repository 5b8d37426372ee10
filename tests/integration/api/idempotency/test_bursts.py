"""Many equal requests at once, from many threads of two processes: one order."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "order_app.py"
THREADS_EACH = 32


def start(url, environ):
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(PROGRAM), "burst", url, str(THREADS_EACH), "burst-key"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )


@pytest.mark.parametrize("attempt", range(2))
def test_64_threads_of_two_processes_make_one_order(attempt, make_app, order_app, database_url):
    """Exactly one order; every answer is the identical 201 or a 409, and no connection stays out."""
    check_burst(make_app(database_url), order_app, database_url, {})


def test_an_sqlite_in_wal_mode_that_begins_by_event(make_app, order_app, sqlite_url):
    """The same where a transaction that reads before it writes would fail at once."""
    check_burst(make_app(sqlite_url), order_app, sqlite_url, {"ORDERS_SQLITE": "begun by event"})


def check_burst(app, order_app, url, environ):
    processes = [start(url, environ) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    answers = [answer for report in reports for answer in report["answers"]]
    assert len(answers) == 2 * THREADS_EACH
    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) <= {201, 409}
    created = [answer for answer in answers if answer[0] == 201]
    assert len({body for _, body, _ in created}) == 1
    assert [replayed for _, _, replayed in created].count(None) == 1
    assert all(
        json.loads(body)["error"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
        for status, body, _ in answers
        if status == 409
    )
    assert order_app.count_orders(app) == 1
    assert [report["checked_out"] for report in reports] == [0, 0]
