"""Where failures are counted together: BACKEND_REDIS_URL, else the Redis of the app's `Limiter`, else nowhere."""

import pytest
from flask import Flask
from flask_limiter import Limiter
from redis import Redis

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.errors import RateLimitError
from flask_backend_patterns.limits.failures.counting import Failures
from flask_backend_patterns.limits.failures.windows.sharing import shared_windows
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

LOG = LoggingEventLog(Masker())


def make_failures(settings, limiter):
    redis = SharedRedis(settings, namespace="test", log=LOG) if settings.url else None

    def find_shared():
        return shared_windows(redis, find_limiter=lambda: limiter, log=LOG, prefix="test")

    return Failures(per_address="2/hour", per_account="2/hour", find_shared=find_shared)


def count_failures(failures):
    for count in range(10):
        try:
            with failures.attempt(address="10.0.0.1", account="ada") as attempt:
                attempt.fail()
        except RateLimitError:
            return count
    return None


def limiter_on(uri):
    limiter = Limiter(lambda: "everybody", storage_uri=uri)
    limiter.init_app(Flask("limited"))
    return limiter


@pytest.mark.parametrize("place", ["setting", "limiter"])
def test_processes_share_one_count(redis_url, place):
    """Two of them together get what one would."""
    settings = RedisSettings(url=redis_url if place == "setting" else None)
    limiter = limiter_on(redis_url) if place == "limiter" else None
    assert count_failures(make_failures(settings, limiter)) == 2
    assert count_failures(make_failures(settings, limiter)) == 0
    with Redis.from_url(redis_url) as client:
        assert list(client.scan_iter("test:failures:*"))


def test_the_setting_wins(redis_url):
    """With BACKEND_REDIS_URL the limiter is not even looked at."""
    assert count_failures(make_failures(RedisSettings(url=redis_url, timeout_seconds=20), object())) == 2


@pytest.mark.parametrize("limiter", ["memory", "none", "not set up"])
def test_without_a_redis_each_process_counts(limiter):
    """A limiter that counts in memory, none, or one that no app has set up yet."""
    made = {
        "memory": lambda: limiter_on("memory://"),
        "none": lambda: None,
        "not set up": lambda: Limiter(lambda: "everybody", storage_uri="memory://"),
    }[limiter]()
    assert count_failures(make_failures(RedisSettings(url=None), made)) == 2
    assert count_failures(make_failures(RedisSettings(url=None), made)) == 2
