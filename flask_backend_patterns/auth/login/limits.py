"""What the login routes say about their limits, for the document and the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from ...declarations import Declaration, Phase
from ...guard import declare

View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True, kw_only=True)
class LimitsFailures(Declaration):
    """The view itself counts attempts by `Failures`: nothing is left to enforce around it."""

    phase: ClassVar[Phase] = Phase.ADDRESS_LIMIT
    statuses: ClassVar[tuple[int, ...]] = (429,)
    required: ClassVar[bool] = False

    counts: str

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `limit`."""
        del method
        return {"limit": self.counts}


def limits_failures(counts: str = "failures, by address") -> Callable[[View], View]:
    """The decorator for `LimitsFailures`."""
    return declare(LimitsFailures(counts=counts))
