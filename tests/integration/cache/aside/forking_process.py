"""Forks while threads load and hold leases: run as `forking_process.py <url>`; prints what the child got, as JSON."""

import json
import os
import sys
import threading
import time

from flask import Flask
from redis import Redis

from flask_backend_patterns import BackendPatterns, get_or_load, invalidate

SLOW, OTHER = "slow", "other"


def main(url):
    app = Flask("aside")
    app.config.update(
        BACKEND_REDIS_URL=url, BACKEND_REDIS_TIMEOUT_SECONDS=20, BACKEND_CACHE_LEASE_SECONDS=0.5
    )
    BackendPatterns(app)
    redis = Redis.from_url(url)
    go_on = threading.Event()

    def load():
        redis.incr("loads")
        go_on.wait(60)
        return "by the parent"

    def lead(results):
        with app.app_context():
            results.append(get_or_load(SLOW, load))

    results = []
    threads = [threading.Thread(target=lead, args=(results,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while redis.get("loads") is None:
        time.sleep(0.005)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with app.app_context():
            other = get_or_load(OTHER, lambda: "by the child", tags=["t"])
            invalidate(tags=["t"])
            again = get_or_load(OTHER, lambda: "again", tags=["t"])
            os.write(writer, b".")  # now the parent may end its load
            slow = get_or_load(SLOW, lambda: "by the child")
        sys.stdout.write(json.dumps([other, again, slow]) + "\n")
        sys.stdout.flush()
        os._exit(0)
    os.read(reader, 1)
    time.sleep(1.2)  # longer than its lease, which only the parent keeps alive
    go_on.set()
    for thread in threads:
        thread.join()
    os.waitpid(child, 0)
    sys.stdout.write(json.dumps([results, int(redis.get("loads"))]) + "\n")
    redis.close()


if __name__ == "__main__":
    main(sys.argv[1])
