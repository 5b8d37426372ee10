"""One outage, from beginning to end: Redis, two server processes, two loading processes, and all that they have seen."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from flask_backend_patterns.testing.local_server import free_port
from tests.e2e.outage.load import ONCE, Caller
from tests.e2e.outage.served import fill, token

ROOT = Path(__file__).parents[3]
SIGNALS = {"hang": signal.SIGSTOP, "refuse": signal.SIGKILL}
PROCESSES, THREADS = 2, 3
WARM_SECONDS, STEADY_SECONDS, AWAY_SECONDS, BACK_SECONDS, AFTER_SECONDS = 1.0, 2.0, 3.0, 2.0, 1.0
FLOOD, SCARCE = 40, 5
USES_REDIS = ("item", "stored", "page", "default", "change")


@dataclass(frozen=True)
class Seen:
    """One answer to the load."""

    kind: str
    began: float
    seconds: float
    status: int
    process: str
    item: int
    version: int | None
    load: str | None
    fault: dict | None

    @classmethod
    def read(cls, line):
        kind, began, seconds, status, process, seen, fault = json.loads(line)
        return cls(kind, began, seconds, status, process, fault=fault, **seen)

    @property
    def ended(self):
        return self.began + self.seconds


@dataclass
class Outage:
    """What a run has shown; moments are those of `time.monotonic`."""

    loss: str
    steady_from: float = 0.0
    lost_at: float = 0.0
    returned_at: float = 0.0
    ended_at: float = 0.0
    order: dict = field(default_factory=dict)
    floods: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    states: list = field(default_factory=list)
    once_changed_at: float = 0.0
    seen: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    other_lines: list = field(default_factory=list)
    started_wall: float = field(default_factory=lambda: time.time() - time.monotonic())

    def between(self, since, until, *kinds):
        """The answers to what began then; of all kinds, unless some are named."""
        return [one for one in self.seen if since <= one.began < until and (not kinds or one.kind in kinds)]

    def p99(self, since, until, *kinds):
        """In milliseconds."""
        return self.quantile(0.99, since, until, *kinds)

    def quantile(self, part, since, until, *kinds):
        """In milliseconds."""
        times = sorted(one.seconds for one in self.between(since, until, *kinds))
        return 1000 * times[int(len(times) * part)]

    def staleness(self, since, until, *kinds):
        """By how many seconds at most a read that began then gave a value after its change had been answered."""
        changes = {}
        for one in self.seen:
            if one.kind == "change" and one.status == 200:
                changes.setdefault(one.item, []).append((one.version, one.ended))
        changes.setdefault(ONCE, []).append((1, self.once_changed_at))
        worst = 0.0
        for one in self.between(since, until, *kinds):
            newer = (at for version, at in changes.get(one.item, ()) if version > one.version)
            worst = max(worst, one.began - min(newer, default=one.began))
        return worst

    def events(self, name, since, until, **fields):
        """What was logged then."""
        return [
            line
            for line in self.lines
            if line["event"] == name
            and since <= line["monotonic"] <= until
            and all(line.get(key) == value for key, value in fields.items())
        ]

    def away_seconds(self, *, is_near=False):
        """How long after Redis's return the last process saw it again, or trusted its near cache again."""
        first = {}
        for at, process, found in self.states:
            if at > self.returned_at and not _is_away(found, is_near=is_near):
                first.setdefault(process, at)
        assert len(first) == PROCESSES, "a process never came back"
        return max(first.values()) - self.returned_at


def _is_away(found, *, is_near):
    return not found["is_near"] if is_near else found["is_down"]


