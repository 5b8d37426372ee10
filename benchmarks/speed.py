"""How fast this machine is now: budgets in microseconds are for the machine on which they were set."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from werkzeug.test import create_environ

from .apps import bare
from .in_process import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BARE_US = 46.0  # a request of bare Flask in process, there (PERFORMANCE.md)


def bare_request() -> Callable[[], object]:
    """Makes one request of bare Flask: to be measured in turns with what has a budget."""
    app, environ = bare(), create_environ("/ping")
    return lambda: cpu_seconds(app, environ, 1)


def slowness(bare_us: Sequence[float]) -> float:
    """How many times as long things take here, by the figures of `bare_request`; 1 on a faster machine, too."""
    return max(1.0, median(bare_us) / BARE_US)


def told(factor: float) -> str:
    """What a table says of it."""
    return (
        f"  budgets in us are those of a machine where bare Flask takes {BARE_US:.0f} us, times {factor:.2f}"
    )
