"""Apps on a real Redis."""

import time

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns


@pytest.fixture
def make_app(redis_url):
    made = []

    def make(**config):
        app = Flask("aside")
        app.config.update(BACKEND_REDIS_URL=redis_url, **config)
        BackendPatterns(app)
        made.append(app)
        return app

    yield make
    for app in made:
        state = app.extensions["backend_patterns"]
        state.cache.feed.close()


@pytest.fixture
def cache_app(make_app):
    """One whose near cache is in use, with patience for a busy machine."""
    app = make_app(BACKEND_REDIS_TIMEOUT_SECONDS=20)
    feed = app.extensions["backend_patterns"].cache.feed
    deadline = time.monotonic() + 60
    while not feed.is_trusted:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    with app.app_context():
        yield app


@pytest.fixture
def engine(cache_app):
    return cache_app.extensions["backend_patterns"].cache.aside


@pytest.fixture(autouse=True)
def alone():
    """These tests count nobody's threads."""
