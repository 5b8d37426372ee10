"""One child process: its output read line by line, its end noticed, its whole group stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from example_app.process.lifeline import leashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAST_LINES = 20
_PREFIX_WIDTH = 6

_print_lock = threading.Lock()


def say(text: str) -> None:
    """Print a line at once. A reader that has gone away does not matter: the processes still have to be stopped."""
    with _print_lock:
        try:
            print(text, flush=True)
        except OSError:
            # Else the interpreter would try to flush the rest at its exit, and fail.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the process' life


class Child:
    """A running process in a process group of its own, so that Ctrl-C reaches the supervisor only.

    It dies with the supervisor by `death_signal` (Linux), even when that is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        stdin: str | None = None,
        death_signal: int = signal.SIGKILL,
        quiet: bool = False,
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._quiet = quiet
        self._process = subprocess.Popen(  # noqa: S603 - commands are ours
            leashed(list(command), death_signal=death_signal),
            env=dict(environ),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        if stdin is not None and self._process.stdin is not None:
            # A process that has ended already is noticed by who watches it.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(stdin)
                self._process.stdin.close()
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def exit_code(self) -> int | None:
        """How it ended: its status, or minus the signal that killed it; None while it runs."""
        return self._process.poll()

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self.exit_code is not None

    def terminate(self) -> None:
        """Ask it to finish its work and end. Its own children hear of it from itself."""
        if self.exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and everything in its group now."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            # macOS says this of a group of which only zombies are left.
            self._process.kill()
        self._process.wait()

    def finish_output(self) -> None:
        """Wait a moment for its last lines."""
        self._reader.join(timeout=1.0)

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            text = line.rstrip("\n")
            self.last_lines.append(text)
            if not self._quiet:
                say(f"{self.name:<{_PREFIX_WIDTH}}| {text}")
