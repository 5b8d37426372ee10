"""One of several processes that charge the same limits from several threads; prints how often each let it through.

Arguments: URL of Redis, number of this process, of processes, of threads, of attempts of a thread.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.limits.backends.redis import RedisWindows
from flask_backend_patterns.limits.protocols import Charge
from flask_backend_patterns.limits.settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

AMOUNT, DAY = 1000, 86_400
SMALL = 300  # the limit that each half of the processes has for itself


def charges(kind, number):
    """What a request of process `number` is charged."""
    if kind != "pair":
        return [Charge(key=kind, amount=AMOUNT, window_seconds=DAY, cost=1, strategy=kind)]
    own = Charge(key=f"half {number % 2}", amount=SMALL, window_seconds=DAY, cost=1, strategy=SLIDING_WINDOW)
    return [own, Charge(key="all", amount=AMOUNT, window_seconds=DAY, cost=1, strategy=FIXED_WINDOW)]


def main(url, number, processes, threads, attempts):
    settings = RedisSettings(url=url, connect_timeout_seconds=30, timeout_seconds=30)
    redis = SharedRedis(settings, namespace="test", log=LoggingEventLog(Masker()))
    windows = RedisWindows(redis)

    def passed(kind):
        wanted = charges(kind, number)
        return sum(all(standing.is_allowed for standing in windows.charge(wanted)) for _ in range(attempts))

    redis.command("INCR", "ready")
    while int(redis.command("GET", "ready")) < processes:
        time.sleep(0.005)
    counts = {}
    with ThreadPoolExecutor(threads) as pool:
        for kind in (FIXED_WINDOW, SLIDING_WINDOW, GCRA, "pair"):
            counts[kind] = sum(pool.map(passed, [kind] * threads))
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
