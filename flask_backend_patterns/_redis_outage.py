"""Spares callers the wait while Redis is away: one of them looks whether it is back, the others are refused at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from ._after_fork import reset_in_children
from .errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._contribution import EventLog

T = TypeVar("T")

RETRY_SECONDS = 0.5


class RedisOutage:
    """Knows whether one Redis is away; make one for each Redis and share it among all that use it. Thread-safe.

    The client's own timeouts bound what the first callers lose (see `_redis.connect`: 100 ms); after a failure callers
    are refused without asking Redis, and every `retry_seconds` exactly one of them tries. Logs `dependency.down` and
    `dependency.up`, once for each change.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._down_since: float | None = None
        self._retry_at = 0.0
        self._is_probing = False
        self._refused = 0
        self._recoveries = 0
        reset_in_children(self)

    @property
    def is_down(self) -> bool:
        """Whether the last that was heard of Redis is that it does not answer."""
        return self._down_since is not None

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns, which sends one or more commands; `CacheError` when Redis fails or is known to be away.

        An error that Redis answers (a wrong type, a fault in a script) is a `CacheError` too, but no outage. Exceptions
        that are not redis-py's pass through unchanged.
        """
        if self._down_since is not None and self._claim_probe():
            return self._probe(function)
        recoveries = self._recoveries
        try:
            return function()
        except Exception as error:
            if not _is_from_redis(error):
                raise
            if _is_outage(error):
                self._note_failure(error, recoveries)
            raise self._refusal() from error

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock, or been the one that looks."""
        self._lock = threading.Lock()
        self._is_probing = False

    def _claim_probe(self) -> bool:
        """Whether the caller is the one that tries now; False when Redis is back meanwhile; refuses everybody else."""
        with self._lock:
            if self._down_since is None:
                return False
            if not self._is_probing and self._clock() >= self._retry_at:
                self._is_probing = True
                return True
            self._refused += 1
        raise self._refusal()

    def _probe(self, function: Callable[[], T]) -> T:
        try:
            result = function()
        except BaseException as error:
            if not _is_from_redis(error):
                self._end_probe(wait_seconds=0.0)  # it says nothing about Redis: the next caller tries
                raise
            if _is_outage(error):
                self._end_probe(wait_seconds=self._retry_seconds)
            else:
                self._recover()
            raise self._refusal() from error
        self._recover()
        return result

    def _end_probe(self, *, wait_seconds: float) -> None:
        with self._lock:
            self._is_probing = False
            self._retry_at = self._clock() + wait_seconds

    def _note_failure(self, error: Exception, recoveries: int) -> None:
        """Redis is away, unless it has come back since the failed call began."""
        with self._lock:
            if self._recoveries != recoveries or self._down_since is not None:
                return
            self._down_since = self._clock()
            self._retry_at = self._down_since + self._retry_seconds
            self._refused = 0
        self._log.warning(
            "dependency.down", dependency="redis", reason=type(error).__name__, cause=str(error)
        )

    def _recover(self) -> None:
        with self._lock:
            self._is_probing = False
            if self._down_since is None:
                return
            seconds = self._clock() - self._down_since
            refused = self._refused
            self._down_since = None
            self._recoveries += 1
        self._log.info("dependency.up", dependency="redis", seconds=round(seconds, 3), refused=refused)

    def _refusal(self) -> CacheError:
        return CacheError(retry_after=self._retry_seconds)


def _is_from_redis(error: BaseException) -> bool:
    from redis.exceptions import RedisError  # here, since importing redis takes long

    return isinstance(error, RedisError)


def _is_outage(error: BaseException) -> bool:
    """Whether Redis does not answer, rather than answers an error; a pool of ours that is exhausted says neither."""
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    return (
        isinstance(error, (RedisConnectionError, RedisTimeoutError))
        and type(error).__name__ != "MaxConnectionsError"  # not in every redis-py that we allow
    )
