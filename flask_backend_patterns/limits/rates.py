"""Reads rates as Flask-Limiter's users write them: `100/minute; 2000/hour`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .backends.limit_plan import MAX_AMOUNT, MAX_WINDOW_SECONDS

MAX_TEXT = 500  # letters; more is no rate
EXPECTED = (
    'expected "100/minute" or several as "10/second; 100 per 5 minutes", '
    f"each 1 to {MAX_AMOUNT:,} in at most {MAX_WINDOW_SECONDS // 86_400} days"
)

UNITS = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day"}
SHORT = re.compile(rf"(?<![a-z])(?:{'|'.join(UNITS)})(?![a-z])", re.IGNORECASE)
TRAILING = re.compile(r"(?<=\w)\s*[;,|]\s*$")


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """`amount` in `window_seconds`."""

    amount: int
    window_seconds: int


def parse_rates(text: str) -> tuple[Rate, ...]:
    """The rates of `text`, as written, each once. Raises `ValueError`, which says what is expected."""
    if not isinstance(text, str):
        raise ValueError(f"rates are a text, not {text!r}; {EXPECTED}")
    return _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[Rate, ...]:
    from limits import parse_many

    try:
        # Digits of other alphabets, which `parse_many` takes, would be read as numbers by int().
        usable = len(text) <= MAX_TEXT and text.isascii()
        items = parse_many(_spelled_out(text)) if usable else []
        rates = tuple(dict.fromkeys(Rate(item.amount, item.get_expiry()) for item in items))
    except ValueError:
        rates = ()
    if not rates or not all(_is_sensible(rate) for rate in rates) or _has_zero_multiple(_spelled_out(text)):
        raise ValueError(f"{text[:100]!r} is no rate; {EXPECTED}")
    return rates


def _spelled_out(text: str) -> str:
    """`5/min;` as `5/minute`."""
    return SHORT.sub(lambda found: UNITS[found[0].lower()], TRAILING.sub("", text))


def _is_sensible(rate: Rate) -> bool:
    return 1 <= rate.amount <= MAX_AMOUNT and 1 <= rate.window_seconds <= MAX_WINDOW_SECONDS


def _has_zero_multiple(text: str) -> bool:
    """`100 per 0 minutes`, which `limits` reads as one minute."""
    from limits.util import SEPARATORS, SINGLE_EXPR

    matches = [SINGLE_EXPR.match(part) for part in SEPARATORS.split(text)]
    return any(match is not None and match[3] is not None and int(match[3]) == 0 for match in matches)
