"""Starts the processes in order, watches them, stops them in order.

::

    Redis -> prepare (migrations, seed) -> web server, worker -> ready -> ... -> drain -> web -> worker -> Redis

The first SIGINT or SIGTERM stops in order, the second at once. A child that ends by itself stops the rest.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from example_app.process import commands, probes
from example_app.process.child import Child, say
from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from example_app.process.settings import RunSettings

_TICK_SECONDS = 0.05
# SIGHUP: the terminal was closed.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ROOT = Path(__file__).parent.parent.parent


class StopRequested(Exception):  # noqa: N818 - not an error: somebody wants the shop to end
    """A signal came."""


class ChildFailed(Exception):  # noqa: N818 - the failure is the child's
    """A child ended, or never became ready."""

    def __init__(self, child: Child, what: str) -> None:
        super().__init__(f"{child.name} {what}")
        self.child = child


class Supervisor:
    """Runs the shop until a signal or a crash."""

    def __init__(self, settings: RunSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = {
            **environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [environ.get("PYTHONPATH"), str(_ROOT)])),
            "SHOP_INSTANCE": str(settings.instance),
            "SHOP_DRAIN_FILE": str(settings.drain_file),
            # The children write to pipes and cannot see that a person is reading.
            "SHOP_LOG_FORMAT": environ.get("SHOP_LOG_FORMAT", "console" if sys.stdout.isatty() else "auto"),
        }
        self._running: list[Child] = []
        self._signals = 0

    def run(self) -> int:
        """Run; returns the exit code: 0 after a signal, 1 after a crash."""
        handlers = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        self._settings.drain_file.unlink(missing_ok=True)
        try:
            return self._run()
        finally:
            self._kill_all()
            self._settings.drain_file.unlink(missing_ok=True)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        try:
            self._start()
            self._watch_until(lambda: False)
        except StopRequested:
            say("Stopping: finishing what is under way (Ctrl-C again to stop at once) ...")
            self._stop(drain=True)
            say("Stopped.")
            return 0
        except ChildFailed as failure:
            failure.child.finish_output()
            say(f"{failure}; stopping the rest. Its last lines:")
            for line in failure.child.last_lines:
                say(f"    {line}")
            self._stop(drain=False)
            return 1
        return 0

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._signals += 1

    def _start(self) -> None:
        settings = self._settings
        if settings.redis_url is None:
            self._start_redis()
        self._prepare()
        web = self._spawn("web", commands.web(settings))
        self._spawn("worker", commands.worker())
        self._watch_until(
            lambda: probes.web_is_ready(settings.port), waiting_for=web, seconds=settings.start_seconds
        )
        say(_welcome(settings))

    def _start_redis(self) -> None:
        folder = self._settings.instance / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        port, password = commands.free_port(), commands.new_password()
        configuration = commands.redis_configuration(port=port, password=password, folder=folder)
        # SIGTERM, not SIGKILL, when we die: Redis then writes what it has and ends at once.
        redis = self._spawn(
            "redis", commands.redis(), stdin=configuration, death_signal=signal.SIGTERM, quiet=True
        )
        self._watch_until(
            lambda: probes.redis_answers(port, password),
            waiting_for=redis,
            seconds=self._settings.start_seconds,
        )
        self._environ["BACKEND_REDIS_URL"] = commands.redis_url(port=port, password=password)

    def _prepare(self) -> None:
        child = self._spawn("setup", commands.prepare())
        self._watch_until(lambda: child.exit_code == 0, ending=child)
        child.finish_output()
        self._running.remove(child)

    def _spawn(
        self,
        name: str,
        command: list[str],
        *,
        stdin: str | None = None,
        death_signal: int = signal.SIGKILL,
        quiet: bool = False,
    ) -> Child:
        child = Child(
            name, command, environ=self._environ, stdin=stdin, death_signal=death_signal, quiet=quiet
        )
        self._running.append(child)
        return child

    def _watch_until(
        self,
        done: Callable[[], bool],
        *,
        waiting_for: Child | None = None,
        ending: Child | None = None,
        seconds: float = float("inf"),
    ) -> None:
        """Wait for `done`. A signal, any child's end (but that of `ending`, with 0) or the time limit ends it."""
        deadline = time.monotonic() + seconds
        while True:
            if self._signals:
                raise StopRequested
            for child in self._running:
                code = child.exit_code
                if code is not None and (child is not ending or code != 0):
                    raise ChildFailed(child, f"ended unexpectedly ({describe_exit(code)})")
            if done():
                return
            if waiting_for is not None and time.monotonic() > deadline:
                raise ChildFailed(waiting_for, f"was not ready within {seconds:g} s")
            time.sleep(_TICK_SECONDS)

    def _stop(self, *, drain: bool) -> None:
        """Web server first, so that nothing new comes in; then the worker; then what both need."""
        if drain and any(child.name == "web" for child in self._running):
            self._settings.drain_file.touch()
            self._wait(self._settings.drain_seconds, lambda: False)
        order = {"web": 0, "worker": 1, "setup": 1, "redis": 2}
        for child in sorted(self._running, key=lambda child: order[child.name]):
            child.terminate()
            if not self._wait(self._settings.grace_seconds, child.has_ended):
                say(f"{child.name} did not end in time and is killed.")
            child.kill()
            child.finish_output()
        self._running.clear()

    def _wait(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Wait for `done` for some seconds, or until the second signal; returns whether it is done."""
        deadline = time.monotonic() + seconds
        while not done():
            if self._signals > 1 or time.monotonic() > deadline:
                return False
            time.sleep(_TICK_SECONDS)
        return True

    def _kill_all(self) -> None:
        for child in self._running:
            child.kill()
        self._running.clear()


def describe_exit(code: int) -> str:
    """`exit code 3`, or the name of the signal."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _welcome(settings: RunSettings) -> str:
    logins = "\n".join(f"    {user.email:<24} {user.may}" for user in DEMO_USERS)
    return (
        f"\nThe shop is open: http://127.0.0.1:{settings.port}/\n"
        f"Demo logins (password {DEMO_PASSWORD}):\n{logins}\n"
        f"Mails are written to {settings.instance / 'mail'}. Ctrl-C stops everything.\n"
    )
