"""Spares callers the wait while Redis is away: they are refused at once, and one thread looks whether it is back."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ._after_fork import reset_in_children
from ._recovery_probe import RecoveryProbe
from ._weak_callbacks import WeakCallbacks
from .errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._contribution import EventLog

P = ParamSpec("P")
T = TypeVar("T")

PROBE_SECONDS = 0.25


class RedisOutage:
    """Knows whether one Redis is away; make one for each Redis and share it among all that use it. Thread-safe.

    The client's own timeouts bound what the first callers lose (see `_redis.connect`: 90 ms); after a failure callers
    are refused without asking Redis, until `ping` succeeds. No caller waits for it: a thread calls it, about every
    `probe_seconds`, from the first failure until Redis is back; a failure for a moment ends after a fifth of that.
    Logs `dependency.down` and `dependency.up`, once for each change, and calls `report` with whether Redis is there.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        ping: Callable[[], object],
        report: Callable[[bool], object] = bool,
        probe_seconds: float = PROBE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._ping = ping
        self._report = report
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._lock = threading.RLock()  # reentrant: a finalizer may run anywhere
        self._down_since: float | None = None
        self._refusals = itertools.count()
        self._recoveries = 0
        self._probe: RecoveryProbe | None = None
        self._recovering: int | None = None  # the thread that calls the listeners
        self._has_failed_again = False
        self._listeners = WeakCallbacks()
        report(True)  # noqa: FBT003 - a callable of one value
        reset_in_children(self)

    @property
    def is_down(self) -> bool:
        """Whether the last that was heard of Redis is that it does not answer."""
        return self._down_since is not None

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Call `callback` when Redis is back, before anybody else is let through to it (so `is_down` is still True).

        It is called in a thread of ours, may use Redis, and is called again later when that fails since Redis has
        gone again. A bound method is held weakly.
        """
        self._listeners.add(callback)

    def call(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What `function` returns, which sends one or more commands; `CacheError` when Redis fails or is known to be away.

        An error that Redis answers (a wrong type, a fault in a script) is a `CacheError` too, but no outage. Exceptions
        that are not redis-py's pass through unchanged.
        """
        if self._down_since is not None and threading.get_ident() != self._recovering:
            next(self._refusals)
            raise CacheError(retry_after=1.0)
        recoveries = self._recoveries
        try:
            return function(*args, **options)
        except Exception as error:
            if not _is_from_redis(error):
                raise
            failure = CacheError(retry_after=1.0)
            failure.is_outage = _is_outage(error)
            if failure.is_outage:
                self._note_failure(error, recoveries)
            raise failure from error

    def look(self) -> bool:
        """Whether Redis answers; then the outage is over. Called by the probe."""
        if self._down_since is None:
            return True
        try:
            self._ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, Redis was not reached, but for what it answers itself
            if not _is_from_redis(error) or _is_outage(error) or not _is_answer(error):
                return False
        return self._recover()

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock, and its probe is not here: the child finds out for itself."""
        self._lock = threading.RLock()
        self._down_since = None
        self._probe = self._recovering = None

    def _note_failure(self, error: Exception, recoveries: int) -> None:
        """Redis is away, unless it has come back since the failed call began."""
        with self._lock:
            if self._down_since is not None:
                self._has_failed_again = True
                return
            if self._recoveries != recoveries:
                return
            self._down_since = self._clock()
            self._refusals = itertools.count()
            self._probe = RecoveryProbe(self, seconds=self._probe_seconds)
            try:
                self._probe.start()
            except (
                RuntimeError
            ):  # no thread to be had, or the end of the process: nobody would see it come back
                self._down_since = None
                return
        self._report(False)  # noqa: FBT003 - as above
        self._log.warning(
            "dependency.down", dependency="redis", reason=type(error).__name__, cause=str(error)
        )

    def _recover(self) -> bool:
        """False when Redis has gone while the listeners were told."""
        self._has_failed_again = False
        self._recovering = threading.get_ident()
        try:
            for callback in self._listeners:
                self._tell(callback)
        finally:
            self._recovering = None
        with self._lock:
            if self._down_since is None or self._has_failed_again:
                return self._down_since is None
            seconds = self._clock() - self._down_since
            refused = next(self._refusals)
            self._down_since = None
            self._recoveries += 1
        self._report(True)  # noqa: FBT003 - as above
        self._log.info("dependency.up", dependency="redis", seconds=round(seconds, 3), refused=refused)
        return True

    def _tell(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except CacheError:
            return  # seen by `call`
        except Exception as error:  # noqa: BLE001 - one listener's fault keeps nobody away from Redis
            self._log.error("recovery_listener_failed", exc_info=error)


def _is_from_redis(error: BaseException) -> bool:
    from redis.exceptions import RedisClusterException, RedisError  # here, since importing redis takes long

    return isinstance(error, (RedisError, RedisClusterException))


def _is_outage(error: BaseException) -> bool:
    """Whether Redis does not answer, rather than answers an error; a pool of ours that is exhausted says neither."""
    from redis.exceptions import ClusterDownError, RedisClusterException
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    lost = (RedisConnectionError, RedisTimeoutError)
    if isinstance(error, RedisClusterException):  # no node could be reached, or the caller's mistake
        return isinstance(error.__cause__ or error.__context__, lost)
    return (
        isinstance(error, (*lost, ClusterDownError))
        and type(error).__name__ != "MaxConnectionsError"  # not in every redis-py that we allow
    )


def _is_answer(error: BaseException) -> bool:
    from redis.exceptions import ResponseError

    return isinstance(error, ResponseError)
