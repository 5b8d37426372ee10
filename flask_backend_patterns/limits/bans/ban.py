"""What is known of a ban."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """`network` is an address, or the /64 of one; `reason` is `refusals`, `path` and which, or `by hand`."""

    network: str
    seconds: float
    reason: str
