"""Redis hangs or is gone: values are loaded, nothing fails, and what changed meanwhile is told before anything is read."""

import sys
import time

import pytest
from flask import Flask
from redis import Redis

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.cache import cached, get_many_or_load, get_or_load, invalidate, write_through
from flask_backend_patterns.cache.last_senders import last_senders
from flask_backend_patterns.testing.redis_server import RedisServer


class DurableServer(RedisServer):
    """A Redis that has its data again after a crash."""

    def __init__(self, folder):
        self._folder = folder
        super().__init__()

    def _command(self, port):
        options = ["--appendonly", "yes", "--appendfsync", "always", "--dir", self._folder]
        return [self._executable, "--bind", "127.0.0.1", "--port", str(port), *options, "--save", ""]


@pytest.fixture
def durable_server(tmp_path):
    server = DurableServer(str(tmp_path)).start()
    yield server
    server.close()


def test_an_invalidation_during_an_outage_is_not_lost(durable_server):
    """Redis is killed and comes back with the old value: what was forgotten meanwhile is forgotten before anything is read."""
    app = Flask("durable")
    app.config.update(
        BACKEND_REDIS_URL=durable_server.url, BACKEND_CACHE_NEAR_ENTRIES=0, BACKEND_REDIS_TIMEOUT_SECONDS=20
    )
    BackendPatterns(app)
    engine = app.extensions["backend_patterns"].cache.aside
    row = {"a": "old", "b": "kept"}

    def read(name):
        return get_or_load(name, lambda: row[name], tags=[name])

    with app.app_context():
        assert [read("a"), read("b")] == ["old", "kept"]
        durable_server.kill()
        row.update(a="new", b="not read")
        assert read("a") == "new"
        invalidate(tags=["a"])
        durable_server.start()
        with Redis.from_url(durable_server.url) as client:
            assert len(list(client.scan_iter("*:v:*"))) in (1, 2)  # it has its data
            # as if it were the same one still, so that just what was sent is forgotten
            client.set(engine.store.prefix + "server", client.info("server")["run_id"])
        deadline = time.monotonic() + 60
        while engine.ready_store() is None:
            assert read("a") == "new"
            assert time.monotonic() < deadline
        assert [read("a"), read("b")] == ["new", "kept"]
    app.extensions["backend_patterns"].redis.close()
    app.extensions["backend_patterns"].cache.feed.close()


class SnapshotServer(DurableServer):
    """A Redis that has after a crash what it had when it was saved last."""

    def _command(self, port):
        options = ["--appendonly", "no", "--dir", self._folder, "--save", ""]
        return [self._executable, "--bind", "127.0.0.1", "--port", str(port), *options]


@pytest.mark.parametrize("has_noticed", [True, False], ids=["the writer", "somebody else"])
def test_a_redis_that_has_lost_an_invalidation_is_not_believed(tmp_path, has_noticed):
    """It comes back from a snapshot with a value that was forgotten after it; nobody needs to have seen it away."""
    server = SnapshotServer(str(tmp_path)).start()
    apps = [Flask("snapshot"), Flask("snapshot")]
    for app in apps:
        app.config.update(
            BACKEND_REDIS_URL=server.url, BACKEND_CACHE_NEAR_ENTRIES=0, BACKEND_REDIS_TIMEOUT_SECONDS=20
        )
        BackendPatterns(app)
    row = ["old"]

    def read(app):
        with app.app_context():
            return get_or_load("k", lambda: row[0], tags=["t"])

    try:
        assert [read(app) for app in apps] == ["old", "old"]
        with Redis.from_url(server.url) as client:
            client.save()
        row[0] = "new"
        with apps[0].app_context():
            invalidate(tags=["t"])
        server.kill()
        server.start()
        deadline = time.monotonic() + 60
        app = apps[0] if has_noticed else apps[1]
        if has_noticed:
            read(app)
        while app.extensions["backend_patterns"].redis.is_down:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert read(app) == "new"
    finally:
        for app in apps:
            app.extensions["backend_patterns"].redis.close()
            app.extensions["backend_patterns"].cache.feed.close()
        server.close()


