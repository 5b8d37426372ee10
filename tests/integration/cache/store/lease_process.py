"""Asks for one lease from 32 threads at once: `lease_process.py URL`; prints how many got it. Starts at a line of input."""

import sys
import threading

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.cache.backends.redis_store import RedisStore
from flask_backend_patterns.cache.protocols import Wanted
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

THREADS = 32


def main(url, name):
    settings = RedisSettings(url=url, timeout_seconds=30, connect_timeout_seconds=30)
    redis = SharedRedis(settings, namespace="shop", log=LoggingEventLog(Masker()))
    store = RedisStore(redis, channel="backend:cache:shop")
    barrier, leases = threading.Barrier(THREADS + 1), []

    def ask(number):
        barrier.wait()
        begun = store.begin(Wanted(key="cold", tags=("a",)), owner=f"{name}:{number}", lease_seconds=60)
        leases.append(begun.lease)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    barrier.wait()
    for thread in threads:
        thread.join()
    redis.close()
    print(len(leases), sum(lease is not None for lease in leases))  # noqa: T201


main(*sys.argv[1:])
