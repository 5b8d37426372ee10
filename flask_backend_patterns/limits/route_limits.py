"""The limits of each route and method, read from its declarations once and kept ready for requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from ..declarations import Phase
from ..guard import declarations_of
from .calling_code import place_of
from .declaration import RateLimit, lifted, shown_rates, spoken_rate
from .keys import bounded
from .limit_choice import LimitsByFunction, LimitsByRole
from .protocols import Charge
from .settings import ACTOR, ADDRESS, API_KEY, KEY_WORDS

if TYPE_CHECKING:
    from .declaration import Rates, RatesFunction
    from .default_limits import DefaultLimits
    from .keys import CallerKey, CallerKeys
    from .metrics import Decisions
    from .named_rates import NamedRates
    from .rates import Rate
    from .request_limits import RequestLimits

UNLIKE_NAME: Final = re.compile(r"[^a-z0-9]+")
MAX_COST: Final = 1_000_000_000  # more than any limit lets through: it never fits either
UNIT_OF: Final = {1: "second", 60: "minute", 3_600: "hour", 86_400: "day"}
DEFAULT: Final = "default"
UNAUTHORIZED: Final = 401
MAX_TITLE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limit:
    """One rate of a policy; `prefix` is what all its keys begin with, `quoted` its name as a structured-field string.

    `is_by_address`: it holds whoever an address authenticates as. `said` is what who is refused is told of it.
    """

    name: str
    quoted: str
    rate: Rate
    prefix: str
    strategy: str
    policy_text: str
    decisions: Decisions
    is_by_address: bool
    said: Mapping[str, str]


class Policy:
    """A declaration in one place: on a route, or on a function. Threads share it.

    `limits` hold for all requests, or say which hold for one.
    """

    __slots__ = ("_base", "_by", "_choose", "_cost", "_is_plain", "_when", "declared", "is_by_identity")

    def __init__(
        self,
        declared: RateLimit,
        by: CallerKey,
        limits: tuple[Limit, ...] | LimitsByRole | LimitsByFunction,
    ) -> None:
        self.declared = declared
        self.is_by_identity = declared.key in (ACTOR, API_KEY)
        self._by = by
        self._base = limits if isinstance(limits, tuple) else ()
        self._choose = None if isinstance(limits, tuple) else limits
        self._cost = declared.cost
        self._when = declared.when
        has_word = isinstance(declared.key, str) and declared.key in KEY_WORDS
        has_function = declared.when is not None or isinstance(limits, LimitsByFunction)
        self._is_plain = has_word and isinstance(declared.cost, int) and not has_function

    def add_charges(self, current: RequestLimits, due: list[tuple[Limit, Charge]]) -> None:
        """What the request of `current` has to pay, appended to `due`."""
        if not self._is_plain:
            current.is_plain = False
            if self._when is not None and not current.value_of(self._when):
                return
        caller = self._by(current)
        if caller is None:
            return
        cost = self._cost if isinstance(self._cost, int) else checked_cost(current.value_of(self._cost))
        for limit in self._base if self._choose is None else self._choose(current):
            rate = limit.rate
            charge = Charge(limit.prefix + caller, rate.amount, rate.window_seconds, cost, limit.strategy)
            due.append((limit, charge))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RouteLimits:
    """All limits of a route and method, in order: those known before authentication, those after it, and the default.

    `view` is the one that they were read from; views can be replaced. `is_for_known`: who is not authenticated gets a 401.
    """

    view: Any = None
    before: tuple[Policy, ...] = ()
    after: tuple[Policy, ...] = ()
    default: tuple[Policy, ...] = ()
    # The ids of its declarations, which the policies keep alive.
    own: frozenset[int] = frozenset()
    is_for_known: bool = False


class RouteReader:
    """Reads limits off declarations, for one app; shared by threads.

    `strategy` counts where a declaration does not say, `named` are rates by name, `defaults` hold where there is none, and
    `count` makes the counters of a policy.
    """

    def __init__(
        self,
        *,
        keys: CallerKeys,
        strategy: str,
        named: NamedRates,
        defaults: DefaultLimits,
        count: Callable[[str], Decisions],
    ) -> None:
        self._keys = keys
        self._strategy = strategy
        self._named_rates = named
        self._defaults = defaults
        self._count = count
        self._named: dict[str, tuple[Any, ...]] = {}

    def route(self, endpoint: str, method: str, view: Any) -> RouteLimits:
        """Those of `method` (in capitals) of `endpoint`, whose view is `view`; HEAD counts as the GET it is."""
        self._named_rates.tell_unused()
        declared = declarations_of(view, method) if view is not None else ()
        found = {id(item): item for item in declared if isinstance(item, RateLimit) and item.counts(method)}
        if self._defaults.serves_files(endpoint):
            return RouteLimits(view=view, own=frozenset(found))
        gone = lifted(declared, method)
        due = [item for key, item in found.items() if key not in gone]
        place = f"{'GET' if method == 'HEAD' else method}={bounded(endpoint)}"
        names = _Names()

        def policies(items: Iterable[RateLimit]) -> tuple[Policy, ...]:
            return tuple([self._policy(item, place, names, endpoint) for item in items])

        return RouteLimits(
            view=view,
            own=frozenset(found),
            before=policies(item for item in due if item.phase is Phase.ADDRESS_LIMIT),
            after=policies(item for item in due if item.phase is not Phase.ADDRESS_LIMIT),
            default=policies(self._defaults.implied(endpoint, method, declared)),
            is_for_known=any(UNAUTHORIZED in item.error_statuses(method) for item in declared),
        )

    def alone(self, declared: RateLimit) -> Policy:
        """That of a declaration which is no route's: it counts by where it was declared."""
        origin = declared.origin or ""
        where = origin.rpartition(".")[2]
        return self._policy(declared, f"f={bounded(origin)}", _Names(), where)

    def _policy(self, declared: RateLimit, place: str, names: _Names, where: str) -> Policy:
        chosen = self._named_rates.of(declared)
        self._note_name(declared, chosen)
        if declared.name is not None:
            bucket = f"n={bounded(declared.name)}"
        else:
            bucket = names.distinct(f"{place}|{bounded(declared.key_name)}")
        title = names.distinct(_title(declared, where))

        def limits(rates: Rates) -> tuple[Limit, ...]:
            return tuple(
                self._limit(declared, rate, bucket, title if len(rates) == 1 else f"{title}-{_unit(rate)}")
                for rate in rates
            )

        by = self._keys.of(declared.key)
        if not isinstance(chosen, tuple):
            return Policy(declared, by, LimitsByFunction(chosen, limits))
        base = limits(chosen)
        tiers = {role: limits(rates or ()) for role, rates in declared.tiers}
        return Policy(declared, by, LimitsByRole(base, tiers) if tiers else base)

    def _note_name(self, declared: RateLimit, rates: Rates | RatesFunction) -> None:
        """Refuse a name that stands for other rates elsewhere: what has one name is meant to be counted together."""
        if declared.name is None:
            return
        # A function may be made anew each time that its block is entered.
        given = rates if isinstance(rates, tuple) else place_of(rates)
        said = (given, declared.tiers, declared.strategy)
        known = self._named.setdefault(declared.name, said)
        if known != said:
            here, there = (item if isinstance(item, str) else shown_rates(item) for item in (given, known[0]))
            raise SetupError(
                f"rate_limit(name={declared.name!r}) is {here} at {declared.origin or 'a blueprint'}, and {there} elsewhere: "
                "limits of one name count together, so give them the same rates, tiers and strategy, or other names."
            )

    def _limit(self, declared: RateLimit, rate: Rate, bucket: str, name: str) -> Limit:
        strategy = declared.strategy or self._strategy
        quoted = _structured_string(name)
        return Limit(
            name=name,
            quoted=quoted,
            rate=rate,
            # Another rate or strategy begins anew: what was counted for one means nothing to another.
            prefix=f"{bucket}|{rate.amount}/{rate.window_seconds}|{strategy}|",
            strategy=strategy,
            policy_text=f"{quoted};q={rate.amount};w={rate.window_seconds}",
            decisions=self._count(name),
            is_by_address=declared.key == ADDRESS and not declared.tiers,
            said={"policy": name, "message": f'The limit "{name}" is {spoken_rate(rate)}.'},
        )


