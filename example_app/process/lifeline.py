"""Processes that do not outlive their parent. Standard library only: it is also run as a script, see `leashed`.

Linux tells a process of its parent's death by a signal it has asked for (`prctl(2)`, PR_SET_PDEATHSIG); elsewhere
these functions do nothing and an orderly stop is the only one that leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_ARGUMENTS_BEFORE_COMMAND = 3


def die_with_parent(death_signal: int = signal.SIGKILL) -> None:
    """Ask for `death_signal` when the parent dies. Survives `exec`, is not inherited by children."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def leashed(command: list[str], *, death_signal: int = signal.SIGKILL) -> list[str]:
    """`command`, preceded by a start of this file that sets the leash in the new process and becomes `command`."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *command]


def _main() -> None:
    parent, death_signal = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(death_signal)
    if os.getppid() != parent:
        # The parent died before the leash was on.
        sys.exit(1)
    command = sys.argv[_ARGUMENTS_BEFORE_COMMAND:]
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    _main()
