"""C7: no read that goes to Redis, or runs in the writer's process, gives an old value after the commit returned."""

import itertools
import threading
import time

import pytest

from flask_backend_patterns.cache import get_or_load, invalidate, invalidate_after_commit, write_through
from flask_backend_patterns.cache.commit import write_through_after_commit


class Row:
    """The database: one value."""

    def __init__(self):
        self.value = 0


@pytest.fixture(scope="module")
def session_of():
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine("sqlite://")

    def make():
        session = Session(engine)
        session.execute(text("SELECT 1"))
        return session

    yield make
    engine.dispose()


def committed(session_of, row, value, **what):
    """The row changes with the commit."""
    with session_of() as session:
        if "write" in what:
            write_through_after_commit(session, "k", value, tags=["t", "u"])
        else:
            invalidate_after_commit(session, **what)
        row.value = value
        session.commit()


WAYS = {
    "tag": lambda row, value, _: (setattr(row, "value", value), invalidate(tags=["u"])),
    "key": lambda row, value, _: (setattr(row, "value", value), invalidate(keys=["k"])),
    "prefix": lambda row, value, _: (setattr(row, "value", value), invalidate(prefix="k")),
    "everything": lambda row, value, _: (setattr(row, "value", value), invalidate(everything=True)),
    "write": lambda row, value, _: (setattr(row, "value", value), write_through("k", value, tags=["t", "u"])),
    "commit, tag": lambda row, value, session_of: committed(session_of, row, value, tags=["t"]),
    "commit, key": lambda row, value, session_of: committed(session_of, row, value, keys=["k"]),
    "commit, write": lambda row, value, session_of: committed(session_of, row, value, write=True),
}
# Where the reader stands when the writer comes.
POINTS = ("read", "begin", "load", "loaded", "finish", "finished", "keep")


class Pause:
    """Holds the reader at a point until the writer has been."""

    def __init__(self, engine, point):
        self.reached, self.go_on = threading.Event(), threading.Event()
        store, near = engine.store, engine.near
        self._undo = []
        if point in ("read", "begin", "finish"):
            self._before(store, point)
        elif point == "finished":
            self._after(store, "finish")
        elif point == "keep":
            self._before(near, "keep")

    def hold(self):
        if threading.current_thread().name == "reader":
            self.reached.set()
            assert self.go_on.wait(60)

    def _before(self, owner, name):
        method = getattr(owner, name)
        self._replace(owner, name, lambda *args, **options: (self.hold(), method(*args, **options))[1])

    def _after(self, owner, name):
        method = getattr(owner, name)
        self._replace(owner, name, lambda *args, **options: (method(*args, **options), self.hold())[0])

    def _replace(self, owner, name, function):
        vars(owner)[name] = function
        self._undo.append(lambda: vars(owner).pop(name))

    def undo(self):
        for step in self._undo:
            step()


def test_no_old_value_after_the_commit(cache_app, engine, session_of):
    """224 interleavings: each way of changing x each point at which a reader may stand x what was there before."""
    store_reads = ("engine", "fresh")
    count = 0
    for number, (way, point, was_there, kind) in enumerate(
        itertools.product(WAYS, POINTS, (False, True), store_reads)
    ):
        row = Row()
        engine.invalidate(keys=["k"])
        if was_there and point == "read":
            get_or_load("k", lambda row=row: row.value, tags=["t", "u"])
        if was_there:
            get_or_load("other", lambda: 1, tags=["t"])
        pause = Pause(engine, point)

        def load(row=row, pause=pause, point=point):
            if point == "load":
                pause.hold()
            value = row.value
            if point == "loaded":
                pause.hold()
            return value

        def read(load=load):
            with cache_app.app_context():
                get_or_load("k", load, tags=["t", "u"], fresh=True)

        reader = threading.Thread(target=read, name="reader")
        reader.start()
        # with a value in the store the reader stands at "read" only
        assert pause.reached.wait(60), (way, point)
        WAYS[way](row, number + 1, session_of)
        after_commit = get_or_load("k", load, tags=["t", "u"], fresh=kind == "fresh")
        pause.go_on.set()
        reader.join(60)
        pause.undo()
        assert after_commit == number + 1, (way, point, "at once")
        for fresh in (False, True):
            found = get_or_load("k", load, tags=["t", "u"], fresh=fresh)
            assert found == number + 1, (way, point, was_there, fresh)
        count += 1
    assert count == 224


def test_two_commits_that_write_one_key_leave_neither_old(cache_app, session_of):
    """Whichever order their ends come in: the cache gives what the database has."""
    for first_ends_first in (True, False):
        row = Row()
        with session_of() as one, session_of() as two:
            write_through_after_commit(one, "k2", 1)
            write_through_after_commit(two, "k2", 2)
            sessions = [(one, 1), (two, 2)] if first_ends_first else [(two, 2), (one, 1)]
            for session, value in sessions:
                row.value = value
                session.commit()
        assert get_or_load("k2", lambda row=row: row.value) == row.value


def test_who_asks_after_anothers_invalidation_does_not_get_what_was_read_before(make_app):
    """Two processes (here: apps): nothing is overtaken in the reader's own, so what it has loaded is not current."""
    reader, writer = (make_app(BACKEND_REDIS_TIMEOUT_SECONDS=20) for _ in range(2))
    flights = reader.extensions["backend_patterns"].cache.aside.flights
    is_loading, go_on, results = threading.Event(), threading.Event(), {}

    def ask(name, load):
        with reader.app_context():
            results[name] = get_or_load("k", load, tags=["t"], near=False)

    def old():
        is_loading.set()
        go_on.wait(60)
        return "old"

    threads = [threading.Thread(target=ask, args=("first", old))]
    threads[0].start()
    assert is_loading.wait(60)
    with writer.app_context():
        invalidate(tags=["t"])
    threads.append(threading.Thread(target=ask, args=("second", lambda: "new")))
    threads[1].start()
    deadline = time.monotonic() + 60
    while not any(flights.has_waiters(flight) for flight in list(flights._flights.values())):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert results["second"] == "new"
