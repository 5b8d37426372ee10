"""Refusals on their way to the count of all processes: none lost, few trips, late by no more than is said."""

import pytest

from flask_backend_patterns.limits.bans.tallies import SHARE, Tallies


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Process:
    """A process whose refusals are counted in `total`, shared by all."""

    def __init__(self, total, clock, let_pass):
        self.total = total
        self.tallies = Tallies(let_pass=let_pass, window_seconds=60, max_entries=100, clock=clock)
        self.trips = 0

    def refuse(self):
        if due := self.tallies.due("a"):
            self.trips += 1
            self.total[0] += due
            self.tallies.note("a", self.total[0])


@pytest.mark.parametrize("let_pass", [1, 3, 10, 200, 100_000])
@pytest.mark.parametrize("processes", [1, 2, 5])
def test_the_flood_that_bans(let_pass, processes):
    """Alone a process is exact to the one; of several each is late by an eighth at most. The trips are few."""
    total, clock = [0], Clock()
    members = [Process(total, clock, let_pass) for _ in range(processes)]
    asked = 0
    while total[0] <= let_pass:
        members[asked % processes].refuse()
        asked += 1
    assert let_pass < asked <= let_pass + 1 + (processes - 1) * (let_pass // SHARE)
    assert sum(member.trips for member in members) <= 150 * processes


def test_what_is_kept_back_is_told_within_a_second():
    """While more refusals come; and what is older than the window is told no more."""
    tallies = Tallies(let_pass=1_000, window_seconds=60, max_entries=100, clock=(clock := Clock()))
    found = []
    for passed in (0.0, 0.1, 0.9, 1.0, 1.1, 2.1, 62.0):
        clock.now = 100.0 + passed
        found.append(tallies.due("a"))
    assert found == [1, 0, 0, 3, 0, 2, 1]


def test_it_begins_anew():
    """After a ban, or when one was lifted."""
    tallies = Tallies(let_pass=1_000, window_seconds=60, max_entries=100, clock=Clock())
    for begin in (lambda: tallies.note("a", 0), lambda: tallies.forget("a")):
        assert [tallies.due("a") for _ in range(3)] == [1, 0, 0]
        begin()
