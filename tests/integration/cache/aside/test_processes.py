"""Several processes on one Redis: C3, and how soon a near cache elsewhere follows."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis

from flask_backend_patterns.cache import invalidate

HERE = Path(__file__).parent


def start(program, *args):
    return subprocess.Popen(
        [sys.executable, "-W", "error", HERE / program, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ready(process):
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def redis(redis_url):
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def two(request, redis_url):
    """Two processes of 32 threads each, at the start; loads take a second, or as long as the test says."""
    seconds = getattr(request, "param", "1.0")
    processes = [start("loader_process.py", redis_url, seconds) for _ in range(2)]
    yield [ready(process) for process in processes]
    for process in processes:
        process.kill()
        process.communicate()


def go(processes):
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def test_64_threads_of_two_processes_load_a_cold_key_once(two, redis):
    """C3; the load takes twice as long as its lease, which is kept alive meanwhile."""
    go(two)
    assert [json.loads(process.stdout.readline()) for process in two] == [[32, [1]]] * 2
    assert redis.get("loads") == b"1"


@pytest.mark.parametrize("two", ["3.0"], indirect=True, ids=["slow load"])
def test_a_killed_loader_is_taken_over_by_exactly_one(two, redis):
    """SIGKILL half way: two loads in all, and every other caller gets the second one's value."""
    go(two[:1])
    while redis.get("loads") != b"1":
        time.sleep(0.005)
    go(two[1:])
    time.sleep(0.2)
    two[0].kill()
    assert json.loads(two[1].stdout.readline()) == [32, [2]]
    assert redis.get("loads") == b"2"


def test_a_fork_during_a_load(redis_url):
    """The child loads, forgets and waits by itself; the parent's load goes on, and is the one for both."""
    process = start("forking_process.py", redis_url)
    said, _ = process.communicate(timeout=60)
    child, parent = map(json.loads, said.splitlines())
    assert child == ["by the child", "again", "by the parent"]
    assert parent == [["by the parent"] * 4, 1]
    assert process.returncode == 0


def test_another_process_follows_within_milliseconds(cache_app, redis, redis_url, capsys):
    """Measured from the return of the commit; the documented bound is 50 ms (p99), the test allows a busy machine.

    A message that is missed shows after a second at the earliest.
    """
    process = ready(start("near_process.py", redis_url))
    delays = []
    try:
        for value in range(1, 101):
            redis.set("row", value)
            invalidate(tags=["t"])
            returned = time.monotonic()
            process.stdin.write(f"{value}\n")
            process.stdin.flush()
            delays.append(float(process.stdout.readline()) - returned)
    finally:
        process.kill()
        process.communicate()
    hundredths = statistics.quantiles(delays, n=100)
    with capsys.disabled():
        sys.stdout.write(
            f"\nnear staleness: median {statistics.median(delays) * 1e3:.2f}, p99 {hundredths[98] * 1e3:.2f} ms\n"
        )
    assert hundredths[98] < 0.9
