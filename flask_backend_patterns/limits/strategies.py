"""Flask-Limiter's side: an app's own `Limiter` counts through our windows, with `RATELIMIT_STORAGE_URI="backend://"`.

Registered with `limits` (whose classes these are) when an app is set up: import this module only then.
"""

from __future__ import annotations

import hashlib
import math
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from flask import current_app, has_app_context, has_request_context, request
from limits import WindowStats
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, MovingWindowSupport, SlidingWindowCounterSupport, Storage
from limits.strategies import STRATEGIES, RateLimiter

from .._contribution import LIMITER_WAITS_KEY
from .._state import state_of
from ..errors import CacheError
from .backends.limit_plan import MAX_AMOUNT, MAX_WINDOW_SECONDS
from .backends.memory import MemoryWindows
from .protocols import Charge
from .settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW

if TYPE_CHECKING:
    from flask import Flask
    from limits import RateLimitItem

    from .protocols import Standing, Windows

URI = "backend://"
FEATURE = "flask-limiter"
MEMORY_KEYS = 50_000
LONG = 200  # letters of a key; longer ones are hashed
SEEN_KEY = "flask_backend_patterns.limits.flask_limiter"  # in the WSGI environment


def install_strategies(app: Flask) -> None:
    """Make the strategies and the storage known to `limits`; a `Limiter` that `app` sets up later counts in Redis.

    That is a default: only where neither `RATELIMIT_STORAGE_URI` nor the `Limiter` names a storage, and
    `BACKEND_REDIS_URL` is set. Call it after the state of the app is published.
    """
    STRATEGIES.update(_BY_NAME)  # type: ignore[arg-type]  # typed as the three that limits brings
    state = state_of(app)
    has_storage = app.config.get("RATELIMIT_STORAGE_URI") or app.extensions.get("limiter")
    if state is not None and state.redis is not None and not has_storage:
        app.config["RATELIMIT_STORAGE_URI"] = URI


