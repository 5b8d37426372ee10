"""The checker alone: its checks are functions, its clock is a number, its log is a list."""

import contextlib
import threading
import time

import pytest

from flask_backend_patterns._contribution import HealthCheck
from flask_backend_patterns.health.checker import HealthChecker

DEADLINE_SECONDS = 60


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields.get("name")))

    warning = error = info


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def checker_of(*checks, timeout_seconds=DEADLINE_SECONDS, cache_seconds=1.0, **kwargs):
    checks = [
        check if isinstance(check, HealthCheck) else HealthCheck(name=f"check{number}", run=check)
        for number, check in enumerate(checks)
    ]
    kwargs.setdefault("log", Log())
    return HealthChecker(
        lambda: checks,
        timeout_seconds=timeout_seconds,
        cache_seconds=cache_seconds,
        context=contextlib.nullcontext,
        **kwargs,
    )


def raising(error):
    def run():
        raise error

    return run


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_checks_run_in_parallel():
    """Five checks that each wait for the other four all pass: they run at the same time."""
    together = threading.Barrier(5)

    def meet_the_others():
        together.wait(DEADLINE_SECONDS)

    report = checker_of(*[meet_the_others] * 5).report()
    assert [result.status for result in report.results] == ["pass"] * 5


def test_five_slow_checks_take_as_long_as_one():
    """Five checks that take 0.5 s each are answered in less than the 2.5 s of all, and in no less than 0.5 s."""
    never = threading.Event()
    started = time.monotonic()
    report = checker_of(*[lambda: never.wait(0.5) and None] * 5).report()
    assert 0.5 <= time.monotonic() - started < 2.4
    assert {result.reason for result in report.results} == {"answered False"}


@pytest.mark.parametrize(
    ("run", "critical", "status", "reason"),
    [
        (lambda: None, True, "pass", None),
        (lambda: {"connections": 3}, True, "pass", None),
        (lambda: True, True, "pass", None),
        (lambda: False, True, "fail", "answered False"),
        (lambda: False, False, "warn", "answered False"),
        (raising(OSError("postgres://user:pw@db")), True, "fail", "OSError"),
        (raising(OSError("x")), False, "warn", "OSError"),
        (raising(SystemExit(0)), True, "fail", "SystemExit"),
        (raising(KeyboardInterrupt()), True, "fail", "KeyboardInterrupt"),
    ],
)
def test_a_check_passes_unless_it_raises_or_answers_false(run, critical, status, reason):
    """Whatever a check raises makes it unfit, with the class's name alone; the report has the worst status."""
    report = checker_of(lambda: None, HealthCheck(name="one", run=run, critical=critical)).report()
    assert (report.status, report.results[1].status, report.results[1].reason) == (status, status, reason)


def test_fail_outranks_warn():
    """The report is as bad as its worst check, in any order."""
    checks = [
        HealthCheck(name=str(number), run=run, critical=critical)
        for number, (run, critical) in enumerate(
            [(lambda: False, True), (lambda: None, True), (lambda: False, False)]
        )
    ]
    assert checker_of(*checks).report().status == "fail"
    assert checker_of(*reversed(checks)).report().status == "fail"


@pytest.mark.parametrize(("seconds_later", "runs"), [(0.0, 1), (0.999, 1), (1.0, 2), (60.0, 2)])
def test_a_report_is_used_again_for_a_second(seconds_later, runs):
    """Within `cache_seconds` the same report is given, after that there is a new one."""
    clock, calls = Clock(), []
    checker = checker_of(lambda: calls.append(1), clock=clock)
    checker.report()
    clock.now += seconds_later
    checker.report()
    assert len(calls) == runs


@pytest.mark.parametrize("cache_seconds", [0, 1.0])
def test_concurrent_callers_share_one_run(cache_seconds):
    """32 threads that ask while the checks run cause exactly one run, cached or not, and get the same report."""
    release, calls, reports = threading.Event(), [], []

    def check():
        calls.append(1)
        release.wait(DEADLINE_SECONDS)

    checker = checker_of(check, cache_seconds=cache_seconds, clock=Clock())
    threads = [threading.Thread(target=lambda: reports.append(checker.report())) for _ in range(32)]
    for thread in threads:
        thread.start()
    # all but the one that runs the checks wait for it
    wait_until(lambda: checker._shared is not None and len(checker._shared._condition._waiters) == 31)
    release.set()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    assert len(calls) == 1
    assert len(reports) == 32
    assert len({id(report) for report in reports}) == 1


