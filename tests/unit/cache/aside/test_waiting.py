"""Loads that wait for one another, and loads where the process has no thread left."""

import threading

import pytest

from flask_backend_patterns import get_or_load
from flask_backend_patterns.cache.lease_keeper import LeaseKeeper
from flask_backend_patterns.cache.single_flight import Flights, Load, Wait


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_loads_that_wait_for_one_another_at_any_depth_are_found(depth):
    """One thread loads k0, within it k1, ..., and waits for "other"; who loads "other" must not wait for any of them."""
    flights = Flights()
    other, _ = flights.join("other", ())
    nested = [flights.join(f"k{number}", ())[0] for number in range(depth)]
    waits, go_on = threading.Event(), threading.Event()

    def inner(remaining):
        if remaining:
            return Load(remaining[0]).run(lambda: inner(remaining[1:]))
        assert not flights.would_wait_for_itself(other)
        waits.set()
        go_on.wait(60)
        Wait(flights, other, 0.0).run(None)
        return None

    thread = threading.Thread(target=inner, args=(nested,))
    thread.start()
    assert waits.wait(60)
    found = Load(other).run(lambda: [flights.would_wait_for_itself(flight) for flight in nested])
    assert found == [True] * depth
    go_on.set()
    thread.join(60)
    assert [flight.waits_for for flight in nested] == [[]] * depth


def test_a_flight_that_is_over_is_waited_for_no_more():
    """Else who waits for its leader later would be told of a ring that is not there."""
    flights = Flights()
    mine, _ = flights.join("mine", ())
    other, _ = flights.join("other", ())

    def load():
        assert not flights.would_wait_for_itself(other)
        flights.end(other)
        Wait(flights, other, 30.0).run(None)

    Load(mine).run(load)
    assert mine.waits_for == []


def test_without_a_thread_for_leases_values_are_loaded_and_kept(cache_app, monkeypatch):
    """At a limit of threads, or the end of the process: the lease is not renewed, and that is all."""
    keeper = LeaseKeeper()
    monkeypatch.setattr("flask_backend_patterns.cache.aside.process_keeper", lambda: keeper)

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert get_or_load("k", lambda: "loaded") == "loaded"
    assert get_or_load("k", pytest.fail, fresh=True) == "loaded"
