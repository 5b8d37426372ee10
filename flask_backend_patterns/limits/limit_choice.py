"""Which limits of a policy hold for a request, where that depends on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from .._view_arguments import FromPath
from .declaration import shown_rates
from .rates import parse_rates

if TYPE_CHECKING:
    from .declaration import Rates, RatesFunction
    from .request_limits import RequestLimits
    from .route_limits import Limit

MAX_KNOWN: Final = 1_000


class LimitsByRole:
    """`tiers`: the widest of those that the caller has a role for, else `base`. Shared by threads."""

    def __init__(self, base: tuple[Limit, ...], tiers: Mapping[str, tuple[Limit, ...]]) -> None:
        self._base = base
        self._tiers = tiers
        # The roles of a caller -> what holds. Emptied when it is full.
        self._known: dict[tuple[str, ...], tuple[Limit, ...]] = {}

    def __call__(self, current: RequestLimits) -> tuple[Limit, ...]:
        """What holds for who calls."""
        caller = current.caller()
        if caller is None:
            return self._base
        roles = tuple(caller.roles)
        found = self._known.get(roles)
        if found is None:
            fitting = [self._tiers[role] for role in roles if role in self._tiers]
            found = max(fitting, key=_width, default=self._base)
            if len(self._known) >= MAX_KNOWN:
                self._known = {}
            self._known[roles] = found
        return found


class LimitsByFunction:
    """What a function of the user says in each request. Shared by threads.

    `make` makes the limits of rates, which are kept by the text that the function gave.
    """

    def __init__(self, function: RatesFunction, make: Callable[[Rates], tuple[Limit, ...]]) -> None:
        self._function = FromPath(function)
        self._shown = shown_rates(function)
        self._make = make
        # Text -> its limits. Emptied when it is full, since a function may make texts up.
        self._known: dict[str, tuple[Limit, ...]] = {}

    def __call__(self, current: RequestLimits) -> tuple[Limit, ...]:
        """None for None. Raises `ValueError` for what is no rate, and what the function raises."""
        text = current.value_of(self._function)
        if text is None:
            return ()
        found = self._known.get(text) if isinstance(text, str) else None
        if found is None:
            found = self._made(text)
            if len(self._known) >= MAX_KNOWN:
                self._known = {}
            self._known[text] = found
        return found

    def _made(self, text: str) -> tuple[Limit, ...]:
        try:
            rates = parse_rates(text)
        except ValueError as error:
            raise ValueError(f"{self._shown} of a rate limit gave no rates: {error}") from None
        return self._make(rates)


def _width(limits: tuple[Limit, ...]) -> tuple[float, int]:
    """How much is let through in the long run, then at once; all of it where there is no limit."""
    if not limits:
        return (math.inf, 0)
    lasting = min(limit.rate.amount / limit.rate.window_seconds for limit in limits)
    return (lasting, min(limit.rate.amount for limit in limits))
