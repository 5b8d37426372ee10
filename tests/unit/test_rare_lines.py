"""A line that many requests would write."""

import threading

from flask_backend_patterns.errors.rare_lines import RareLines


def test_one_line_in_ten_seconds_says_how_many_were_held_back():
    """The first goes through; within ten seconds none, afterwards one with the count, which then begins anew."""
    now = [0.0]
    lines = RareLines(clock=lambda: now[0])
    assert lines.next_line() == 0
    now[0] = 9.9
    assert [lines.next_line() for _ in range(3)] == [None] * 3
    now[0] = 10.0
    assert lines.next_line() == 3
    now[0] = 25.0
    assert lines.next_line() == 0


def test_no_line_is_lost_among_threads():
    """8 threads: what goes through and what is held back adds up."""
    now = [0.0]
    lines = RareLines(clock=lambda: now[0])
    passed = []

    def ask():
        passed.extend(line for line in (lines.next_line() for _ in range(1000)) if line is not None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed == [0]
    now[0] = 10.0
    assert lines.next_line() == 7_999
