"""A process that sets the number to 1, and is killed between the COMMIT and what it has to tell after it.

Run as `dying_writer.py <redis> <database>`. Prints "ready" just before it sends the COMMIT, and then waits for a line.
"""

import os
import signal
import sys

from counter_model import count, watched
from flask import Flask
from sqlalchemy import event

from flask_backend_patterns import BackendPatterns


def ask(_connection):
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def die(_session):
    os.kill(os.getpid(), signal.SIGKILL)


def main(url, database):
    app = Flask("aside")
    app.config.update(BACKEND_REDIS_URL=url, BACKEND_REDIS_TIMEOUT_SECONDS=20)
    BackendPatterns(app)
    engine, sessions = watched(database, after_commit=die)
    event.listen(engine, "commit", ask)
    with app.app_context():
        count(sessions, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