class Servers:
    """Two processes of the app, and two that load it."""

    def __init__(self, folder, redis_url):
        self.port, self.token = free_port(), token()
        database = f"sqlite:///{folder / 'outage.db'}"
        (folder / "metrics").mkdir()
        fill(database)
        self.log = (folder / "log").open("w+")
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GRANIAN_")}
        environ |= {
            "OUTAGE_DATABASE": database,
            "OUTAGE_REDIS": redis_url,
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        }
        granian = f"granian --interface wsgi --factory --host 127.0.0.1 --port {self.port}".split()
        granian += f"--workers {PROCESSES} --blocking-threads {THREADS} --no-log".split()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *granian, "tests.e2e.outage.served:from_environ"],
            cwd=ROOT, env=environ, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.loads = []

    def caller(self):
        return Caller(self.port, self.token)

    def wait(self):
        """Until both processes have answered."""
        answered, deadline = set(), time.monotonic() + 60
        while len(answered) < PROCESSES:
            assert time.monotonic() < deadline, self.written()
            assert self.process.poll() is None, self.written()
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                answered.add(self.ask("GET", "/state").process)

    def together(self, kind, method, path, times, *, body=None):
        """Ask from 4 threads, each time over a new connection."""
        answers = []

        def ask():
            for _ in range(times // 4):
                caller = self.caller()
                answers.append(caller.ask(kind, method, path, body))
                caller.close()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def ask(self, method, path, *, body=None):
        caller = self.caller()
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else None
        answer = caller.ask(path, method, path, body, headers)
        caller.close()
        return answer

    def start_load(self):
        for index in range(2):
            command = [sys.executable, "-m", "tests.e2e.outage.load", str(self.port), self.token, str(index)]
            self.loads.append(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )

    def stop_load(self):
        for load in self.loads:
            load.stdin.close()
            load.stdin = None
        return [
            Seen.read(line) for load in self.loads for line in load.communicate(timeout=60)[0].splitlines()
        ]

    def written(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def close(self):
        for load in self.loads:
            load.kill()
            load.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        self.log.close()


def lose_redis(folder, redis_server, loss):
    """Steady, then Redis is lost under load while an order is being answered, then it is back; what was seen."""
    run = Outage(loss)
    servers = Servers(folder, redis_server.url)
    try:
        servers.wait()
        servers.start_load()
        watch = _Watch(servers, run)
        watch.start()
        time.sleep(WARM_SECONDS)
        run.steady_from = time.monotonic()
        spent = _flood_shared(servers, run, "before")
        run.answers["hooked before"] = servers.ask("GET", "/hooked")
        _sleep_until(run.steady_from + STEADY_SECONDS)
        run.order = servers.ask(
            "POST", "/orders", body={"redis_pid": redis_server.pid, "signal": SIGNALS[loss]}
        )
        run.lost_at = run.order.body["lost_at"]
        _meanwhile(servers, run)
        _bring_back(redis_server, loss)
        run.returned_at = time.monotonic()
        _sleep_until(run.returned_at + BACK_SECONDS)
        _flood_shared(servers, run, "after")
        run.floods["still"] = servers.together("flood", "GET", spent, FLOOD)
        _sleep_until(run.returned_at + BACK_SECONDS + AFTER_SECONDS)
        run.ended_at = time.monotonic()
        watch.stop()
        run.seen = servers.stop_load()
        time.sleep(0.1)  # the access log is written a little later
        _read_log(servers.written(), run)
    finally:
        servers.close()
    return run


def _flood_shared(servers, run, name):
    """More than a limit allows, which both processes count together; the path that has no room afterwards.

    Again under another name when the machine was so busy that one of them took Redis for lost in between.
    """
    for attempt in range(4):
        path = f"/scarce/{name}-{attempt}"
        run.floods[name] = servers.together("flood", "GET", path, FLOOD)
        if passed(run.floods[name]) == SCARCE:
            break
    return path


def passed(answers):
    """How many were not refused."""
    return sum(answer.status == 200 for answer in answers)


def _meanwhile(servers, run):
    run.answers["order"] = servers.ask("POST", "/orders", body={"redis_pid": 0, "signal": 0})
    _sleep_until(run.lost_at + 1.2)
    run.floods["meanwhile"] = servers.together("flood", "GET", "/scarce/meanwhile", FLOOD)
    run.floods["sign-in"] = servers.together("flood", "POST", "/sign-in", FLOOD, body={"login": "somebody"})
    run.answers["hooked"] = servers.ask("GET", "/hooked")
    assert servers.ask("PUT", f"/items/{ONCE}/1").status == 200
    run.once_changed_at = time.monotonic()
    _sleep_until(run.lost_at + AWAY_SECONDS)


def _bring_back(redis_server, loss):
    if loss == "hang":
        os.kill(redis_server.pid, signal.SIGCONT)
    else:
        redis_server.kill()  # reaps it
        redis_server.start()


def _sleep_until(moment):
    time.sleep(max(0.0, moment - time.monotonic()))


class _Watch(threading.Thread):
    """Asks the processes all the time what they take Redis for."""

    def __init__(self, servers, run):
        super().__init__()
        self._servers, self._run = servers, run
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.wait(0.03):
            answer = self._servers.ask("GET", "/state")
            if answer.body:
                self._run.states.append((answer.began, answer.process, answer.body))

    def stop(self):
        self._stopped.set()
        self.join()


def _read_log(text, run):
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            run.other_lines.append(line)
            continue
        event["monotonic"] = _moment(event) - run.started_wall
        run.lines.append(event)


def _moment(event):
    return datetime.fromisoformat(event["timestamp"]).timestamp()
