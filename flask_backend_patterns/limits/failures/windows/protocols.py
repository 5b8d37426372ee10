"""What a store of failure windows does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..waits import Waits

HELD_SECONDS = 60  # a place not given back after this long belonged to a process that has died
BUSY_SECONDS = 1.0  # when all places that are left are held, one of them is probably free after this long
KNOWN_SECONDS = 30 * 86_400  # how long an address that has logged in stays known to the account
MAX_KNOWN = 100  # addresses known to one account; the one unused for longest leaves first


class Verdict(StrEnum):
    """How an attempt ended."""

    FAILED = "failed"
    SUCCEEDED = "succeeded"
    NONE = "none"  # nothing was found out


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most `amount` in any `seconds`."""

    amount: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What is counted together: the failures of one address, or those on one account.

    `key` is a hash. `other` is the hash of the other side: the account that an address tried, or the address that
    tried the account. An account's bucket (`has_known`) lets addresses pass that have logged in to it before. Each
    `kind` of attempts is counted apart; the known addresses of a `key` are those of all its kinds. `waits` are those of
    `other` on this account, for buckets that have known addresses.
    """

    key: str
    other: str
    rates: tuple[Rate, ...]
    has_known: bool = False
    kind: str = ""
    waits: Waits | None = None

    @property
    def counted_as(self) -> str:
        """The name of the count."""
        return f"{self.key}:{self.kind}" if self.kind else self.key

    @property
    def longest_seconds(self) -> int:
        """After this long nothing in it matters."""
        longest_wait = 0 if self.waits is None else math.ceil(self.waits.longest_seconds)
        return max(longest_wait, *(rate.seconds for rate in self.rates))


class FailureWindows(Protocol):
    """Counts failures, and attempts that are being looked at, since each of them may become one. Thread-safe."""

    def reserve(self, bucket: Bucket, attempt: str) -> float:
        """Hold a place and return 0.0; or hold none and return in how many seconds there is one, and no wait any more."""

    def settle(self, bucket: Bucket, attempt: str, verdict: Verdict) -> None:
        """Give the place up: for a failure, which counts from now on, or for nothing.

        A success forgets the failures that both sides of `bucket` share, and where it `has_known` the account knows
        the address from now on.
        """

    def forget_known(self, bucket: Bucket) -> None:
        """The account of `bucket` knows no address any more."""
