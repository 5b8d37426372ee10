"""The thread that looks whether something that was lost is back."""

from __future__ import annotations

import threading
import time
from typing import Protocol
from weakref import ref

from ._chance import CHANCE

FIRST_LOOK = 0.2  # of the seconds between two looks: what fails for a moment on a busy machine is soon back


class Lost(Protocol):
    """Something that is away."""

    def look(self) -> bool:
        """Whether it is back, so that nobody has to look any more. Must not raise."""


class RecoveryProbe(threading.Thread):
    """Asks `lost` until it is back, about every `seconds`; holds it weakly, and ends when nobody else has it."""

    def __init__(self, lost: Lost, *, seconds: float) -> None:
        super().__init__(name="recovery-probe", daemon=True)
        self._lost = ref(lost)
        self._seconds = seconds

    def run(self) -> None:
        """Look, again and again."""
        delay = self._seconds * FIRST_LOOK
        while True:
            time.sleep(delay * CHANCE.uniform(0.8, 1.2))  # spreads the processes
            lost = self._lost()
            if lost is None or _is_back(lost):
                return
            del lost
            delay = self._seconds


def _is_back(lost: Lost) -> bool:
    """What it says; what it raises all the same (a log that cannot write, a listener's `sys.exit`) ends no probe."""
    try:
        return lost.look()
    except BaseException:  # noqa: BLE001 - without a probe it would be away for ever
        return False
