"""Apps whose values are kept in this process, and loaders that count."""

import threading

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns


def make_app(**config):
    app = Flask("aside")
    app.config.update(config)
    BackendPatterns(app)
    return app


@pytest.fixture
def cache_app():
    app = make_app()
    with app.app_context():
        yield app


@pytest.fixture
def engine(cache_app):
    return cache_app.extensions["backend_patterns"].cache.aside


@pytest.fixture
def in_threads(cache_app):
    """Run a function in many threads at once, in an app context each; gives results and exceptions."""

    def run(function, count):
        barrier, results = threading.Barrier(count), [None] * count

        def work(number):
            with cache_app.app_context():
                barrier.wait()
                try:
                    results[number] = function()
                except Exception as error:  # noqa: BLE001 - a result, too
                    results[number] = error

        threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results

    return run
