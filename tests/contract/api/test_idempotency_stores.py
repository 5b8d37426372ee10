"""What every store of idempotent results promises; each test runs on SQLite, PostgreSQL and Redis."""

import threading
from contextlib import closing

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns._wrapped import WrappedExtensions
from flask_backend_patterns.api.idempotency import idempotency_table
from flask_backend_patterns.api.idempotency.backends.database import DatabaseStore
from flask_backend_patterns.api.idempotency.backends.redis import RedisStore
from flask_backend_patterns.api.idempotency.protocols import Entry
from flask_backend_patterns.api.idempotency.stored_response import StoredResponse
from flask_backend_patterns.errors import AppError, translate

RESULT = StoredResponse(
    status=201,
    headers=(("Content-Type", "application/json"), ("Link", "<a>"), ("Link", "<b>")),
    body=b"\x00\xff{}",
)
NOTHING = StoredResponse(status=204, headers=(), body=b"")


class Log:
    def __init__(self):
        self.events = []

    def info(self, name, **fields):
        self.events.append(name)

    warning = error = info


class OnDatabase:
    """A store in an app's database, with a clock of its own."""

    def __init__(self, url):
        self.app = Flask("store")
        impatient = {"connect_args": {"timeout": 0.1}} if url.startswith("sqlite") else {}
        self.app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=impatient)
        self.db = SQLAlchemy(self.app)
        idempotency_table(self.db.metadata)
        with self.app.app_context():
            self.db.create_all()
        self.now = 1_800_000_000
        self.store = DatabaseStore(WrappedExtensions(), log=Log(), clock=lambda: self.now)

    def pass_time(self, seconds):
        self.now += seconds

    def close(self):
        with self.app.app_context():
            assert self.db.engine.pool.checkedout() == 0
            self.db.engine.dispose()


class OnRedis:
    """A store in Redis; time passes by taking it off every key's life."""

    def __init__(self, url):
        self.app = Flask("store")
        self.log = Log()
        self.redis = SharedRedis(RedisSettings(url=url, timeout_seconds=5), namespace="test", log=self.log)
        self.client = self.redis.client
        self.store = RedisStore(self.redis, lease_seconds=60, log=self.log)

    def pass_time(self, seconds):
        for key in self.client.keys("*"):
            left = self.client.pttl(key) - seconds * 1000
            self.client.pexpire(key, left) if left > 0 else self.client.delete(key)

    def close(self):
        self.redis.close()


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def place(request):
    if request.param == "redis":
        made = OnRedis(request.getfixturevalue("redis_url"))
    else:
        fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
        made = OnDatabase(request.getfixturevalue(fixture))
    yield made
    made.close()


@pytest.fixture
def store(place):
    with place.app.app_context():
        yield place.store


def entry(key="a", fingerprint="b", ttl_seconds=100):
    return Entry(key_hash=key * 64, fingerprint=fingerprint * 64, ttl_seconds=ttl_seconds)


def complete(store, given=None, result=RESULT):
    with closing(store.begin(given or entry())) as attempt:
        attempt.end_view()
        attempt.complete(result)


def elsewhere(place, function):
    """What `function` gives or raises in another thread, as another request."""
    outcome = []

    def run():
        with place.app.app_context():
            try:
                outcome.append(function())
            except Exception as error:  # noqa: BLE001 - the test looks at it
                outcome.append(translate(error) or error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


@pytest.mark.parametrize("result", [RESULT, NOTHING], ids=["bytes", "nothing"])
def test_a_result_comes_back_as_it_was(result, store):
    """Status, header lines in their order, and every byte of the body."""
    complete(store, result=result)
    assert [store.begin(entry()) for _ in range(2)] == [result, result]


def test_keys_are_independent(store):
    """A result belongs to its own key."""
    complete(store)
    complete(store, entry(key="c"), NOTHING)
    assert (store.begin(entry()), store.begin(entry(key="c"))) == (RESULT, NOTHING)


def test_another_request_with_the_key_is_refused(store):
    """422 IDEMPOTENCY_MISMATCH; the result stays."""
    complete(store)
    with pytest.raises(AppError) as caught:
        store.begin(entry(fingerprint="c"))
    assert (caught.value.status, caught.value.code) == (422, "IDEMPOTENCY_MISMATCH")
    assert store.begin(entry()) == RESULT


@pytest.mark.parametrize("fingerprint", ["b", "c"])
def test_a_key_at_work_is_given_to_nobody_else(fingerprint, place, store):
    """The second request is refused (409 or 422; 503 when SQLite is busy), never run, and told when to come back."""
    with closing(store.begin(entry())) as attempt:
        refused = elsewhere(place, lambda: store.begin(entry(fingerprint=fingerprint)))
        assert refused.status in {409, 422, 503}
        assert refused.status == 422 or int(refused.headers["Retry-After"]) >= 1
        attempt.end_view()
        attempt.complete(RESULT)
    assert store.begin(entry()) == RESULT


def test_an_attempt_that_is_not_completed_gives_the_key_back(store):
    """The next request runs; also when the view was undone first, and whatever its payload is."""
    with closing(store.begin(entry())):
        pass
    with closing(store.begin(entry(fingerprint="c"))) as attempt:
        attempt.undo()
    complete(store)
    assert store.begin(entry()) == RESULT


def test_a_refusal_is_stored_after_undoing_the_view(store):
    """`undo` keeps the key, so the answer can still be stored."""
    with closing(store.begin(entry())) as attempt:
        attempt.undo()
        attempt.complete(NOTHING)
    assert store.begin(entry()) == NOTHING


def test_a_result_lives_as_long_as_it_was_said(place, store):
    """To the second; then the key is free, also for another request."""
    complete(store)
    place.pass_time(99)
    assert store.begin(entry()) == RESULT
    place.pass_time(1)
    complete(store, entry(fingerprint="c"), NOTHING)
    assert store.begin(entry(fingerprint="c")) == NOTHING


def test_of_many_threads_one_gets_the_attempt(place):
    """16 at once: one runs, the others get its result or a refusal."""
    barrier = threading.Barrier(16)
    outcomes = []

    def send():
        with place.app.app_context():
            barrier.wait()
            try:
                found = place.store.begin(entry())
            except Exception as error:  # noqa: BLE001 - the test looks at it
                outcomes.append((translate(error) or error).status)
                return
            if isinstance(found, StoredResponse):
                outcomes.append(found)
                return
            with closing(found) as attempt:
                attempt.end_view()
                attempt.complete(RESULT)
            outcomes.append("ran")

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 16
    assert outcomes.count("ran") == 1
    assert all(outcome in ("ran", RESULT, 409, 503) for outcome in outcomes)