class _Names:
    """Gives what is named twice a number, so that no two policies of a route are taken for one."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def distinct(self, name: str) -> str:
        number = self._given[name] = self._given.get(name, 0) + 1
        return name if number == 1 else f"{name}-{number}"


def _title(declared: RateLimit, where: str) -> str:
    """What clients are shown as the policy's name; `where` is the endpoint, or the function."""
    if declared.name is not None:
        return declared.name
    if declared.is_default:
        return DEFAULT
    if declared.key in KEY_WORDS:
        return declared.key_name
    text = where if callable(declared.key) else declared.key_name
    return UNLIKE_NAME.sub("-", text.lower()).strip("-")[:MAX_TITLE] or "custom"


def _unit(rate: Rate) -> str:
    return UNIT_OF.get(rate.window_seconds, f"{rate.window_seconds}s")


def _structured_string(text: str) -> str:
    """RFC 9651, 3.3.3; `text` is printable ASCII."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def checked_cost(cost: Any) -> int:
    """What a function of the user gave, no larger than matters; `ValueError` for what is no cost.

    A number below 0 may come from a client that wants to make room: it is a request like any other.
    """
    if isinstance(cost, bool) or not isinstance(cost, int):
        raise ValueError(f"cost= of a rate limit gave {cost!r}; it has to give a whole number.")
    return min(cost, MAX_COST) if cost >= 0 else 1
