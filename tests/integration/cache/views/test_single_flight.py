"""One run for all who wait; an old response at once for everybody but one; and the view alone when the store is away."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns, NotFoundError
from flask_backend_patterns.cache.view_cache import cached_view

CALLERS = 16


class Gate:
    """A view that waits until it is let go, and counts who came in."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.runs = []

    def __call__(self, **_):
        self.runs.append(1)
        self.entered.release()
        assert self.open.wait(60)
        return {"run": len(self.runs)}


def ask_together(site, count, gate, path="/x"):
    """`count` requests at once; the gate opens when one is in the view and the others have set out."""
    with ThreadPoolExecutor(count) as pool:
        first = pool.submit(site.get, path)
        assert gate.entered.acquire(timeout=60)
        others = [pool.submit(site.get, path) for _ in range(count - 1)]
        gate.open.set()
        return [answer.result(60) for answer in (first, *others)]


def test_many_on_a_cold_view_run_it_once(site):
    """PITFALLS C3: the others get what the first one made."""
    gate = Gate()
    site.view(cached_view(60), answer=gate)
    answers = ask_together(site, CALLERS, gate)
    assert len(gate.runs) == 1
    assert {answer.data for answer in answers} == {answers[0].data}


def test_an_old_response_is_given_while_one_makes_the_next(site):
    """PITFALLS C8: nobody else waits."""
    gate = Gate()
    site.view(cached_view(60, stale=30), answer=gate)
    gate.open.set()
    site.get()
    gate.open.clear()
    site.clock.now += 61
    with ThreadPoolExecutor(1) as pool:
        fresh = pool.submit(site.get)
        assert gate.entered.acquire(timeout=60)
        assert gate.entered.acquire(timeout=60)
        old = [site.get() for _ in range(5)]  # in this thread: waiting would hang
        gate.open.set()
        assert fresh.result(60).json == {"run": 2}
    assert {answer.json["run"] for answer in old} == {1}
    assert site.get().json == {"run": 2}


def test_what_is_not_kept_does_not_queue(site):
    """Answers that are for one caller only are made side by side: nobody waits for one he would not get."""
    barrier = threading.Barrier(4)

    def answer():
        if len(site.runs) > 1:
            barrier.wait(5)  # four at once, or nobody gets by; less than anybody waits for another
        raise NotFoundError

    site.view(cached_view(60), answer=answer)
    assert site.get().status_code == 404
    with ThreadPoolExecutor(4) as pool:
        assert [answer.status_code for answer in pool.map(lambda _: site.get(), range(4))] == [404] * 4


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_a_worker_that_is_stopped_lets_the_next_one_run(site, raised):
    """The right to make the response is given back."""
    stops = {"is": True}

    def answer():
        if stops["is"]:
            raise raised
        return {"ok": True}

    site.view(cached_view(60), answer=answer)
    with pytest.raises(raised):
        site.get()
    stops["is"] = False
    assert site.get().json == {"ok": True}
    assert "hit" in site.get().headers["Cache-Status"]


def test_what_was_invalidated_while_the_view_ran_is_not_kept(site):
    """PITFALLS C7: the response was made of what was read before the change."""
    gate = Gate()
    site.view(cached_view(60, tags=["thing"]), answer=gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.get)
        assert gate.entered.acquire(timeout=60)
        site.engine.invalidate(tags=["thing"])
        gate.open.set()
        assert first.result(60).json == {"run": 1}
    assert site.get().json == {"run": 2}


def redis_app(url):
    app = Flask("views-on-redis")
    app.config.update(
        BACKEND_OBSERVABILITY_ACCESS_LOG=False,
        BACKEND_REDIS_URL=url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        BACKEND_CACHE_NEAR_ENTRIES=0,
    )
    BackendPatterns().init_app(app)
    runs = []

    @app.get("/x/<int:number>")
    @cached_view(60, tags=["x:{number}"], stale=5)
    def view(number):
        runs.append(number)
        return {"run": len(runs)}

    return app, runs


def test_two_apps_share_responses_in_redis(redis_url):
    """As two processes do; an invalidation by one is seen by the other."""
    (one, runs), (other, other_runs) = redis_app(redis_url), redis_app(redis_url)
    assert one.test_client().get("/x/1").json == other.test_client().get("/x/1").json == {"run": 1}
    with other.app_context():
        other.extensions["backend_patterns"].cache.aside.invalidate(tags=["x:1"])
    assert one.test_client().get("/x/1").headers["Cache-Status"].endswith("fwd=miss; stored")
    assert (len(runs), len(other_runs)) == (2, 0)


def test_with_redis_away_the_view_runs():
    """No error, nothing kept, and the answer says so."""
    app, runs = redis_app("redis://127.0.0.1:1/0")
    answers = [app.test_client().get("/x/1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(runs) == 3
    assert answers[-1].headers["Cache-Status"] == '"views-on-redis"; fwd=miss'
