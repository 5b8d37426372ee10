"""A process that loads the app of the outage tests: `load.py PORT TOKEN INDEX`; writes what it saw when its input ends.

Each line of its output is JSON: kind, when it began (`time.monotonic`, one clock for all processes of a machine), how
many seconds it took, status, process that answered, then what the kind says of the answer.
"""

import http.client
import itertools
import json
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

ONCE = 10  # the item that only the test itself changes
CHANGED = (1, 2, 3)  # those that a thread here keeps changing
PER_CONNECTION = 25  # requests; then the next one may meet the other process


@dataclass
class Answer:
    kind: str
    began: float
    seconds: float
    status: int
    process: str
    headers: dict
    body: dict | None

    def line(self, asked):
        body = self.body or {}
        seen = {"item": asked, "version": body.get("version"), "load": body.get("load")}
        fault = None if 0 < self.status < 400 else {"headers": self.headers, "body": body}
        return [self.kind, self.began, self.seconds, self.status, self.process, seen, fault]


@dataclass
class Caller:
    """One connection at a time, closed by itself after some requests. For one thread."""

    port: int
    token: str
    left: int = 0
    connection: http.client.HTTPConnection | None = None
    headers: dict = field(default_factory=dict)

    def ask(self, kind, method, path, body=None, headers=None):
        """The answer; a time limit or a lost connection is status 0."""
        data = None if body is None else json.dumps(body).encode()
        named = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if data is not None:
            named["Content-Type"] = "application/json"
        if not self.left:
            self.close()
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.connection.connect()
            self.left = PER_CONNECTION
        self.left -= 1
        began = time.monotonic()
        try:
            self.connection.request(method, path, data, named)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.left = 0
            seconds = time.monotonic() - began
            return Answer(kind, began, seconds, 0, "", {"error": repr(error)}, None)
        seconds = time.monotonic() - began
        found = {name.lower(): value for name, value in response.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        answered = json.loads(content) if is_json and content else None
        return Answer(kind, began, seconds, response.status, found.get("x-process", ""), found, answered)

    def close(self):
        if self.connection is not None:
            self.connection.close()


def readers(number):
    """What a reading thread asks for, in turn."""
    for item in itertools.cycle((*CHANGED, ONCE)):
        yield "item", "GET", f"/items/{item}", item
        yield "stored", "GET", f"/stored/{item}", item
        yield "page", "GET", f"/pages/{item}", item
        yield "default", "GET", "/default", number


def apart():
    while True:
        yield "plain", "GET", "/plain", 0


def needing():
    while True:
        yield "payment", "POST", "/payments", 0
        yield "job", "POST", "/jobs", 0


def changing():
    for version in itertools.count(1):
        for item in CHANGED:
            yield "change", "PUT", f"/items/{item}/{version}", item


def work(caller, calls, pause, stop, seen):
    """Ask at an even pace, without making up for what is late."""
    for kind, method, path, asked in calls:
        if stop.is_set():
            break
        posts = method == "POST"
        headers = {"Idempotency-Key": uuid4().hex} if posts else None
        answer = caller.ask(kind, method, path, headers=headers)
        seen.append((answer, asked))
        left = answer.began + pause * random.uniform(0.8, 1.2) - time.monotonic()
        if left > 0:
            time.sleep(left)
    caller.close()


def main(port, token, index):
    stop, seen = threading.Event(), []
    plans = [(apart(), 0.02), (readers(1), 0.02), (readers(2), 0.02), (needing(), 0.05)]
    if index == 0:
        plans.append((changing(), 0.05))
    threads = [
        threading.Thread(target=work, args=(Caller(port, token), calls, pause, stop, seen))
        for calls, pause in plans
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for answer, asked in seen:
        sys.stdout.write(json.dumps(answer.line(asked)) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
