"""Failure windows in Redis: one count for all processes and machines."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..waits import Waits
from .protocols import BUSY_SECONDS, HELD_SECONDS, KNOWN_SECONDS, MAX_KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from ...._redis_outage import RedisOutage
    from .protocols import Bucket, Verdict

NO_WAITS = Waits(free=0, first_seconds=0, longest_seconds=0)


class RedisFailureWindows:
    """The windows on one Redis; `connect` is called at first use. Raises `CacheError` while Redis is away.

    Without a `clock` (seconds since the epoch) Redis's own tells the time, the same for all machines.
    """

    def __init__(
        self,
        connect: Callable[[], Redis],
        *,
        outage: RedisOutage,
        prefix: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._connect = connect
        self._outage = outage
        self._prefix = prefix
        self._clock = clock

    def reserve(self, bucket: Bucket, attempt: str) -> float:
        """See `FailureWindows`."""
        rates = [number for rate in bucket.rates for number in (rate.amount, _microseconds(rate.seconds))]
        durations = map(_microseconds, (KNOWN_SECONDS, HELD_SECONDS, BUSY_SECONDS))
        waits = bucket.waits or NO_WAITS
        pauses = map(_microseconds, (waits.first_seconds, waits.longest_seconds))
        wait = self._run(lambda: self._reserve, bucket, attempt, *durations, waits.free, *pauses, *rates)
        return int(wait) / 1_000_000

    def settle(self, bucket: Bucket, attempt: str, verdict: Verdict) -> None:
        """See `FailureWindows`."""
        durations = map(_microseconds, (bucket.longest_seconds, KNOWN_SECONDS))
        self._run(lambda: self._settle, bucket, attempt, verdict.value, *durations, MAX_KNOWN)

    def forget_known(self, bucket: Bucket) -> None:
        """See `FailureWindows`."""
        self._outage.call(lambda: self._client.delete(self._known_of(bucket)))

    def _known_of(self, bucket: Bucket) -> str:
        return f"{self._prefix}:known:{{{bucket.key}}}"

    def _run(self, script: Callable[[], Any], bucket: Bucket, *args: str | int) -> Any:
        now = "" if self._clock is None else _microseconds(self._clock())
        # One hash tag: Redis Cluster wants all keys of a script in one place.
        kind = f":{bucket.kind}" if bucket.kind else ""
        keys = [f"{self._prefix}:{name}:{{{bucket.key}}}{kind}" for name in ("failures", "attempts")]
        if bucket.has_known:
            keys.append(self._known_of(bucket))
            if bucket.waits is not None:
                keys.append(f"{self._prefix}:waits:{{{bucket.key}}}{kind}:{bucket.other}")
        return self._outage.call(lambda: script()(keys=keys, args=[now, bucket.other, *args]))

    @cached_property
    def _client(self) -> Redis:
        return self._connect()

    @cached_property
    def _reserve(self) -> Any:
        return self._client.register_script(_script("reserve"))

    @cached_property
    def _settle(self) -> Any:
        return self._client.register_script(_script("settle"))


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)


def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text()
