"""Many values one after the other: for stores whose steps cost no trip, or have none for many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..protocols import Asked, Begun, Lease, Loaded, Wanted


class OneByOne(ABC):
    """`begin_many` and `finish_many` of a `ValueStore` by its `begin` and `finish`."""

    @abstractmethod
    def begin(self, wanted: Wanted, *, owner: str, lease_seconds: float, is_refresh: bool = False) -> Begun:
        """See `ValueStore`."""

    @abstractmethod
    def finish(self, lease: Lease, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> bool:
        """See `ValueStore`."""

    def begin_many(self, asked: Sequence[Asked], *, lease_seconds: float) -> list[Begun]:
        """See `ValueStore`."""
        return [
            self.begin(one.wanted, owner=one.owner, lease_seconds=lease_seconds, is_refresh=one.is_refresh)
            for one in asked
        ]

    def finish_many(self, loaded: Sequence[Loaded]) -> list[bool]:
        """See `ValueStore`."""
        return [
            self.finish(
                one.lease, one.payload, fresh_seconds=one.fresh_seconds, kept_seconds=one.kept_seconds
            )
            for one in loaded
        ]
