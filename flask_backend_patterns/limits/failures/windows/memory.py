"""Failure windows in this process: while Redis is away, and for apps without one."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from ...._after_fork import reset_in_children
from .protocols import BUSY_SECONDS, HELD_SECONDS, KNOWN_SECONDS, MAX_KNOWN, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocols import Bucket

    # (the other side, the attempt) -> when
    Moments: TypeAlias = "dict[tuple[str, str], float]"

MAX_BUCKETS = 10_000
NO_FAILURES = (0, -math.inf, -math.inf)


class MemoryFailureWindows:
    """The windows of one process, of at most `max_buckets`; the one unused for longest is forgotten first.

    `clock` is in seconds, from any beginning.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_buckets: int = MAX_BUCKETS
    ) -> None:
        self._clock = clock
        self._max_buckets = max_buckets
        self._lock = Lock()
        self._failures: OrderedDict[str, Moments] = OrderedDict()
        self._held: OrderedDict[str, Moments] = OrderedDict()
        # account -> address -> when it last logged in
        self._known: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        # (account and kind, address) -> how many failures, when the last one was, and the last attempt
        self._waits: OrderedDict[tuple[str, str], tuple[int, float, float]] = OrderedDict()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = Lock()

    def reserve(self, bucket: Bucket, attempt: str) -> float:
        """See `FailureWindows`."""
        with self._lock:
            now = self._clock()
            wait = self._pause(bucket, now)
            if not (bucket.has_known and self._knows(bucket, now)):
                failures = self._recent(self._failures, bucket.counted_as, now - bucket.longest_seconds)
                held = self._recent(self._held, bucket.counted_as, now - HELD_SECONDS)
                for rate in bucket.rates:
                    wait = max(wait, _wait(failures, len(held), now, rate.amount, rate.seconds))
                if wait == 0.0:
                    held[bucket.other, attempt] = now
            if wait == 0.0:
                self._go_on(bucket, now)
            return wait

    def settle(self, bucket: Bucket, attempt: str, verdict: Verdict) -> None:
        """See `FailureWindows`."""
        with self._lock:
            now = self._clock()
            was_held = self._held.get(bucket.counted_as, {}).pop((bucket.other, attempt), None) is not None
            if verdict is Verdict.FAILED and was_held:
                failures = self._recent(self._failures, bucket.counted_as, now - bucket.longest_seconds)
                failures[bucket.other, attempt] = now
            elif verdict is Verdict.SUCCEEDED:
                self._forgive(bucket, now)
            if verdict is Verdict.FAILED and bucket.waits is not None:
                # A known address holds no place, and waits all the same.
                self._fail(bucket, now)

    def forget_known(self, bucket: Bucket) -> None:
        """See `FailureWindows`."""
        with self._lock:
            self._known.pop(bucket.key, None)

    def _recent(self, moments: OrderedDict[str, Moments], key: str, begin: float) -> Moments:
        """Those after `begin`, kept as the ones used last."""
        found = moments[key] = {member: when for member, when in moments.pop(key, {}).items() if when > begin}
        if len(moments) > self._max_buckets:
            moments.popitem(last=False)
        return found

    def _failed_before(self, bucket: Bucket, now: float) -> tuple[int, float, float]:
        """How many failures the address has on the account, when the last one was, and the last attempt."""
        found = self._waits.get((bucket.counted_as, bucket.other), NO_FAILURES)
        return found if now - found[1] < bucket.longest_seconds else NO_FAILURES

    def _pause(self, bucket: Bucket, now: float) -> float:
        """How long the address still has to wait, whatever the windows say."""
        if bucket.waits is None:
            return 0.0
        failures, _, last = self._failed_before(bucket, now)
        pause = bucket.waits.seconds_after(failures)
        return max(0.0, last + pause - now) if pause else 0.0

    def _go_on(self, bucket: Bucket, now: float) -> None:
        """Of several attempts at once that have waited long enough, one goes on."""
        if bucket.waits is None:
            return
        failures, failed, _ = self._failed_before(bucket, now)
        if bucket.waits.seconds_after(failures):
            self._waits[bucket.counted_as, bucket.other] = failures, failed, now

    def _fail(self, bucket: Bucket, now: float) -> None:
        pair = bucket.counted_as, bucket.other
        failures = self._failed_before(bucket, now)[0] + 1
        self._waits.pop(pair, None)
        self._waits[pair] = failures, now, now
        if len(self._waits) > self._max_buckets:
            self._waits.popitem(last=False)

    def _knows(self, bucket: Bucket, now: float) -> bool:
        addresses = self._known.get(bucket.key)
        seen = None if addresses is None else addresses.get(bucket.other)
        return seen is not None and seen > now - KNOWN_SECONDS

    def _forgive(self, bucket: Bucket, now: float) -> None:
        failures = self._failures.get(bucket.counted_as, {})
        for member in [member for member in failures if member[0] == bucket.other]:
            del failures[member]
        self._waits.pop((bucket.counted_as, bucket.other), None)
        if not bucket.has_known:
            return
        addresses = self._known.pop(bucket.key, OrderedDict())
        addresses.pop(bucket.other, None)
        addresses[bucket.other] = now
        self._known[bucket.key] = addresses
        if len(addresses) > MAX_KNOWN:
            addresses.popitem(last=False)
        if len(self._known) > self._max_buckets:
            self._known.popitem(last=False)


def _wait(failures: Moments, held: int, now: float, amount: int, seconds: int) -> float:
    """In how many seconds there is a place for one of `amount` in `seconds`."""
    recent = sorted((when for when in failures.values() if when > now - seconds), reverse=True)
    if len(recent) >= amount:
        return recent[amount - 1] + seconds - now
    return BUSY_SECONDS if len(recent) + held >= amount else 0.0
