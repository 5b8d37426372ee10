"""What a process knows to be refused: for as long as nobody can have made room, and not longer."""

import threading

import pytest

from flask_backend_patterns.limits.recent_entries import RecentEntries
from flask_backend_patterns.limits.refusals import Refusals, feed_key


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def refusals(clock):
    return Refusals(max_entries=100, clock=clock)


@pytest.mark.parametrize(("cost", "seconds"), [(1, 0.0), (2, 0.0), (3, 10.0), (4, 10.0), (10**9, 10.0)])
def test_the_same_or_a_higher_cost_is_refused(refusals, cost, seconds):
    """What costs less may fit, so nothing is known of it."""
    refusals.note("key", 3, 10.0)
    assert refusals.retry_seconds("key", cost) == seconds
    assert refusals.retry_seconds("other", cost) == 0.0


def test_it_ends_when_there_may_be_room(refusals, clock):
    """Counted down to the moment that the bucket named, and over from then on."""
    refusals.note("key", 1, 4.0)
    clock.now += 3.5
    assert refusals.retry_seconds("key", 1) == 0.5
    clock.now += 0.5
    assert refusals.retry_seconds("key", 1) == 0.0


def test_a_bucket_is_asked_again_after_some_seconds(refusals, clock):
    """A caller may have been given another role, and a count that Redis has lost refuses nobody until tomorrow."""
    refusals.note("key", 1, 86_400.0)
    clock.now += 4.5
    assert refusals.retry_seconds("key", 1) == 86_395.5
    clock.now += 0.5
    assert refusals.retry_seconds("key", 1) == 0.0
    refusals.note("key", 7, 5.0)
    assert refusals.retry_seconds("key", 7) == 5.0


@pytest.mark.parametrize(
    ("first", "second", "cost", "left"),
    [
        ((5, 10.0), (2, 3.0), 2, 3.0),  # what is known of 5 is given up for what is known of 2
        ((2, 10.0), (5, 3.0), 5, 10.0),  # 2 is refused for longer, so 5 is too
        ((2, 10.0), (2, 3.0), 2, 3.0),  # the newer word counts: somebody may have cleared the bucket
        ((2, 10.0), (2, 0.0), 2, 10.0),  # no time at all is no refusal
    ],
)
def test_what_is_kept_of_two(refusals, first, second, cost, left):
    """Never longer than a bucket has said for this cost or a lower one."""
    refusals.note("key", *first)
    refusals.note("key", *second)
    assert refusals.retry_seconds("key", cost) == left


def test_an_ended_refusal_is_no_reason_to_ignore_a_new_one(refusals, clock):
    """Also not when the new one is of a higher cost."""
    refusals.note("key", 1, 5.0)
    clock.now += 5
    refusals.note("key", 7, 5.0)
    assert refusals.retry_seconds("key", 7) == 5.0
    assert refusals.retry_seconds("key", 6) == 0.0


def test_cleared_buckets_are_forgotten(refusals):
    """By key, over the feed by `feed_key`, or all of them; other messages on the feed mean nothing here."""
    for key in "abcd":
        refusals.note(key, 1, 10.0)
    refusals.forget("a")
    refusals.hear((feed_key("b"), "c", "limits:ban:0:c"))
    assert [refusals.retry_seconds(key, 1) for key in "abcd"] == [0.0, 0.0, 10.0, 10.0]
    refusals.hear(None)
    assert refusals.retry_seconds("c", 1) == 0.0


def test_a_flood_of_keys_stays_in_bounds_and_spares_what_is_used():
    """The entry that is asked for all the time outlives a million others."""
    entries = RecentEntries(1_000)
    entries.put("hot", 1)
    for number in range(100_000):
        entries.put(number, number)
        if not number % 100:
            assert entries.get("hot") == 1
    assert len(entries) <= 1_000
    assert entries.get(99_999) == 99_999
    assert entries.get(1) is None


def test_threads_lose_nothing():
    """8 threads, each with keys of its own, at once: what was put last is there, whatever the others do."""
    entries, start = RecentEntries(100_000), threading.Barrier(8)

    def run(thread):
        start.wait(60)
        for number in range(2_000):
            entries.put((thread, number), number)
            assert entries.get((thread, number)) == number
            if number % 2:
                entries.discard((thread, number))

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(entries.items()) == 8 * 1_000