def test_a_hung_check_keeps_one_thread_and_is_waited_for_once():
    """However often it is asked, a check that hangs is not started again; when it ends, it is asked anew and passes."""
    release, calls = threading.Event(), []

    def hang():
        calls.append(threading.current_thread())
        release.wait(DEADLINE_SECONDS)

    checker = checker_of(HealthCheck(name="stuck", run=hang), timeout_seconds=0.5, cache_seconds=0)
    assert checker.report().results[0].reason == "timed out"
    started = time.monotonic()
    for _ in range(50):
        report = checker.report()
        assert (report.status, report.results[0].reason) == ("fail", "timed out")
    assert time.monotonic() - started < 20, "each of them waited for the timeout again"
    assert len(calls) == 1
    assert [thread.name for thread in threading.enumerate()].count("health-stuck") == 1
    release.set()
    calls[0].join(DEADLINE_SECONDS)
    assert checker.report().status == "pass"
    assert len(calls) == 2


def test_a_hung_check_does_not_hold_up_the_others():
    """The others are reported as they are when one has run out of time."""
    release = threading.Event()
    checker = checker_of(
        lambda: release.wait(DEADLINE_SECONDS) and None, lambda: {"size": 1}, timeout_seconds=0.05
    )
    report = checker.report()
    release.set()
    assert [result.status for result in report.results] == ["fail", "pass"]
    assert report.results[1].facts == {"size": 1}


def test_each_change_is_logged_once():
    """`dependency.down` when it goes, `dependency.up` when it is back, nothing in between (PITFALLS R9)."""
    log, state = Log(), {"error": None}

    def check():
        if state["error"]:
            raise state["error"]

    checker = checker_of(HealthCheck(name="db", run=check), cache_seconds=0, log=log)
    for error in [None, None, OSError(), OSError(), ValueError(), None, None, OSError()]:
        state["error"] = error
        checker.report()
    assert log.events == [("dependency.down", "db"), ("dependency.up", "db"), ("dependency.down", "db")]


def test_a_dependency_that_is_down_at_the_start_is_logged():
    """The first report counts as a change when something is wrong, and is silent when nothing is."""
    log = Log()
    checker_of(
        HealthCheck(name="db", run=raising(OSError())), HealthCheck(name="cache", run=dict), log=log
    ).report()
    assert log.events == [("dependency.down", "db")]


def test_the_later_check_of_a_name_counts():
    """A user's check named like one of ours takes its place."""
    checks = [
        HealthCheck(name="database", run=raising(OSError())),
        HealthCheck(name="database", run=lambda: {"mine": True}),
    ]
    report = checker_of(*checks).report()
    assert [(result.status, result.facts) for result in report.results] == [("pass", {"mine": True})]


def test_what_the_search_for_checks_raises_is_raised_and_not_kept():
    """A mistake in the set-up is seen by whoever asks, and the next one tries again."""
    answers = iter([LookupError("two databases"), ()])

    def find():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    checker = HealthChecker(
        find, timeout_seconds=1, cache_seconds=1, context=contextlib.nullcontext, log=Log()
    )
    with pytest.raises(LookupError):
        checker.report()
    assert checker.report().status == "pass"


def test_a_context_that_fails_is_a_failed_check():
    """What the app's teardown raises in the check's own context (PITFALLS R7) makes it unfit, and nothing else."""

    @contextlib.contextmanager
    def context():
        yield
        raise OSError

    checks = [HealthCheck(name="db", run=dict)]
    checker = HealthChecker(
        lambda: checks, timeout_seconds=DEADLINE_SECONDS, cache_seconds=1, context=context, log=Log()
    )
    assert checker.report().results[0].reason == "OSError"
