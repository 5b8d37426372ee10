"""Parts on a real Redis, in this process and in others."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "parts.py"


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """Another process with the same parts."""

    def __init__(self, url, **options) -> None:
        command = [sys.executable, str(PROGRAM), url, json.dumps(options)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, name, *arguments) -> None:
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()

    def receive(self):
        return json.loads(self._process.stdout.readline())

    def call(self, name, *arguments):
        self.send(name, *arguments)
        return self.receive()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def wait_until(condition, *, seconds=60):
    """Look again and again, not for a fixed time; returns how long it took, in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.0005)
    return time.monotonic() - began


@pytest.fixture(scope="session")
def module():
    """`parts.py`."""
    specification = importlib.util.spec_from_file_location("session_parts", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_parts(module, redis_url):
    made = []

    def make(**options):
        made.append(module.build(redis_url, **options))
        return made[-1]

    yield make
    for parts in made:
        parts.close()


@pytest.fixture
def make_trusted(make_parts):
    """Parts whose near cache is trusted already."""

    def make(**options):
        parts = make_parts(**options)
        wait_until(lambda: parts.feed.is_trusted)
        return parts

    return make


@pytest.fixture
def make_process(redis_url):
    made = []

    def make(**options):
        made.append(Process(redis_url, **options))
        return made[-1]

    yield make
    for process in made:
        process.close()


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until
