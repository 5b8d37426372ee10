"""What can be said about how often a view may be called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .._view_arguments import FromPath
from ..declarations import Declaration, Documentation, Phase
from .rates import Rate

# Where a limit stands; what is narrower may take out of what is wider.
FUNCTION, CLASS, BLUEPRINT = range(3)
RATES_KEY: Final = "BACKEND_LIMITS_RATES"
UNITS: Final = {1: "second", 60: "minute", 3_600: "hour", 86_400: "day", 604_800: "week"}
Rates = tuple[Rate, ...]
# Gives the text of rates, or None for no limit; of path arguments.
RatesFunction = Callable[..., Any]

_HEADERS: Final = {
    "RateLimit-Policy": {
        "description": "The limits of this route: quota (`q`) and window in seconds (`w`) of each.",
        "schema": {"type": "string"},
        "example": '"default";q=100;w=60',
    },
    "RateLimit": {
        "description": "What is left of each (`r`), and in how many seconds it is all there again (`t`).",
        "schema": {"type": "string"},
        "example": '"default";r=50;t=30',
    },
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds until there is room again.", "schema": {"type": "integer"}}
}
_DOCUMENTATION: Final = Documentation(
    success_headers=_HEADERS, operation={"responses": {"429": {"headers": {**_RETRY_AFTER, **_HEADERS}}}}
)


@dataclass(frozen=True, kw_only=True)
class RateLimit(Declaration):
    """Callers may do so much in a time; whom `key` counts is known once they are authenticated.

    `rates` may be a function that gives their text, or None for those that `BACKEND_LIMITS_RATES` has for `name`.
    `key` is a word of the settings or a function; `tiers` are rates by role, None for no limit. `cost` and `when` may be functions of
    path arguments. `methods` (in capitals) are those it is for, None all but OPTIONS. `origin` is where it was declared,
    which names the counts of a function that is no route, `width` on what.
    """

    phase: ClassVar[Phase] = Phase.IDENTITY_LIMIT
    statuses: ClassVar[tuple[int, ...]] = (429,)
    required: ClassVar[bool] = False  # BACKEND_LIMITS_ENABLED = False: nothing is limited

    rates: Rates | RatesFunction | None
    key: str | Callable[..., Any]
    name: str | None = None
    cost: int | FromPath = 1
    when: FromPath | None = None
    tiers: tuple[tuple[str, Rates | None], ...] = ()
    strategy: str | None = None
    methods: frozenset[str] | None = None
    origin: str | None = None
    width: int = FUNCTION
    is_default: bool = False

    @property
    def takes_arguments(self) -> bool:
        """Whether one of its functions has parameters."""
        functions = [FromPath(function) for function in (self.key, self.rates) if callable(function)]
        functions += [value for value in (self.cost, self.when) if isinstance(value, FromPath)]
        return any(function.takes_any for function in functions)

    @property
    def key_name(self) -> str:
        """Whom it counts, in a word."""
        return self.key if isinstance(self.key, str) else getattr(self.key, "__name__", "custom")

    def counts(self, method: str) -> bool:
        """Whether requests by `method` (in capitals) count; HEAD is a GET."""
        if self.methods is None:
            return method != "OPTIONS"
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """429 for the methods it is for."""
        return self.statuses if self.counts(method) else ()

    def documentation(self, method: str) -> Documentation:
        """The headers."""
        return _DOCUMENTATION if self.counts(method) else Documentation()

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `limit`: `10/second, 100/minute by actor`."""
        if not self.counts(method):
            return {}
        rates = f"{RATES_KEY}[{self.name!r}]" if self.rates is None else shown_rates(self.rates)
        tiers = "".join(
            f"; {role} {'unlimited' if tier is None else shown_rates(tier)}" for role, tier in self.tiers
        )
        default = "default: " if self.is_default else ""
        by = self.key_name.replace("_", " ").replace(":", " ") if isinstance(self.key, str) else self.key_name
        return {"limit": f"{default}{rates} by {by}{tiers}"}


@dataclass(frozen=True, kw_only=True)
class AddressRateLimit(RateLimit):
    """The same by something that is known before anybody is authenticated: the address, or a header."""

    phase: ClassVar[Phase] = Phase.ADDRESS_LIMIT


@dataclass(frozen=True, kw_only=True)
class Unlimited(Declaration):
    """The default limits are not for this view, nor those of what is wider: of a view's blueprint and class."""

    phase: ClassVar[Phase] = Phase.ADDRESS_LIMIT
    required: ClassVar[bool] = False

    methods: frozenset[str] | None = None
    width: int = FUNCTION

    def counts(self, method: str) -> bool:
        """Whether it is for `method` (in capitals)."""
        return self.methods is None or method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `limit`."""
        return {"limit": "none"} if self.counts(method) else {}


def lifted(declared: Iterable[Declaration], method: str) -> frozenset[int]:
    """The ids of the limits among `declared` that `Unlimited` takes a view out of, for `method` (in capitals)."""
    items = tuple(declared)
    widths = [item.width for item in items if isinstance(item, Unlimited) and item.counts(method)]
    if not widths:
        return frozenset()
    return frozenset(id(item) for item in items if isinstance(item, RateLimit) and item.width > min(widths))


def shown_rate(rate: Rate) -> str:
    """`100/minute`, `5/90 s`."""
    unit = UNITS.get(rate.window_seconds)
    return f"{rate.amount}/{unit}" if unit else f"{rate.amount}/{rate.window_seconds} s"


def shown_rates(rates: Rates | RatesFunction) -> str:
    """`10/second, 100/minute`, or `name_of_the_function()`."""
    if isinstance(rates, tuple):
        return ", ".join(map(shown_rate, rates))
    return f"{getattr(rates, '__name__', 'custom')}()"


def spoken_rate(rate: Rate) -> str:
    """`100 requests per minute`, `5 requests per 90 seconds`: for who has never seen the code."""
    unit = UNITS.get(rate.window_seconds, f"{rate.window_seconds:,} seconds")
    return f"{rate.amount:,} {'request' if rate.amount == 1 else 'requests'} per {unit}"
