"""Redis hangs or is gone: values are loaded, nothing fails, and what changed meanwhile is told before anything is read."""

import sys
import time

import pytest

from flask_backend_patterns.cache import cached, get_many_or_load, get_or_load, invalidate, write_through

pytestmark = pytest.mark.xdist_group("redis_server")


@pytest.mark.parametrize("loss", ["kill", "suspend"])
def test_cached_calls_survive_an_outage(make_app, redis_server, loss, capsys):
    """Each kind of call works; the first loses a time limit, the next ones little over their loader; then it is back."""
    app = make_app()
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
        deadline = time.monotonic() + 20
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
    assert first < 1.0
    assert cost < 0.001
