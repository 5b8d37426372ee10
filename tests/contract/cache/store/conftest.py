"""Every store that an app can get, each empty and with a log that nobody reads."""

import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest
from flask import Flask
from flask_caching import Cache

from flask_backend_patterns._foundation import Foundation
from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns._wrapped import WrappedExtensions
from flask_backend_patterns.cache.backends.redis_store import RedisStore
from flask_backend_patterns.cache.settings import CacheSettings
from flask_backend_patterns.cache.stores import find_store
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

STORES = ["memory", "SimpleCache", "FileSystemCache", "redis", "RedisCache", "MemcachedCache"]
CAN_LIST = {"memory", "redis", "RedisCache"}
PATIENT = {"timeout_seconds": 20, "connect_timeout_seconds": 20}


def foundation(url=None):
    log = LoggingEventLog(Masker())
    settings = RedisSettings(url=url, **PATIENT)
    redis = SharedRedis(settings, namespace="test", log=log) if url else None
    return Foundation(
        wrapped=WrappedExtensions(),
        log=log,
        metrics=None,
        namespace="test",
        redis=redis,
        redis_settings=settings,
    )


@pytest.fixture
def memcached():
    binary = shutil.which("memcached")
    if binary is None:
        pytest.skip("no memcached on this machine")
    pytest.importorskip("pylibmc")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([binary, "-l", "127.0.0.1", "-p", str(port), "-u", "nobody"])
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    """A store as `find_store` makes it; `can_list` says whether it knows prefixes."""
    kind = request.param
    app, base = Flask("test"), foundation()
    with ExitStack() as stack:
        if kind == "redis":
            base = foundation(request.getfixturevalue("redis_url"))
        elif kind != "memory":
            cache = Cache(app, config=_config(request, kind, tmp_path))
            client = getattr(cache.cache, "_write_client", None)
            if client is not None:
                stack.callback(client.close)
        made = find_store(app, CacheSettings(), base, "channel")
        if isinstance(made, RedisStore):
            stack.callback(made._redis.close)
        made.can_list = kind in CAN_LIST
        yield made


def _config(request, kind, tmp_path):
    config = {"CACHE_TYPE": kind, "CACHE_THRESHOLD": 100_000, "CACHE_DIR": str(tmp_path / "cache")}
    if kind == "RedisCache":
        config["CACHE_REDIS_URL"] = request.getfixturevalue("redis_url")
    if kind == "MemcachedCache":
        config["CACHE_MEMCACHED_SERVERS"] = [request.getfixturevalue("memcached")]
    return config
