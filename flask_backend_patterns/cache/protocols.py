"""What the cache needs of a store. Implementations stand in `backends/`, held to one contract suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A value to be read: its key, and the names of its tags (any text; the store makes its own keys of them)."""

    key: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A value as it was put. `fresh_until` is seconds since the epoch; until the store forgets it, it is stale."""

    payload: bytes
    fresh_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to store what is being loaded. `versions` are those of the tags from before the load (PITFALLS C7)."""

    wanted: Wanted
    owner: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a caller that wants to load learns: the value, if there is one meanwhile, and a lease, if nobody has it."""

    stored: Stored | None
    lease: Lease | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A value that somebody wants to load; `is_refresh` when there is a stale one, or it is to be passed over."""

    wanted: Wanted
    owner: str
    is_refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A value that was loaded under a lease."""

    lease: Lease
    payload: bytes
    fresh_seconds: float
    kept_seconds: float


class ValueStore(Protocol):
    """Values by key, each with tags; a value counts only while its tags have the versions it was loaded under.

    Everything raises `CacheError` when the store fails. Thread-safe. `name` is shown to people. `reaches_near_caches`
    says whether `write` and `invalidate` are heard by the near caches of every process that uses the store, through the
    feed of the app; where it is False, values may not be kept near. `is_shared` says whether its values outlive the
    process, and others see them. `is_away` costs nothing: whether the last that was heard of the store is that it does
    not answer.
    """

    name: str
    is_shared: bool
    reaches_near_caches: bool

    @property
    def is_away(self) -> bool:
        """See above; always False for a store that cannot tell."""

    def read(self, wanted: Sequence[Wanted]) -> list[Stored | None]:
        """The values, in order, in one round trip; None for what is not there or is older than its tags."""

    def begin(self, wanted: Wanted, *, owner: str, lease_seconds: float, is_refresh: bool = False) -> Begun:
        """Ask for the right to load; `is_refresh` when there is a stale value already, or it is to be passed over.

        One step: reads the tags' versions (making those that are missing), and takes the lease when nobody holds it.
        `stored` is given when the value came meanwhile; a lease is never given with a value unless `is_refresh`.
        """

    def finish(self, lease: Lease, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> bool:
        """Store what was loaded and end the lease; False, storing nothing, when the lease or a tag's version is lost."""

    def begin_many(self, asked: Sequence[Asked], *, lease_seconds: float) -> list[Begun]:
        """`begin` of each, in order; in one round trip where the store can."""

    def finish_many(self, loaded: Sequence[Loaded]) -> list[bool]:
        """`finish` of each, in order; in one round trip where the store can."""

    def release(self, *leases: Lease) -> None:
        """End leases without a value; nothing happens to those that are somebody else's by now."""

    def renew(self, leases: Sequence[Lease], *, lease_seconds: float) -> None:
        """Go on holding leases that are still ours."""

    def write(self, wanted: Wanted, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> None:
        """Put a value that is known to be current (write-through); breaks the lease of whoever is loading it."""

    def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        prefix: str | None = None,
        hold_seconds: float = 0.0,
    ) -> int:
        """Forget values, and break the leases of those who are loading them; how many keys were there (tags count none).

        With `hold_seconds` nothing is stored under `keys` and `tags` for so long, or until they are invalidated again:
        they are about to change, and what is loaded meanwhile may be old. That changes nothing for a prefix.

        With Redis one step that also tells all near caches. `prefix` is the beginning of a key, not empty (PITFALLS R4);
        a store that cannot list its keys raises `SetupError` for it.
        """

    def stats(self) -> Mapping[str, Any]:
        """Facts for people: entries, bytes, evictions, as far as the store knows them."""
