"""Bans in two real processes on one Redis: counted together, told by the feed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.limits.bans.test_banned import cli, make_app

HERE = Path(__file__).parent


class Process:
    def __init__(self, url):
        command = [sys.executable, "-W", "error", HERE / "server_process.py", url]
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def tell(self, address, times):
        self.popen.stdin.write(json.dumps([address, times]) + "\n")
        self.popen.stdin.flush()

    def answer(self):
        return json.loads(self.popen.stdout.readline())

    def ask(self, address, times=1):
        self.tell(address, times)
        return self.answer()


@pytest.fixture
def processes(redis_url):
    started = [Process(redis_url) for _ in range(2)]
    try:
        yield started
    finally:
        for process in started:
            process.popen.kill()
            process.popen.communicate()


def wait_until(process, address, status):
    """Until the process answers so; a ban told by the feed takes milliseconds, a missed one a second."""
    deadline = time.monotonic() + 60
    while status not in process.ask(address):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_flood_over_two_processes_is_counted_as_one(processes, redis_url):
    """200 refusals pass, whichever process gave them; lifting by hand has effect in both."""
    for process in processes:
        process.ask("10.9.9.9")  # both have started, and listen
    for process in processes:
        process.tell("10.0.0.1", 300)
    answers = [process.answer() for process in processes]
    refused = sum(answer["429"] for answer in answers)
    # The other one may have kept back an eighth, and learn of it one refusal late.
    assert 201 <= refused <= 203 + 200 // 8
    assert sum(answer.get("403", 0) for answer in answers) == 600 - refused
    lifted = cli(make_app(BACKEND_REDIS_URL=redis_url, BACKEND_REDIS_NAMESPACE="banning"), "lift", "10.0.0.1")
    assert lifted.exit_code == 0
    for process in processes:
        wait_until(process, "10.0.0.1", "429")
    processes[0].ask("10.0.0.2", 201)
    wait_until(processes[1], "10.0.0.2", "403")
