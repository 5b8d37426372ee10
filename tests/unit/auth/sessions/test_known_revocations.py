"""What a process has learned of revocations."""

import threading

import pytest

from flask_backend_patterns.auth.sessions.known_revocations import KnownRevocations


def test_values_only_grow():
    """A later "log out everywhere" counts, an earlier one changes nothing; 0 is nothing to know."""
    known = KnownRevocations()
    for value in (5, 9, 7, 0):
        known.learn({"a": value})
    assert (known.get("a"), known.get("b")) == (9, 0)
    known.learn({"b": 0})
    assert len(known) == 1


def test_it_is_bounded_and_the_oldest_goes():
    """What is learned again is young again."""
    known = KnownRevocations(max_entries=3)
    for key in "abcad":
        known.learn({key: 1})
    assert [known.get(key) for key in "abcd"] == [1, 0, 1, 1]
    known.learn(dict.fromkeys(map(str, range(100)), 1))
    assert len(known) == 3


@pytest.mark.parametrize("threads", [8])
def test_many_threads_may_learn(threads):
    """Nothing is lost below the bound, and never more than the bound is kept."""
    known = KnownRevocations(max_entries=8 * 500)

    def learn(number):
        for item in range(500):
            known.learn({f"{number}:{item}": item + 1, "common": item})

    workers = [threading.Thread(target=learn, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(known) == 8 * 500
    assert known.get("common") == 499
