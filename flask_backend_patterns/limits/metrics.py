"""Counts decisions by policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME: Final = "backend_rate_limit_decisions_total"
MEANING: Final = "Decisions of rate limits; fallback: let through by the counts of this process alone, since Redis was away."


class Count(Protocol):
    """A counter with its labels."""

    def inc(self) -> None:
        """One more."""


class Metrics(Protocol):
    """Where counters are made (`observability.Metrics`)."""

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> object:
        """A counter of prometheus-client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What adds one to each kind of decision of a policy."""

    allowed: Callable[[], object]
    refused: Callable[[], object]
    fallback: Callable[[], object]


def _ignore() -> None:
    """Nobody scrapes."""


UNCOUNTED: Final = Decisions(allowed=_ignore, refused=_ignore, fallback=_ignore)
