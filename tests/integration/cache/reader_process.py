"""A process that reads through a near cache: `python reader_process.py URL`; the test talks to it over its pipes.

It reads a JSON list a line, `[command, *arguments]`, and answers each with a line of JSON.
"""

import json
import random
import sys
import threading
import time
from functools import partial

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache import MISSING, NearCache, RedisFeed


class SilentLog:
    """An `EventLog` for nobody."""

    def note(self, event, **fields):
        pass

    info = warning = error = note


class Reader:
    def __init__(self, url):
        settings = RedisSettings(url=url, timeout_seconds=20)
        self.client = connect(settings)
        self.feed = RedisFeed(partial(connect, settings), channel="test:invalidations", log=SilentLog())
        self.cache = NearCache(max_entries=1000, ttl_seconds=1e9, feed=self.feed)
        self.loads = 0
        self.reads = []

    def load(self, key):
        self.loads += 1
        value = int(self.client.get(key) or 0)
        if random.random() < 0.2:
            time.sleep(random.random() * 0.003)  # the value arrives late, as it does on a busy machine
        return value

    def wait_until_trusted(self):
        while not self.feed.is_trusted:
            time.sleep(0.001)

    def get(self, key):
        before = self.loads
        value = self.cache.get_or_load(key, partial(self.load, key))
        return value, self.loads - before

    def count_loads(self):
        return self.loads

    def wait_for(self, key, value):
        """Read until the value is there; answers when that was, on the machine's own clock."""
        while self.cache.get_or_load(key, partial(self.load, key)) != value:
            pass
        return time.monotonic()

    def hammer(self, keys, last):
        """Read at random in 4 threads until the key `last` says that the writer is done; answers what is cached then.

        That it is done is heard over the feed itself, after everything that was published before.
        """
        reads = [0] * 4

        def work(number):
            while not self.cache.get_or_load(last, partial(self.load, last)):
                for key in random.sample(keys, 20):
                    self.cache.get_or_load(key, partial(self.load, key))
                    reads[number] += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        known = {key: self.cache.peek(key) for key in keys}
        return {key: None if value is MISSING else value for key, value in known.items()}, sum(reads)


def main():
    reader = Reader(sys.argv[1])
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(reader, command)(*arguments)), flush=True)  # noqa: T201 - how it answers


if __name__ == "__main__":
    main()
