"""Limits that a function chooses are made once for a text, and not kept without end."""

import pytest
from flask import Flask

from flask_backend_patterns.limits.limit_choice import MAX_KNOWN, LimitsByFunction
from flask_backend_patterns.limits.request_limits import RequestLimits
from flask_backend_patterns.limits.route_limits import RouteLimits


@pytest.fixture(autouse=True)
def app_context():
    with Flask("choice").app_context():
        yield


class Choice:
    """A function that gives `said`, and limits that are their rates."""

    def __init__(self):
        self.made = []
        self.said = None
        self.limits = LimitsByFunction(lambda: self.said, self._make)
        self.current = RequestLimits(None, RouteLimits(), lambda: None)

    def _make(self, rates):
        self.made.append(rates)
        return (rates,)

    def ask(self, said):
        self.said = said
        return self.limits(self.current)


def test_limits_of_a_text_are_made_once():
    """However often it is given; None makes none."""
    choice = Choice()
    first = choice.ask("5/minute")
    assert choice.ask("9/minute") != first
    assert choice.ask("5/minute") is first
    assert choice.ask(None) == ()
    assert len(choice.made) == 2


def test_texts_that_are_made_up_do_not_pile_up():
    """Emptied when it is full, and right all the same."""
    choice = Choice()
    for number in range(1, 2 * MAX_KNOWN + 10):
        ((rate,),) = choice.ask(f"{number}/hour")
        assert (rate.amount, rate.window_seconds) == (number, 3_600)
        assert len(choice.limits._known) <= MAX_KNOWN


@pytest.mark.parametrize("value", ["often", "", 5, False, [], object()])
def test_what_is_no_rate_is_refused_each_time(value):
    """It is not kept as no limit."""
    choice = Choice()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"<lambda>\(\) of a rate limit gave no rates"):
            choice.ask(value)
    assert choice.made == []
