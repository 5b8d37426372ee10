"""Money is integer cents everywhere; this is where it is read and written for people."""

from __future__ import annotations

import re

_PRICE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")


def format_cents(cents: int) -> str:
    """`-1234` as `-12.34 EUR`."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d} EUR"


def parse_price(text: str) -> int | None:
    """`12`, `12.5` and `12.50` in cents, exactly; None for anything else."""
    if not _PRICE.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0") or 0)
