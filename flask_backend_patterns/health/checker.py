"""Runs the checks of dependencies: in parallel, each with a timeout, the result used again for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .._contribution import EventLog, HealthCheck

PASS, WARN, FAIL = "pass", "warn", "fail"  # the words of draft-inadarei-api-health-check
TIMED_OUT = "timed out"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """How one check went; `reason` is a class name or a stock sentence, `cause` the driver's words, for the log only."""

    name: str
    status: str
    duration_ms: float
    time: str
    reason: str | None = None
    cause: str | None = None
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """The worst status, and every check."""

    status: str
    results: tuple[CheckResult, ...]


class HealthChecker:
    """Runs `checks`; of two with one name the later counts. Thread-safe: who comes during a run shares its report.

    A check that hangs keeps its one thread, is not started again before it ends, and is waited for only once.
    """

    def __init__(
        self,
        checks: Callable[[], Sequence[HealthCheck]],
        *,
        timeout_seconds: float,
        cache_seconds: float,
        context: Callable[[], AbstractContextManager[Any]],
        log: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_checks = checks
        self._checks: Sequence[HealthCheck] | None = None
        self._timeout = timeout_seconds
        self._cache_seconds = cache_seconds
        self._context = context
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._shared: Future[Report] | None = None
        self._runs: dict[str, _Run] = {}
        self._last: tuple[float, Report] | None = None

    def report(self) -> Report:
        """The current state, at most `cache_seconds` old, or that of a run under way."""
        with self._lock:
            if self._last is not None and self._clock() - self._last[0] < self._cache_seconds:
                return self._last[1]
            shared, runs_it = self._shared, self._shared is None
            if shared is None:
                shared = self._shared = Future()
        if runs_it:
            self._run_for_all(shared)
        return shared.result()

    def _run_for_all(self, shared: Future[Report]) -> None:
        try:
            report = self._run()
            self._log_changes(report)
        except BaseException as error:
            with self._lock:
                self._shared = None
            shared.set_exception(error)
            raise
        with self._lock:
            self._last = (self._clock(), report)
            self._shared = None
        shared.set_result(report)

    def _run(self) -> Report:
        if self._checks is None:
            self._checks = tuple({check.name: check for check in self._find_checks()}.values())
        runs = [self._current_run(check) for check in self._checks]
        results = tuple(run.result(self._timeout) for run in runs)
        statuses = {result.status for result in results}
        worst = next((status for status in (FAIL, WARN) if status in statuses), PASS)
        return Report(status=worst, results=results)

    def _current_run(self, check: HealthCheck) -> _Run:
        """A new run, or the last one while it hangs."""
        run = self._runs.get(check.name)
        if run is None or run.is_done:
            run = _Run(check, self._context)
            run.start()
            self._runs[check.name] = run
        return run

    def _log_changes(self, report: Report) -> None:
        before = {result.name: result.status for result in self._last[1].results} if self._last else {}
        for result in report.results:
            was_down = before.get(result.name, PASS) != PASS
            if result.status != PASS and not was_down:
                self._log.warning(
                    "dependency.down", name=result.name, reason=result.reason, cause=result.cause
                )
            elif result.status == PASS and was_down:
                self._log.info("dependency.up", name=result.name)


class _Run:
    """One run of one check, in a thread that does not keep the process alive."""

    def __init__(self, check: HealthCheck, context: Callable[[], AbstractContextManager[Any]]) -> None:
        self._check = check
        self._context = context
        self._done = threading.Event()
        self._started = time.monotonic()
        self._ended = self._started
        self._error: BaseException | None = None
        self._answer: Any = None

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"health-{self._check.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            with self._context():
                self._answer = self._check.run()
        except BaseException as error:  # noqa: BLE001 - whatever it is (SystemExit too), the dependency is unfit
            self._error = error
        finally:
            self._ended = time.monotonic()
            self._done.set()

    def result(self, timeout_seconds: float) -> CheckResult:
        """Waits until `timeout_seconds` after the start, which may be over."""
        if not self._done.wait(max(0.0, self._started + timeout_seconds - time.monotonic())):
            return self._result(TIMED_OUT, ended=time.monotonic())
        if self._error is not None:
            return self._result(type(self._error).__name__, cause=str(self._error), ended=self._ended)
        if self._answer is False:
            return self._result("answered False", ended=self._ended)
        return self._result(None, ended=self._ended)

    def _result(self, reason: str | None, *, ended: float, cause: str | None = None) -> CheckResult:
        failed = FAIL if self._check.critical else WARN
        return CheckResult(
            name=self._check.name,
            status=PASS if reason is None else failed,
            duration_ms=round((ended - self._started) * 1000, 1),
            time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            reason=reason,
            cause=cause,
            facts=self._answer if isinstance(self._answer, Mapping) else None,
        )
