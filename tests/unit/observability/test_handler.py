"""The log handler: lines of the access log come a moment later, nothing is lost, doubled or torn."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from flask_backend_patterns.observability.events import LogEvent
from flask_backend_patterns.observability.handler import BackendHandler


class Stream(io.StringIO):
    """Knows when it was written to; may be broken for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()
        self.is_broken = False

    def write(self, text):
        self.written.set()
        if self.is_broken:
            raise BrokenPipeError
        return super().write(text)


@pytest.fixture
def stream():
    return Stream()


def record(event, level=logging.INFO, **fields):
    if event is None:
        return logging.LogRecord("x", level, "", 0, "plain", None, None)
    arguments = (LogEvent({"event": event, **fields}),)
    return logging.LogRecord("x", level, "", 0, f"{event} %s", arguments, None)


def handler(stream, delay_seconds):
    """The handler on a stream of the test's; pytest puts its own in the place of `sys.stderr`."""
    kind = type("Handler", (BackendHandler,), {"stream": stream})
    return kind(logging.Formatter("%(message)s"), delay_seconds=delay_seconds)


@pytest.mark.parametrize("event", ["request", "error", "access_refused"])
def test_lines_of_the_access_log_are_written_a_moment_later(stream, event):
    """Not at once, and by themselves."""
    handled = handler(stream, 0.05)
    handled.handle(record(event, n=1))
    assert not stream.written.is_set()
    assert stream.written.wait(60)
    handled.flush()  # waits for the writer
    assert stream.getvalue() == f"{event} n=1\n"


@pytest.mark.parametrize(
    "urgent",
    [record("job.started"), record("error", logging.ERROR), record(None)],
    ids=["event", "error", "foreign"],
)
def test_everything_else_is_written_at_once_after_what_waits(stream, urgent):
    """An error is on the disk before anything else happens, and the order of lines is that of events."""
    handled = handler(stream, 60)
    handled.handle(record("request", n=1))
    assert stream.getvalue() == ""
    handled.handle(urgent)
    assert stream.getvalue().splitlines() == ["request n=1", urgent.getMessage()]


def test_without_a_delay_each_line_is_written_at_once(stream):
    """`BACKEND_OBSERVABILITY_ACCESS_LOG_DELAY_SECONDS = 0`."""
    handler(stream, 0).handle(record("request", n=1))
    assert stream.getvalue() == "request n=1\n"


def test_many_threads_lose_and_tear_no_line(stream):
    """16 threads, 500 lines each, the writer at work in between: exactly 8,000 whole lines, in order for each thread."""
    handled, threads = handler(stream, 0.001), 16

    def log(number):
        for turn in range(500):
            handled.handle(record("request", n=number, turn=turn))

    workers = [threading.Thread(target=log, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    handled.flush()
    lines = stream.getvalue().splitlines()
    for number in range(threads):
        mine = [line for line in lines if line.startswith(f"request n={number} ")]
        assert mine == [f"request n={number} turn={turn}" for turn in range(500)]
    assert len(lines) == threads * 500


def test_a_stream_that_breaks_does_not_end_the_writer(stream):
    """What could not be written is gone; what comes after is written."""
    handled = handler(stream, 0.001)
    stream.is_broken = True
    handled.handle(record("request", n=1))
    assert stream.written.wait(60)
    stream.is_broken = False
    stream.written.clear()
    handled.handle(record("request", n=2))
    assert stream.written.wait(60)
    handled.flush()
    assert "request n=2" in stream.getvalue()


def test_a_process_that_gets_no_thread_writes_at_once(stream, monkeypatch):
    """A failed start of the writer is not taken for a running one; it is tried again with the next line."""
    handled = handler(stream, 60)

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        handled.handle(record("request", n=1))
        handled.handle(record("request", n=2))
    assert stream.getvalue().splitlines() == ["request n=1", "request n=2"]
    handled.handle(record("request", n=3))
    assert handled._writer is not None


def test_a_writer_outlives_a_time_without_a_stream(stream):
    """`sys.stderr` may be None for a while: what comes then is dropped, what comes later is written."""
    handled = handler(None, 0.001)
    handled.handle(record("request", n=1))
    while handled._waiting or handled._is_due:
        time.sleep(0.001)
    type(handled).stream = stream
    handled.handle(record("request", n=2))
    assert stream.written.wait(60)
    handled.flush()
    assert stream.getvalue() == "request n=2\n"


def test_lines_that_wait_are_bounded(stream, monkeypatch):
    """A flood within the delay is written as it comes rather than kept."""
    monkeypatch.setattr("flask_backend_patterns.observability.handler.MAX_WAITING", 10)
    handled = handler(stream, 60)
    for number in range(25):
        handled.handle(record("request", n=number))
    assert len(stream.getvalue().splitlines()) == 20


END = """
import logging, os, sys
from flask_backend_patterns.observability.events import LogEvent
from flask_backend_patterns.observability.handler import BackendHandler
logger = logging.getLogger("x")
logger.addHandler(BackendHandler(logging.Formatter("%(process)d %(message)s"), delay_seconds={delay}))
logger.setLevel("INFO")
logger.info("request %s", LogEvent({{"event": "request", "n": 1}}))
{then}
"""


def run(delay, then=""):
    script = END.format(delay=delay, then=textwrap.dedent(then))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return [line.split(" ", 1) for line in done.stderr.splitlines()]


def test_what_waits_is_written_when_the_process_ends():
    """A command that ends at once loses no line."""
    assert [line for _, line in run(60)] == ["request n=1"]


def test_a_forked_child_writes_its_own_lines_only():
    """Prefork servers and RQ's work-horses: the parent's waiting line once, the child's by a writer of its own."""
    lines = run(
        0.01,
        """
        import time
        if os.fork() == 0:
            logger.info("request %s", LogEvent({"event": "request", "n": 2}))
            time.sleep(1)
            os._exit(0)
        os.wait()
        """,
    )
    assert sorted(line for _, line in lines) == ["request n=1", "request n=2"]
    assert len({process for process, _ in lines}) == 2
    assert str(os.getpid()) not in {process for process, _ in lines}


def test_a_line_may_be_made_when_it_is_written(stream):
    """What makes it is called once, in its turn among the others."""
    made = []

    def make():
        made.append(1)
        return "made"

    handled = handler(stream, 60)
    handled.handle(record("request", n=1))
    handled.write_line(make, may_wait=True)
    assert made == []
    handled.handle(record("job.started"))
    handled.flush()
    assert stream.getvalue().splitlines() == ["request n=1", "made", "job.started "]
    assert made == [1]


def test_a_line_that_cannot_be_made_takes_no_other_with_it(stream, monkeypatch):
    """Its place says so, the fault is shown where faults of logging are, and the writer goes on."""
    faults = []
    monkeypatch.setattr(BackendHandler, "handleError", lambda _handler, fault: faults.append(fault))
    handled = handler(stream, 0.02)
    handled.write_line("before", may_wait=True)
    handled.write_line(lambda: str(1 / 0), may_wait=True)
    handled.write_line("after", may_wait=True)
    assert stream.written.wait(5)
    handled.flush()
    stream.written.clear()
    handled.write_line("later", may_wait=True)
    assert stream.written.wait(5)
    handled.flush()
    lines = stream.getvalue().splitlines()
    assert lines == ["before", "ZeroDivisionError in the making of this line", "after", "later"]
    assert len(faults) == 1