def test_what_could_not_be_sent_is_not_read(make_app, redis_url):
    """Redis refuses an invalidation (an ACL, READONLY), but not reads: what it has is old."""
    app = make_app(BACKEND_REDIS_TIMEOUT_SECONDS=20)
    engine = app.extensions["backend_patterns"].cache.aside
    with app.app_context(), Redis.from_url(redis_url) as client:
        assert get_or_load("k", lambda: "old", tags=["t"], near=False) == "old"
        client.execute_command("ACL", "SETUSER", "default", "-evalsha", "-eval")
        try:
            invalidate(tags=["t"])
            assert not engine.store.is_away
            assert get_or_load("k", lambda: "new", tags=["t"], near=False) == "new"
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")


@pytest.mark.parametrize("is_back", [True, False])
def test_at_the_end_of_a_process_what_was_not_sent_is_sent_or_said(make_app, redis_server, caplog, is_back):
    """A deploy, a command or a job during an outage: other processes would read old values without a word."""
    app, other = make_app(), make_app(BACKEND_REDIS_TIMEOUT_SECONDS=20)
    engine = app.extensions["backend_patterns"].cache.aside
    with other.app_context():
        assert get_or_load("k", lambda: "old", tags=["t"], near=False) == "old"
    redis_server.suspend()
    try:
        with app.app_context():
            invalidate(tags=["t"])
        assert not engine.unsent.is_empty
        if is_back:
            redis_server.resume()
        last_senders().send(seconds=60 if is_back else 0.2)
    finally:
        redis_server.resume()
    assert engine.unsent.is_empty is is_back
    assert ("cache_invalidations_lost" in caplog.text) is not is_back
    if is_back:
        with other.app_context():
            assert get_or_load("k", lambda: "new", tags=["t"], near=False) == "new"


@pytest.mark.parametrize("loss", ["kill", "suspend"])
def test_cached_calls_survive_an_outage(make_app, redis_server, loss, capsys):
    """Each kind of call works; the first loses a time limit, the next ones little over their loader; then it is back."""
    app = make_app(BACKEND_REDIS_TIMEOUT_SECONDS=0.3)
    engine = app.extensions["backend_patterns"].cache.aside
    loads = []

    @cached(key="item:{number}", tags=["item:{number}"])
    def item(number):
        loads.append(number)
        return {"number": number}

    with app.app_context():
        assert item.fresh(1) == item.fresh(1) == {"number": 1}
        assert loads == [1]
        getattr(redis_server, loss)()
        start = time.perf_counter()
        assert item.fresh(1) == {"number": 1}
        first = time.perf_counter() - start
        assert engine.ready_store() is None
        start = time.process_time()
        for _ in range(1000):
            item.fresh(1)
        cost = (time.process_time() - start) / 1000
        assert len(loads) == 1002
        invalidate(tags=["item:1"], prefix="x")
        write_through("item:2", {"number": 0})
        assert get_or_load("k", lambda: 1) == 1
        assert get_many_or_load(["a", "b"], lambda keys: dict.fromkeys(keys, 2)) == {"a": 2, "b": 2}
        assert not engine.unsent.is_empty
        assert engine.tally("get_or_load").counts["bypass"] == 1
        if loss == "suspend":  # with its data: the old value is still there when it comes back
            redis_server.resume()
        else:
            redis_server.start()
        deadline = time.monotonic() + 60
        while engine.ready_store() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert engine.unsent.is_empty
        count = len(loads)
        item.fresh(1)
        item.fresh(1)
        assert len(loads) == count + 1  # the value from before the outage was forgotten
    with capsys.disabled():
        sys.stdout.write(
            f"\n{loss}: first {first * 1e3:.0f} ms, then {cost * 1e6:.1f} us a call, loader included\n"
        )
    assert first < 5  # once 0.3 s; a busy machine adds to it
    assert cost < 0.005  # of the processor
