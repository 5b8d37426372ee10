"""What would be said again and again is said now and then, with how often it happened."""

import threading

import pytest

from flask_backend_patterns._notices import MAX_NAMES, Notices


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_notice_is_due_once_a_minute_and_counts_those_between():
    """For each name by itself; a name does not wait for another."""
    clock = Clock()
    notices = Notices(clock=clock)
    assert [notices.times("failed", "a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert notices.times("failed", "b") == 1
    assert notices.times("large", "a") == 1
    clock.now = 59.9
    assert notices.times("failed", "a") == 0
    clock.now = 60
    assert notices.times("failed", "a") == 6
    assert notices.times("failed", "a") == 0


def test_names_without_end_take_no_room_without_end():
    """All are forgotten when there are too many: what they say is said again."""
    notices = Notices(clock=Clock())
    for number in range(3 * MAX_NAMES):
        notices.times("failed", str(number))
    assert len(notices._known) <= MAX_NAMES


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_the_time_between_is_the_callers(seconds):
    """The first is said; within the time none, at its end one with the count, which then begins anew."""
    clock = Clock()
    notices = Notices(seconds_between=seconds, clock=clock)
    assert notices.times("error") == 1
    clock.now = seconds - 0.1
    assert [notices.times("error") for _ in range(3)] == [0] * 3
    clock.now = seconds
    assert notices.times("error") == 4
    clock.now = 3 * seconds
    assert notices.times("error") == 1


def test_none_is_lost_among_threads():
    """8 threads: what is said and what is counted adds up."""
    clock = Clock()
    notices = Notices(seconds_between=10, clock=clock)
    said = []

    def ask():
        said.extend(times for times in (notices.times("error") for _ in range(1000)) if times)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [1]
    clock.now = 10.0
    assert notices.times("error") == 8_000
