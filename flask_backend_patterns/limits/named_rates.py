"""`BACKEND_LIMITS_RATES`: rates by name, in place of what the code says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from .declaration import RATES_KEY, RateLimit, shown_rates
from .rates import parse_rates
from .settings import is_name

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .declaration import Rates, RatesFunction

MAX_DECLARED: Final = 10_000
# The names that decorators have been given in this process: views know their apps, functions do not.
_DECLARED: set[str] = set()


def note_declared(name: str | None) -> None:
    """A decorator has been given `name`."""
    if name is not None and len(_DECLARED) < MAX_DECLARED:
        _DECLARED.add(name)


def read_named_rates(value: Any, problems: list[str]) -> dict[str, Rates]:
    """The setting; what is wrong is appended to `problems`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append(
            f"{RATES_KEY} is {value!r}; expected rates by name, such as {{'checkout': '10/minute'}}"
        )
        return {}
    found = {}
    for name, text in value.items():
        if not is_name(name):
            problems.append(f"{RATES_KEY}: {name!r} is no name; expected up to 64 printable ASCII characters")
            continue
        try:
            found[name] = parse_rates(text)
        except ValueError as error:
            problems.append(f"{RATES_KEY}[{name!r}]: {error}")
    return found


class NamedRates:
    """Those of one app; shared by threads."""

    def __init__(self, rates: Mapping[str, Rates], *, log: EventLog) -> None:
        self._rates = dict(rates)
        self._log = log
        self._has_to_tell = bool(rates)

    def of(self, declared: RateLimit) -> Rates | RatesFunction:
        """What holds for `declared`: the setting, else what the code says. `SetupError` where neither says anything."""
        rates = self.in_force(declared).rates
        if rates is None:
            known = ", ".join(map(repr, self._rates)) or "nothing"
            raise SetupError(
                f"{_told(declared)} takes its rates from {RATES_KEY}, which has {known}: "
                f"set {RATES_KEY} = {{{declared.name!r}: '100/minute'}}, or write rates in the code."
            )
        if isinstance(rates, tuple) and isinstance(declared.cost, int):
            smallest = min(rate.amount for rate in rates)
            if declared.cost > smallest:
                raise SetupError(
                    f"{_told(declared)} has cost={declared.cost}, which never fits into {shown_rates(rates)} of {RATES_KEY}; "
                    "raise the rate."
                )
        return rates

    def in_force(self, declared: RateLimit) -> RateLimit:
        """`declared` with the rates that hold in this app, to be shown; as it is where they are not known."""
        rates = None if declared.name is None else self._rates.get(declared.name)
        return declared if rates is None else replace(declared, rates=rates)

    def tell_unused(self) -> None:
        """Log the names that nothing has, once: called when the routes of the app are there."""
        if not self._has_to_tell:
            return
        self._has_to_tell = False
        unused = [name for name in self._rates if name not in _DECLARED]
        if unused:
            self._log.warning(
                "limits_rates_unused",
                names=unused,
                hint=f"No @rate_limit has this name, so {RATES_KEY} changes nothing here, unless a block "
                "(`with rate_limit(name=...)`) has it: look at how it is written.",
            )


def _told(declared: RateLimit) -> str:
    return f"rate_limit(name={declared.name!r}) at {declared.origin or 'a blueprint'}"
