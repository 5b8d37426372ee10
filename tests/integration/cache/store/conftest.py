"""A store on a real Redis, and what it stands on."""

import pytest

from flask_backend_patterns._foundation import Foundation
from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns._wrapped import WrappedExtensions
from flask_backend_patterns.cache.backends.redis_store import RedisStore
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

CHANNEL = "backend:cache:shop"


@pytest.fixture
def make_base():
    made = []

    def make(url=None, **options):
        log = LoggingEventLog(Masker())
        settings = RedisSettings(url=url, **{"timeout_seconds": 20, "connect_timeout_seconds": 20, **options})
        redis = None
        if url is not None:
            redis = SharedRedis(settings, namespace="shop", log=log)
            made.append(redis)
        return Foundation(
            wrapped=WrappedExtensions(),
            log=log,
            metrics=None,
            namespace="shop",
            redis=redis,
            redis_settings=settings,
        )

    yield make
    for redis in made:
        redis.close()


@pytest.fixture
def base(make_base, redis_url):
    return make_base(redis_url)


@pytest.fixture
def store(base):
    return RedisStore(base.redis, channel=CHANNEL)


@pytest.fixture
def client(redis_url):
    with connect(RedisSettings(url=redis_url, timeout_seconds=20)) as found:
        yield found
