"""Documents that are fetched and kept: by a clock, and by many threads."""

import threading

import pytest

from flask_backend_patterns.auth.oauth.refusals import ProviderUnreachableError
from flask_backend_patterns.auth.oauth.remote_document import RemoteDocument


class Source:
    """Gives 1, 2, 3, ...; fails while `is_down`."""

    def __init__(self):
        self.count = 0
        self.is_down = False
        self.now = 0.0
        self.document = RemoteDocument(self.fetch, clock=lambda: self.now)

    def fetch(self):
        self.count += 1
        if self.is_down:
            raise ProviderUnreachableError
        return [self.count]


@pytest.fixture
def source():
    return Source()


def test_it_is_fetched_once_an_hour(source):
    """And not before it is needed."""
    assert source.count == 0
    assert source.document.get() == [1]
    source.now = 3_599
    assert source.document.get() == [1]
    source.now = 3_600
    assert source.document.get() == [2]


def test_a_failure_counts_for_two_seconds(source):
    """Then it is tried again; each raise is a new exception."""
    source.is_down = True
    raised = []
    for _ in range(5):
        with pytest.raises(ProviderUnreachableError) as failed:
            source.document.get()
        raised.append(failed.value)
    assert source.count == 1
    assert len(set(map(id, raised))) == 5
    source.now, source.is_down = 2.0, False
    assert source.document.get() == [2]


def test_an_old_one_is_better_than_none(source):
    """It is used while no newer one can be had, which is tried once a minute."""
    source.document.get()
    source.is_down, source.now = True, 4_000
    assert [source.document.get() for _ in range(5)] == [[1]] * 5
    assert source.count == 2
    source.now = 4_061
    assert source.document.get() == [1]
    assert source.count == 3
    source.is_down, source.now = False, 4_130
    assert source.document.get() == [4]


def test_a_newer_one_is_asked_for_once_a_minute(source):
    """The first time at once; who has not seen the newest gets that without asking."""
    first = source.document.get()
    second = source.document.refreshed(first)
    assert (first, second) == ([1], [2])
    assert source.document.refreshed(first) is second
    assert source.document.refreshed(second) is second
    source.now = 60
    assert source.document.refreshed(second) == [3]


def test_many_threads_fetch_once(source):
    """64 at the same moment: one fetch for the document, one for the newer one."""
    barrier, got = threading.Barrier(64), []

    def ask():
        barrier.wait()
        first = source.document.get()
        barrier.wait()
        got.append((first, source.document.refreshed(first)))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.count == 2
    assert got == [([1], [2])] * 64
