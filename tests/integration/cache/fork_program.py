"""Forks while the feed listens: `python fork_program.py URL`; prints what parent and child saw, as JSON."""

import json
import os
import sys
import threading
import time
from functools import partial

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache import NearCache, RedisFeed


class RecordedLog:
    """An `EventLog` that keeps the names."""

    def __init__(self):
        self.names = []

    def note(self, event, **fields):
        self.names.append(event)

    info = warning = error = note


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def held(lock):
    """Let another thread hold `lock` while the process forks."""
    taken, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            done.wait()

    threading.Thread(target=hold, daemon=True).start()
    taken.wait()
    return done


def look(feed, cache, log, client):
    """In the child: its own subscription, and an invalidation through it."""
    at_first = [feed.is_trusted, feed._follower is not None and feed._follower.is_alive()]
    known = cache.peek("k")
    wait_until(lambda: feed.is_trusted)
    dropped = cache.get_or_load("k", lambda: "child's")
    subscribers = client.pubsub_numsub("fork")[0][1]
    client.publish("fork", '["k"]')
    wait_until(lambda: cache.get_or_load("k", lambda: "new") == "new")
    return {
        "trusted_at_first": at_first[0],
        "listens_by_itself": at_first[1],
        "known": known,
        "dropped": dropped,
        "subscribers": subscribers,
        "log": log.names,
    }


def main():
    log, make = RecordedLog(), partial(connect, RedisSettings(url=sys.argv[1], timeout_seconds=5))
    client = make()
    feed = RedisFeed(make, channel="fork", log=log)
    cache = NearCache(max_entries=10, ttl_seconds=1e9, feed=feed)
    wait_until(lambda: feed.is_trusted)
    cache.get_or_load("k", lambda: "parent's")
    locks = [held(cache._lock), held(feed._lock)]
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, json.dumps(look(feed, cache, log, client)).encode())
        os._exit(0)
    for lock in locks:
        lock.set()
    os.waitpid(child, 0)
    answer = {"child": json.loads(os.read(read, 10_000)), "parent": None}
    heard = feed._trusted_until
    wait_until(lambda: feed._trusted_until > heard)
    wait_until(lambda: client.pubsub_numsub("fork")[0][1] == 1)
    invalidated = cache.get_or_load("k", lambda: "parent's own")
    answer["parent"] = {"log": log.names, "invalidated": invalidated}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
