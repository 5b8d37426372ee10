"""How values of one kind are kept: their life, their form, and what is counted about them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from .._chance import CHANCE
from .._config import SetupError
from .near_values import EVERYTHING_TAG
from .protocols import Wanted
from .uncacheable import UncacheableValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

V = TypeVar("V")

MAX_NONE_SECONDS: Final = 10.0
MAX_POLICIES: Final = 1000
# What a cached call can come to.
NEAR, HIT, STALE, MISS, BYPASS, ERROR = "near", "hit", "stale", "miss", "bypass", "error"
RESULTS: Final = (NEAR, HIT, STALE, MISS, BYPASS, ERROR)


class Encoder(Protocol):
    """Turns values into bytes and back: `Encoding`."""

    def encode(self, value: Any) -> bytes:
        """Raises `UncacheableValueError`."""

    def decode(self, payload: bytes) -> Any:
        """The value, or `MISSING` when the bytes are not understood."""


class Metrics(Protocol):
    """Where counters come from: `observability.Metrics`."""

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Any:
        """The counter `name`, made when first asked for."""


class NotStored(Generic[V]):
    """A loader returns this round a value that is for its caller alone: it is neither stored nor given to who waits."""

    __slots__ = ("value",)

    def __init__(self, value: V) -> None:
        self.value = value


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """How long values live, in seconds; `SetupError` when it makes no sense. See `cached`."""

    ttl: float
    stale: float = 0.0
    none_ttl: float | None = None
    jitter: float = 0.1

    def check(self, where: str) -> None:
        """Raise `SetupError`, naming the place, for what makes no sense."""
        for name, seconds in (("ttl", self.ttl), ("stale", self.stale), ("none_ttl", self.none_ttl)):
            is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
            if not is_number and not (name == "none_ttl" and seconds is None):
                raise SetupError(f"{where}: {name}={seconds!r}; give a number of seconds.")
        if not 0 < self.ttl < float("inf"):
            raise SetupError(f"{where}: ttl={self.ttl!r}; give seconds above 0.")
        if not 0 <= self.stale < float("inf"):
            raise SetupError(f"{where}: stale={self.stale!r}; give seconds, or 0.")
        if self.none_ttl is not None and not 0 <= self.none_ttl < float("inf"):
            raise SetupError(f"{where}: none_ttl={self.none_ttl!r}; give seconds, 0 for not at all.")
        if not 0 <= self.jitter < 1:
            raise SetupError(f"{where}: jitter={self.jitter!r}; give a part of the ttl, from 0 to below 1.")

    def of(self, value: Any) -> tuple[float, float]:
        """For how many seconds `value` is fresh, and for how many it is kept; 0 is not at all.

        Jitter shortens, so that what was stored together does not expire together.
        """
        ttl, stale = self.ttl, self.stale
        if value is None:
            ttl = min(ttl, MAX_NONE_SECONDS) if self.none_ttl is None else self.none_ttl
            stale = 0.0
        fresh = ttl * (1 - self.jitter * CHANCE.random())
        return fresh, fresh + stale


class Tally:
    """Counts what calls of one name come to, in the metric and for `flask backend cache stats`."""

    __slots__ = ("_increments", "counts", "name")

    def __init__(self, name: str, metrics: Metrics | None) -> None:
        self.name = name
        self.counts: dict[str, int] = dict.fromkeys(RESULTS, 0)
        self._increments: dict[str, Callable[[], object]] = {}
        if metrics is not None:
            counter = metrics.counter(
                "backend_cache_requests_total", "Calls of cached functions and views.", ("name", "result")
            )
            self._increments = {result: counter.labels(name, result).inc for result in RESULTS}

    def count(self, result: str) -> None:
        """One more. The number in `counts` may miss some when threads count at once; the metric does not."""
        self.counts[result] += 1
        if self._increments:
            self._increments[result]()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything that the engine has to know about values of one kind; made once."""

    lifetimes: Lifetimes
    encoder: Encoder
    tally: Tally
    is_near: bool = True

    def encode(self, value: Any) -> bytes:
        """Raises `UncacheableValueError`, which names the function."""
        try:
            return self.encoder.encode(value)
        except UncacheableValueError as error:
            error.function_name = self.tally.name
            raise

    def decode(self, payload: bytes) -> Any:
        """The value, or `MISSING`."""
        return self.encoder.decode(payload)


class Policies:
    """Policies by what they were made from; a bounded number, since a caller may choose another ttl each time."""

    def __init__(self) -> None:
        self._known: dict[Any, Policy] = {}

    def find(self, options: Any, make: Callable[[], Policy]) -> Policy:
        """The one for `options`, made when first asked for."""
        try:
            known = self._known.get(options)
        except TypeError:  # an annotation that cannot be hashed
            return make()
        if known is None:
            if len(self._known) >= MAX_POLICIES:
                self._known = {}
            known = self._known[options] = make()
        return known


@dataclass(slots=True)
class Call:
    """One question for a value. `since` is when it was asked."""

    key: str
    tags: tuple[str, ...]
    policy: Policy
    is_refresh: bool = False  # load anew, whatever is stored
    is_fresh: bool = False  # read past what the process keeps near
    since: float = field(default_factory=time.monotonic)

    @property
    def wanted(self) -> Wanted:
        """For the store."""
        return Wanted(key=self.key, tags=(*self.tags, EVERYTHING_TAG))
