"""A process of 32 threads that all want one cold key; its loader says so in Redis, and takes its time.

Run as `loader_process.py <url> <seconds>`; prints "ready", waits for a line, prints the distinct values as JSON.
"""

import json
import sys
import threading
import time

from flask import Flask
from redis import Redis

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.cache import get_or_load

THREADS = 32


def main(url, seconds):
    app = Flask("aside")
    app.config.update(
        BACKEND_REDIS_URL=url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        BACKEND_REDIS_CONNECT_TIMEOUT_SECONDS=20,
        BACKEND_CACHE_LEASE_SECONDS=0.5,
        BACKEND_CACHE_WAIT_SECONDS=60,
    )
    BackendPatterns(app)
    redis = Redis.from_url(url)
    barrier, results = threading.Barrier(THREADS + 1), []

    def load():
        number = redis.incr("loads")
        time.sleep(seconds)
        return {"load": number}

    def work():
        with app.app_context():
            barrier.wait()
            results.append(get_or_load("cold", load, tags=["t"])["load"])

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    barrier.wait()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps([len(results), sorted(set(results))]) + "\n")
    redis.close()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
