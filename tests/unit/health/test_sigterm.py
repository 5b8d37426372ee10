"""SIGTERM in this very process, above a handler that only takes notes; the drain time is an event."""

import os
import signal
import threading
import time
from contextlib import ExitStack

import pytest

from flask_backend_patterns.health.draining import SAME_WISH_SECONDS, Draining

DEADLINE_SECONDS = 60


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = info


class Process:
    """A server whose own SIGTERM handler notes when it is called, and a drain time that ends on demand."""

    def __init__(self):
        self.server_stops = 0
        self.time_is_over = threading.Event()
        self.waited = []
        self.now = 1000.0
        self.log = Log()
        self.apps = []
        self.repeated = threading.Event()
        signal.signal(signal.SIGTERM, self.stop_server)

    def stop_server(self, signum, frame):
        self.server_stops += 1

    def sleep(self, seconds):
        self.waited.append(seconds)
        assert self.time_is_over.wait(DEADLINE_SECONDS)

    def app(self, seconds=5.0, file=None):
        draining = Draining(
            seconds=seconds, file=file, log=self.log, sleep=self.sleep, clock=lambda: self.now
        )
        draining.install(ExitStack())
        self.apps.append(draining)
        return draining

    def kill(self, pid, signum, kill=os.kill):
        kill(pid, signum)
        self.repeated.set()

    def end(self):
        """Let a drain that began come to its end, whose SIGTERM would otherwise reach the next test."""
        self.time_is_over.set()
        if any(app._began_at is not None for app in self.apps):
            assert self.repeated.wait(DEADLINE_SECONDS)

    def wait_for_stops(self, count):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.server_stops < count and time.monotonic() < deadline:
            time.sleep(0.001)
        assert self.server_stops == count


@pytest.fixture
def process(monkeypatch):
    monkeypatch.setattr("atexit.register", lambda *_: None)
    before = signal.getsignal(signal.SIGTERM)
    process = Process()
    monkeypatch.setattr("os.kill", process.kill)
    yield process
    process.end()
    signal.signal(signal.SIGTERM, before)


def test_the_server_is_told_when_the_time_is_over(process):
    """SIGTERM makes the app not ready, and reaches the server once the drain time has passed, once."""
    app = process.app(seconds=5)
    assert not app.is_draining()
    signal.raise_signal(signal.SIGTERM)
    assert app.is_draining()
    assert process.server_stops == 0
    process.time_is_over.set()
    process.wait_for_stops(1)
    assert process.waited == [5]
    assert ("server.draining", {"seconds": 5}) in process.log.events


@pytest.mark.parametrize(
    ("seconds_later", "stops"), [(0.0, 0), (SAME_WISH_SECONDS / 2, 0), (SAME_WISH_SECONDS, 1), (60, 1)]
)
def test_a_second_sigterm_stops_at_once_unless_it_is_the_first_passed_on(process, seconds_later, stops):
    """Who insists need not wait; a master that repeats what its whole process group was told does not insist."""
    process.app(seconds=600)
    signal.raise_signal(signal.SIGTERM)
    process.now += seconds_later
    signal.raise_signal(signal.SIGTERM)
    assert process.server_stops == stops


def test_all_apps_of_a_process_drain_at_once(process):
    """The first SIGTERM makes each of them not ready, they wait together, as long as the slowest, then the server stops."""
    apps = [process.app(seconds=seconds) for seconds in (2, 9, 4)]
    signal.raise_signal(signal.SIGTERM)
    assert [app.is_draining() for app in apps] == [True, True, True]
    process.time_is_over.set()
    process.wait_for_stops(1)
    assert process.waited == [9]


def test_without_drain_seconds_signals_are_left_alone(process):
    """The default takes no signal."""
    process.app(seconds=0)
    assert signal.getsignal(signal.SIGTERM) == process.stop_server


def test_a_failed_init_app_gives_the_handler_back(process):
    """What `undo` holds restores the server's handler."""
    with ExitStack() as undo:
        Draining(seconds=5, file=None, log=process.log).install(undo)
        assert signal.getsignal(signal.SIGTERM) != process.stop_server
    assert signal.getsignal(signal.SIGTERM) == process.stop_server


@pytest.mark.parametrize("file", [None, "drain"])
def test_outside_the_main_thread_it_says_what_to_do(process, file):
    """Python allows no handler there: nothing is raised, one event names the cure unless a drain file is set."""
    thread = threading.Thread(target=process.app, kwargs={"file": file})
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == process.stop_server
    assert [event for event, _ in process.log.events] == ([] if file else ["drain_unavailable"])


def test_an_ignored_sigterm_stays_ignored(process):
    """Where nobody would act on the repeated signal, the app would never be ready again."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    app = process.app()
    signal.raise_signal(signal.SIGTERM)
    assert not app.is_draining()
    assert [event for event, _ in process.log.events] == ["drain_unavailable"]


def test_a_handler_taken_back_by_the_server_is_taken_again(process):
    """In the main thread (gunicorn's sync worker under `--preload`) a readiness request is enough."""
    app = process.app()
    signal.signal(signal.SIGTERM, process.stop_server)
    app.keep_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert app.is_draining()
    process.time_is_over.set()
    process.wait_for_stops(1)


def test_a_handler_taken_back_by_the_server_is_noticed_in_another_thread(process):
    """A server with threads answers there: the event with the cure is written once, and the signal stays the server's."""
    app = process.app()
    signal.signal(signal.SIGTERM, process.stop_server)
    for _ in range(3):
        thread = threading.Thread(target=app.keep_sigterm)
        thread.start()
        thread.join()
    (complaint,) = process.log.events
    assert complaint[0] == "drain_unavailable"
    assert "take_sigterm" in complaint[1]["cure"]
    signal.raise_signal(signal.SIGTERM)
    assert process.server_stops == 1


def test_a_process_that_can_have_no_thread_stops_at_once(process, monkeypatch):
    """Where nobody could end the drain time, SIGTERM means what it means without us."""

    def refuse(*_):
        raise RuntimeError

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    process.app()
    process.repeated.set()
    signal.raise_signal(signal.SIGTERM)
    assert process.server_stops == 1


def test_taking_it_twice_is_taking_it_once(process):
    """A hook that calls `take_sigterm` where the handler is still ours makes no loop, for several apps neither."""
    first, second = process.app(), process.app()
    for _ in range(2):
        assert first.take_sigterm()
        assert second.take_sigterm()
    signal.raise_signal(signal.SIGTERM)
    process.time_is_over.set()
    process.wait_for_stops(1)


def test_the_drain_file_drains_as_long_as_it_is_there(process, tmp_path):
    """Its coming is logged once; when it goes, the app is ready again."""
    file = tmp_path / "drain"
    app = process.app(seconds=0, file=str(file))
    assert not app.is_draining()
    file.touch()
    assert [app.is_draining(), app.is_draining()] == [True, True]
    file.unlink()
    assert not app.is_draining()
    assert process.log.events == [("server.draining", {"file": str(file)})]
