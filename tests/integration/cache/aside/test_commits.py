"""A database commit, as other processes see it: how soon they follow, and what stays when the writer dies."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from flask_backend_patterns import get_or_load

from .counter_model import Base, Counter, count, watched

HERE = Path(__file__).parent


@pytest.fixture
def start():
    """Start a program and wait until it is ready."""
    made = []

    def make(program, *args):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", HERE / program, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        made.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield make
    for process in made:
        process.kill()
        process.communicate()


@pytest.fixture
def committed_at():
    return []


@pytest.fixture
def database(postgres_url, committed_at):
    """Engine and sessions, with the number 0."""
    engine, sessions = watched(postgres_url, after_commit=lambda _: committed_at.append(time.monotonic()))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(Counter.__table__.insert().values(id=1, number=0))
    yield engine, sessions
    engine.dispose()


def test_near_caches_follow_a_commit(
    cache_app, redis_url, postgres_url, database, committed_at, start, capsys
):
    """From the moment the database has confirmed it until the near cache elsewhere gives the new value. A message that is missed shows after a second."""
    _, sessions = database
    process = start("near_process.py", redis_url, postgres_url)
    delays = []
    for value in range(1, 201):
        count(sessions, value)
        process.stdin.write(f"{value}\n")
        process.stdin.flush()
        delays.append(float(process.stdout.readline()) - committed_at[-1])
    p99 = statistics.quantiles(delays, n=100)[98]
    with capsys.disabled():
        sys.stdout.write(
            f"\nstaleness after a commit: median {statistics.median(delays) * 1e3:.2f}, p99 {p99 * 1e3:.2f} ms\n"
        )
    assert p99 < 0.9


def test_a_writer_that_dies_after_its_commit_leaves_nothing_old(
    cache_app, redis_url, postgres_url, database, start, wait_until
):
    """What it changes is forgotten before the COMMIT, and what is read until then is kept by nobody."""
    engine, _ = database
    loads = []

    def load():
        with engine.connect() as connection:
            loads.append(connection.scalar(text("SELECT number FROM counters")))
        return loads[-1]

    def read(*, fresh=True):
        return get_or_load("k", load, tags=["t"], fresh=fresh)

    assert [read(), read(), read(fresh=False)] == [0, 0, 0]
    assert loads == [0]
    process = start("dying_writer.py", redis_url, postgres_url)
    assert [read(), read()] == [0, 0]  # it is not committed yet
    assert loads == [0, 0, 0]
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.wait(60) == -9
    assert read() == 1
    assert read(fresh=False) == 1

    def is_kept_again():
        count = len(loads)
        assert read() == 1
        return len(loads) == count

    wait_until(is_kept_again)