class BackendStorage(Storage, MovingWindowSupport, SlidingWindowCounterSupport):
    """The windows of the app that is being served, for our strategies and for those of `limits`.

    `moving-window` counts as our sliding window counter, `fixed-window` and `sliding-window-counter` as ours of that
    name. Never raises for what Redis does: see `FallbackWindows`. One `Limiter` on several apps counts in each apart.
    """

    STORAGE_SCHEME: ClassVar[list[str]] = ["backend"]  # type: ignore[misc]  # an instance variable there
    base_exceptions = CacheError

    @property
    def windows(self) -> Windows:
        """Those of the current app; of this process where there is none, or it has no limits of ours."""
        state = state_of(current_app) if has_app_context() else None
        return self._own if state is None or state.limits is None else state.limits.windows

    @cached_property
    def _own(self) -> Windows:
        return MemoryWindows(max_keys=MEMORY_KEYS)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return how many there are; more than the limit when it was refused, which counts nothing."""
        limit = _limit_of(key, expiry)
        standing = _charge(self.windows, key, limit, FIXED_WINDOW, amount)
        return limit[0] - standing.remaining if standing.is_allowed else limit[0] + 1

    def get(self, key: str) -> int:
        """How many were counted; what a request has just been told is given out once, without asking again."""
        limit = _limit_of(key)
        seen = _seen().pop(key, None) or _look(self.windows, key, limit, FIXED_WINDOW)
        _seen()[key + "/expiry"] = seen
        return limit[0] - seen.remaining

    def get_expiry(self, key: str) -> float:
        """When the window is over, seconds since the epoch."""
        seen = _seen().pop(key + "/expiry", None) or _look(self.windows, key, _limit_of(key), FIXED_WINDOW)
        return seen.reset_time

    def check(self) -> bool:
        """There is always somewhere to count."""
        return True

    def reset(self) -> int | None:
        """Forget everything that Flask-Limiter counted for the current app."""
        windows: Any = self.windows
        count: int = windows.clear_all(FEATURE + "/")
        return count

    def clear(self, key: str) -> None:
        """Forget what was counted for `key`."""
        self.windows.clear(_name(key))

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count, if it fits."""
        return self.acquire_sliding_window_entry(key, limit, expiry, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the window began, as far as its end tells, and how many there are."""
        seen = _seen().pop(key, None) or _look(self.windows, key, _bounded(limit, expiry), SLIDING_WINDOW)
        return seen.reset_time - expiry, limit - seen.remaining

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count, if it fits."""
        return _charge(self.windows, key, _bounded(limit, expiry), SLIDING_WINDOW, amount).is_allowed

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Nothing before, and now what is used of both windows together."""
        limit = _limit_of(key, expiry)
        seen = _seen().pop(key, None) or _look(self.windows, key, limit, SLIDING_WINDOW)
        return 0, 0.0, limit[0] - seen.remaining, min(max(0.0, seen.reset_time - time.time()), expiry - 0.001)

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget what was counted for `key`."""
        del expiry
        self.clear(key)


class BackendRateLimiter(RateLimiter):
    """A strategy of ours; what a hit was told is kept for the headers of the request, which cost no further trip.

    Raises `ConfigurationError` on a storage that is neither ours nor in memory.
    """

    counts_as: ClassVar[str]

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        self._own: Windows | None = None
        if isinstance(storage, MemoryStorage):
            self._own = MemoryWindows(max_keys=MEMORY_KEYS)
        elif not isinstance(storage, BackendStorage):
            raise ConfigurationError(
                f"The strategies of flask-backend-patterns count on RATELIMIT_STORAGE_URI={URI!r}, "
                f"not on {type(storage).__name__}."
            )

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Count, if it fits."""
        limit = _bounded(item.amount, item.get_expiry())
        return _charge(self._windows, item.key_for(*identifiers), limit, self.counts_as, cost).is_allowed

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Whether it would fit."""
        key = item.key_for(*identifiers)
        seen = _look(self._windows, key, _bounded(item.amount, item.get_expiry()), self.counts_as)
        _seen()[key] = seen
        if seen.remaining < cost:
            _note_wait(key, seen.reset_time - time.time())
        return seen.remaining >= cost

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """What the request was told last; asked for where it was told nothing.

        `reset_time` is when everything is there again; after a refusal, when what was refused fits.
        """
        key = item.key_for(*identifiers)
        limit = _bounded(item.amount, item.get_expiry())
        return _seen().get(key) or _look(self._windows, key, limit, self.counts_as)

    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        """Forget what was counted."""
        self._windows.clear(_name(item.key_for(*identifiers)))

    @property
    def _windows(self) -> Windows:
        if self._own is not None:
            return self._own
        storage: Any = self.storage
        windows: Windows = storage.windows
        return windows


class BackendFixedWindow(BackendRateLimiter):
    """`RATELIMIT_STRATEGY = "backend-fixed-window"`."""

    counts_as = FIXED_WINDOW


class BackendSlidingWindow(BackendRateLimiter):
    """`RATELIMIT_STRATEGY = "backend-sliding-window-counter"`."""

    counts_as = SLIDING_WINDOW


class BackendGcra(BackendRateLimiter):
    """`RATELIMIT_STRATEGY = "backend-gcra"`: the amount at once, then refilled evenly."""

    counts_as = GCRA


_BY_NAME: dict[str, type[BackendRateLimiter]] = {
    f"backend-{strategy.counts_as}": strategy
    for strategy in (BackendFixedWindow, BackendSlidingWindow, BackendGcra)
}


def _charge(windows: Windows, key: str, limit: tuple[int, int], strategy: str, cost: int) -> Standing:
    """Count, and keep what became of it for the rest of the request."""
    amount, window_seconds = limit
    charge = Charge(
        key=_name(key),
        amount=max(1, amount),
        window_seconds=window_seconds,
        cost=max(0, cost) if amount else MAX_AMOUNT + 1,  # "0/minute": nothing fits
        strategy=strategy,
    )
    (standing,) = windows.charge((charge,))
    wait = standing.reset_seconds
    if not standing.is_allowed:
        # Whole seconds, since Flask-Limiter rounds `Retry-After` down.
        wait = math.ceil(standing.retry_seconds)
        _note_wait(key, standing.retry_seconds)
    _seen()[key] = WindowStats(time.time() + wait, standing.remaining if amount else 0)
    return standing


def _look(windows: Windows, key: str, limit: tuple[int, int], strategy: str) -> WindowStats:
    amount, window_seconds = limit
    charge = Charge(
        key=_name(key), amount=max(1, amount), window_seconds=window_seconds, cost=0, strategy=strategy
    )
    (standing,) = windows.charge((charge,))
    return WindowStats(time.time() + standing.reset_seconds, standing.remaining if amount else 0)


def _seen() -> dict[str, WindowStats]:
    """What this request was told, by key; outside of requests nothing is kept."""
    if not has_request_context():
        return {}
    seen: dict[str, WindowStats] = request.environ.setdefault(SEEN_KEY, {})
    return seen


def _note_wait(key: str, seconds: float) -> None:
    """For the translation of `RateLimitExceeded`, which knows the limit but not whom it counted."""
    if has_request_context():
        request.environ.setdefault(LIMITER_WAITS_KEY, {})[_limit_of(key)] = seconds


def _name(key: str) -> str:
    """A key of Flask-Limiter, which strangers may have written, as one of ours."""
    if len(key) > LONG:
        key = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=20).hexdigest()
    return f"{FEATURE}/{key}"


def _limit_of(key: str, expiry: int | None = None) -> tuple[int, int]:
    """(amount, seconds) of a limit, which `RateLimitItem.key_for` writes at the end of its key."""
    from limits.limits import GRANULARITIES

    _, amount, multiples, granularity = key.rsplit("/", 3)
    return _bounded(int(amount), expiry or int(multiples) * GRANULARITIES[granularity].GRANULARITY.seconds)


def _bounded(amount: int, seconds: int) -> tuple[int, int]:
    """Within what our windows count; nobody reaches more."""
    return min(max(0, amount), MAX_AMOUNT), min(seconds, MAX_WINDOW_SECONDS)
