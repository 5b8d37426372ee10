"""A feed that a test holds in its hand, and a clock that stands still."""

import pytest


class HandFeed:
    """An `InvalidationFeed` that is lost and found when the test says so."""

    def __init__(self):
        self.is_trusted = True
        self._listeners = []

    def listen(self, listener):
        self._listeners.append(listener)

    def publish(self, *keys):
        self._tell(keys)

    def lose(self):
        self.is_trusted = False

    def find(self):
        self._tell(None)
        self.is_trusted = True

    def _tell(self, keys):
        for listener in self._listeners:
            listener(keys)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def feed():
    return HandFeed()


@pytest.fixture
def clock():
    return Clock()
