"""Near caches in several processes: what one writes reaches the others, exactly."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flask_backend_patterns.cache import publish_script

HERE = Path(__file__).parent
CHANNEL = "test:invalidations"
WRITE = "redis.call('SET', KEYS[1], ARGV[2]) publish_keys(ARGV[1], {KEYS[1]})"
COUNT_UP = "redis.call('INCR', KEYS[1]) publish_keys(ARGV[1], {KEYS[1]})"


class Process:
    """A reader_process.py."""

    def __init__(self, url):
        command = [sys.executable, "-W", "error", HERE / "reader_process.py", url]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *command):
        self.popen.stdin.write(json.dumps(command) + "\n")
        self.popen.stdin.flush()

    def answer(self):
        return json.loads(self.popen.stdout.readline())

    def ask(self, *command):
        self.tell(*command)
        return self.answer()


@pytest.fixture
def processes(redis_url):
    """Two, whose feeds are trusted."""
    started = [Process(redis_url) for _ in range(2)]
    try:
        for process in started:
            process.ask("wait_until_trusted")
        yield started
        for process in started:
            process.popen.communicate(timeout=60)
    finally:
        for process in started:
            process.popen.kill()
            process.popen.communicate()
    assert [process.popen.returncode for process in started] == [0, 0]


@pytest.fixture
def write(client):
    script = client.register_script(publish_script() + WRITE)
    return lambda key, value: script(keys=[key], args=[CHANNEL, value])


def test_each_process_loads_once_for_each_write(processes, write):
    """Once its message has come, and exactly once: not before, and not again."""
    write("k", 0)
    for process in processes:
        # the first message may still be under way
        assert any(process.ask("get", "k") == [0, 0] for _ in range(1000))
    loads = [process.ask("count_loads") for process in processes]
    for value in range(1, 21):
        write("k", value)
        for process in processes:
            process.ask("wait_for", "k", value)
            assert process.ask("get", "k") == [value, 0]
    assert [process.ask("count_loads") for process in processes] == [count + 20 for count in loads]


def test_how_long_a_write_takes_to_arrive(processes, write, show):
    """Measured: from before the write until the other process returns the new value."""
    seconds = []
    for value in range(1, 26):
        for process in processes:
            process.tell("wait_for", "k", value)
        start = time.monotonic()
        write("k", value)
        seconds += [process.answer() - start for process in processes]
    hundredths = statistics.quantiles(seconds, n=100)
    show(f"median {statistics.median(seconds) * 1000:.2f} ms, 99 % {hundredths[98] * 1000:.2f} ms")


def test_nothing_old_stays_behind(processes, client, show):
    """C7 over processes: after 1200 writes under load, of all values that 2 processes keep 0 are old.

    Each key is written several times in a row, so that the last write overtakes loads that the one before it caused.
    """
    keys = [f"k{number}" for number in range(300)]
    for process in processes:
        process.tell("hammer", keys, "last")
    count_up = client.register_script(publish_script() + COUNT_UP)
    for key in keys:
        for _ in range(4):
            count_up(keys=[key], args=[CHANNEL])
    count_up(keys=["last"], args=[CHANNEL])
    for process in processes:
        known, reads = process.answer()
        kept = [value for value in known.values() if value is not None]
        show(f"{reads} reads, {len(kept)} values kept, {sum(value != 4 for value in kept)} of them old")
        assert all(value == 4 for value in kept)
        assert reads > 100


def test_a_forked_child_listens_for_itself(redis_url):
    """As under `gunicorn --preload`, with another thread holding every lock at the fork.

    The child trusts nothing of the parent's, subscribes by itself and hears its own messages; the parent goes on with
    its connection, which the child has not ended.
    """
    command = [sys.executable, HERE / "fork_program.py", redis_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(done.stdout)
    assert seen["child"] == {
        "trusted_at_first": False,
        "listens_by_itself": True,
        "known": "parent's",
        "dropped": "child's",
        "subscribers": 2,
        "log": [],
    }
    assert seen["parent"] == {"log": [], "invalidated": "parent's own"}
