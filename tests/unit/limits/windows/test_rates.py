"""Rates are read as Flask-Limiter's users write them, and wrong ones say what is expected."""

import pytest

from flask_backend_patterns.limits.backends.limit_plan import MAX_AMOUNT, MAX_PRODUCT, plan_of
from flask_backend_patterns.limits.rates import Rate, parse_rates
from flask_backend_patterns.limits.settings import GCRA


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/minute", [(100, 60)]),
        ("100 per minute", [(100, 60)]),
        ("  1 / 2 Hours ", [(1, 7200)]),
        ("100/minute; 2000/hour", [(100, 60), (2000, 3600)]),
        ("10/second,5/day|1/month", [(10, 1), (5, 86_400), (1, 30 * 86_400)]),
        ("5/minute; 5/60 seconds", [(5, 60)]),
        ("5/min", [(5, 60)]),
        ("5/s;", [(5, 1)]),
        ("5 per 2 H | 7/d ; ", [(5, 7200), (7, 86_400)]),
        ("100000000/year", [(MAX_AMOUNT, 360 * 86_400)]),
    ],
)
def test_reads_what_flask_limiter_reads(text, expected):
    """Every spelling, in the order written, each limit once."""
    assert parse_rates(text) == tuple(Rate(amount, seconds) for amount, seconds in expected)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ";",
            "100",
            "minute",
            "100/",
            "/minute",
            "100/fortnight",
            "100/minute;;",
            "100/m",
            "x/minute",
        ),
        *("0/minute", "-1/minute", "1.5/minute", "100/0 minutes", "100/minute; 0/hour", "+5/minute"),
        *("100000001/minute", "9" * 400 + "/minute", "1/2 years", "1/99999999999 days"),
        *("\u0661\u0660/minute", "100/minute" * 100, "100/minute\x00"),  # Arabic-Indic digits
        *(None, 100, b"100/minute", ["100/minute"], ("100/minute",)),
    ],
)
def test_says_what_is_expected(text):
    """None, zero, negative, absurd, or simply wrong."""
    with pytest.raises(ValueError, match='expected "100/minute"'):
        parse_rates(text)


@pytest.mark.parametrize("seconds", [1, 59, 86_400, 366 * 86_400])
@pytest.mark.parametrize("amount", [1, 7, 100_000, MAX_AMOUNT])
def test_the_numbers_of_every_limit_are_exact_in_redis(amount, seconds):
    """The window is a whole number of ticks, and amount times window is well below 2^53."""
    plan = plan_of(GCRA, amount, seconds)
    assert plan.window * plan.tick == seconds * 1_000_000
    assert plan.amount * plan.window <= MAX_PRODUCT
    assert plan.tick == 1 or plan.amount * plan.window * 10 > MAX_PRODUCT
