"""A document of the provider's that is fetched when it is needed and kept for a while."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ...errors import AppError

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

LIFETIME_SECONDS: Final = 3_600.0
REFRESH_SECONDS: Final = 60.0
FAILURE_SECONDS: Final = 2.0


class RemoteDocument(Generic[V]):
    """Thread-safe: one thread fetches, the others wait for what it gets; a failure is remembered for two seconds.

    A value that is out of date is used as long as no newer one can be had. `clock` counts seconds.
    """

    def __init__(self, fetch: Callable[[], V], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._value: V | None = None
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")  # when `refreshed` last looked for a newer one
        self._failure: AppError | None = None
        self._failed_at = float("-inf")

    def get(self) -> V:
        """The document, at most an hour old if the provider can be reached; raises what fetching it raised."""
        value = self._value
        if value is not None and self._clock() - self._fetched_at < LIFETIME_SECONDS:
            return value
        with self._lock:
            if self._value is not None and self._clock() - self._fetched_at < LIFETIME_SECONDS:
                return self._value
            try:
                return self._fetch_now()
            except AppError:
                if self._value is None:
                    raise
                self._fetched_at = self._clock() - LIFETIME_SECONDS + REFRESH_SECONDS  # try again in a minute
                return self._value

    def refreshed(self, outdated: V) -> V:
        """A newer document than `outdated`, or the same when the provider was asked in the last minute already."""
        with self._lock:
            if self._value is not None and self._value is not outdated:
                return self._value
            if self._clock() - self._asked_at < REFRESH_SECONDS:
                return outdated
            self._asked_at = self._clock()
            return self._fetch_now()

    def _fetch_now(self) -> V:
        if self._failure is not None and self._clock() - self._failed_at < FAILURE_SECONDS:
            # A new object: a raised one collects the tracebacks of all that raise it.
            raise _again(self._failure)
        try:
            value = self._fetch()
        except AppError as failure:
            self._failure, self._failed_at = failure, self._clock()
            raise
        self._value, self._fetched_at, self._failure = value, self._clock(), None
        return value


def _again(failure: AppError) -> AppError:
    from copy import copy

    return copy(failure).with_traceback(None)
