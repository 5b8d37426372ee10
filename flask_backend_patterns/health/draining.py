"""Graceful shutdown: not ready for a while, still serving, then stop."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from types import FrameType

    from .._contribution import EventLog

# A SIGTERM this soon after the first is the same wish: systemd and `kill` of a process group tell the workers, and then
# the server's master, told as well, tells them again.
SAME_WISH_SECONDS = 1.0

OUTSIDE_MAIN_THREAD = "init_app ran outside the main thread, where Python allows no signal handlers"
NOT_PYTHONS = "SIGTERM is ignored, or handled by a server that is not written in Python"
REPLACED = "the server has set its own SIGTERM handler after loading the app"
CURE = "use BACKEND_HEALTH_DRAIN_FILE, or call flask_backend_patterns.health.take_sigterm(app) once the server is up"


class Draining:
    """Whether this process is on its way out; one for each app, chained where a process has several."""

    def __init__(
        self,
        *,
        seconds: float,
        file: str | None,
        log: EventLog,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._file = file
        self._log = log
        self._sleep = sleep
        self._clock = clock
        self._began_at: float | None = None
        self._is_over = False
        self._previous: Any = None
        self._is_installed = False
        self._has_file = False
        self._has_complained = False

    def is_draining(self) -> bool:
        """True from SIGTERM on, and while the drain file exists; says so in the log when the file appears."""
        if self._began_at is not None:
            return True
        if self._file is None:
            return False
        has_file = os.path.exists(self._file)  # noqa: PTH110 - False rather than an error where it may not be read
        if has_file and not self._has_file:
            self._log.info("server.draining", file=self._file)
        self._has_file = has_file
        return has_file

    def install(self, undo: ExitStack) -> None:
        """Take SIGTERM over when the app is made; only where drain seconds are set.

        That is right for servers that set their handler before they load the app: gunicorn, waitress, Flask's own.
        See `keep_sigterm` for the others.
        """
        if self._seconds and self.take_sigterm():
            undo.callback(signal.signal, signal.SIGTERM, self._previous)

    def take_sigterm(self) -> bool:
        """Stand in front of the present SIGTERM handler; False, with a log event, where that is impossible.

        Does nothing when it stands there already. For a server's hook after start, such as gunicorn's
        `post_worker_init`, where the app is loaded before the server sets its handler (`--preload`).
        """
        if threading.current_thread() is not threading.main_thread():
            return self._complain(OUTSIDE_MAIN_THREAD)
        present = signal.getsignal(signal.SIGTERM)
        if present in (None, signal.SIG_IGN):
            return self._complain(NOT_PYTHONS)
        if self not in _chain(present):
            self._previous = present
            signal.signal(signal.SIGTERM, self._on_sigterm)
            signal.siginterrupt(signal.SIGTERM, False)  # noqa: FBT003 - system calls of requests go on, as in gunicorn
        self._is_installed = True
        return True

    def keep_sigterm(self) -> None:
        """Notice that the server took SIGTERM back, and take it again where possible (in the main thread), else say so.

        Asked with each readiness request, so it costs a look at the handler only.
        """
        if not self._seconds or self._has_complained or not self._is_installed:
            return
        if self in _chain(signal.getsignal(signal.SIGTERM)):
            return
        if threading.current_thread() is not threading.main_thread():
            self._complain(REPLACED)
            return
        self.take_sigterm()

    def _complain(self, reason: str) -> bool:
        self._has_complained = True
        if self._file is None:
            self._log.warning("drain_unavailable", reason=reason, cure=CURE)
        return False

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        """Runs between two steps of the main thread, so it takes no lock: no log line, no `threading.Thread`."""
        now = self._clock()
        if self._began_at is None:
            longest = 0.0
            for draining in _chain(
                self._on_sigterm
            ):  # all apps of the process at once, not one after the other
                draining._began_at = now  # noqa: SLF001 - its own class
                longest = max(longest, draining._seconds)  # noqa: SLF001
            try:
                _thread.start_new_thread(self._drain, (longest,))
            except RuntimeError:  # no thread to be had: nobody would end the drain time
                self._pass_on(signum, frame)
        elif self._is_over or now - self._began_at >= SAME_WISH_SECONDS:
            self._pass_on(signum, frame)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        *_, innermost = _chain(self._on_sigterm)
        previous = innermost._previous  # noqa: SLF001 - its own class
        if callable(previous):
            previous(signum, frame)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def _drain(self, seconds: float) -> None:
        """In a thread of its own: after the wait, a SIGTERM that is passed on to the server."""
        self._log.info("server.draining", seconds=seconds)
        # Not written where the previous handler is the system's, which ends the process at once.
        atexit.register(self._log.info, "server.stopped")
        self._sleep(seconds)
        self._is_over = True
        os.kill(os.getpid(), signal.SIGTERM)


def _chain(handler: Any) -> Iterator[Draining]:
    """The `Draining`s that follow each other from `handler` on, outermost first."""
    draining = getattr(handler, "__self__", None)
    while isinstance(draining, Draining):
        yield draining
        draining = getattr(draining._previous, "__self__", None)  # noqa: SLF001 - its own class
