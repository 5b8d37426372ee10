"""A process that reads one key through its near cache all the time; tells when it first sees a wanted value.

Run as `near_process.py <url> [<database>]`: the value stands in Redis, or in a table. Reads wanted values, one a line; answers each with the monotonic time at which a near hit gave it.
"""

import sys
import time

from flask import Flask
from redis import Redis
from sqlalchemy import create_engine, text

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.cache import get_or_load


def main(url, database=None):
    app = Flask("aside")
    app.config.update(BACKEND_REDIS_URL=url, BACKEND_REDIS_TIMEOUT_SECONDS=20)
    BackendPatterns(app)
    redis = Redis.from_url(url)

    engine = None if database is None else create_engine(database)

    def load():
        if engine is None:
            return int(redis.get("row") or 0)
        with engine.connect() as connection:
            return connection.scalar(text("SELECT number FROM counters WHERE id = 1"))

    with app.app_context():
        near = app.extensions["backend_patterns"].cache.aside.near
        while near.find("k") is None:
            get_or_load("k", load, tags=["t"])
            time.sleep(0.001)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            while get_or_load("k", load, tags=["t"]) != int(line):
                time.sleep(0.0002)
            sys.stdout.write(f"{time.monotonic()}\n")
            sys.stdout.flush()
    redis.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
