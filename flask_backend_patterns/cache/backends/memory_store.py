"""Cached values in this process: what an app has without Redis and without a `Cache` of its own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ..._after_fork import reset_in_children
from ..names import require_prefix
from ..protocols import Begun, Lease, Stored
from .one_by_one import OneByOne

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..protocols import Wanted

MAX_ENTRIES, MAX_BYTES = 100_000, 64 * 1024 * 1024
_ENTRY_BYTES: Final = 400  # what an entry takes beside its payload and key, roughly
_LEASES_BEFORE_CLEANING: Final = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    stored: Stored
    versions: tuple[str, ...]
    kept_until: float  # by the monotonic clock


@dataclass(frozen=True, slots=True)
class _Holding:
    owner: str
    versions: tuple[str, ...]
    until: float


class MemoryStore(OneByOne):
    """The `ValueStore` of one process, bounded by entries and bytes: the least recently used one goes first. Thread-safe.

    One lock makes each step atomic. It never raises `CacheError`. Other processes see nothing of it, so their values
    stay until their time is over: several processes need Redis. `clock` gives seconds since the epoch, `monotonic` what
    lives are measured by.
    """

    name = "memory"
    is_shared = False
    is_away = False
    reaches_near_caches = True  # those of this process, which the caller tells itself

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._evictions = 0
        self._versions: OrderedDict[str, str] = (
            OrderedDict()
        )  # of tags; a forgotten one makes its values misses
        self._leases: dict[str, _Holding] = {}
        self._numbers = count(1)  # a version is never given twice
        self._lock = threading.RLock()  # reentrant: a finalizer may run anywhere
        reset_in_children(self)

    def read(self, wanted: Sequence[Wanted]) -> list[Stored | None]:
        """See `ValueStore`."""
        with self._lock:
            return [self._find(one) for one in wanted]

    def begin(self, wanted: Wanted, *, owner: str, lease_seconds: float, is_refresh: bool = False) -> Begun:
        """See `ValueStore`."""
        with self._lock:
            stored = self._find(wanted)
            if stored is not None and not is_refresh:
                return Begun(stored=stored, lease=None)
            versions = tuple(map(self._version_of, wanted.tags))
            now = self._monotonic()
            holding = self._leases.get(wanted.key)
            if holding is not None and now < holding.until and holding.versions == versions:
                return Begun(stored=stored, lease=None)
            self._clean_leases(now)
            self._leases[wanted.key] = _Holding(owner, versions, now + lease_seconds)
            return Begun(stored=stored, lease=Lease(wanted=wanted, owner=owner, versions=versions))

    def finish(self, lease: Lease, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> bool:
        """See `ValueStore`."""
        with self._lock:
            if not self._is_held(lease):
                return False
            del self._leases[lease.wanted.key]
            if any(
                self._versions.get(tag) != version
                for tag, version in zip(lease.wanted.tags, lease.versions, strict=True)
            ):
                return False
            self._put(lease.wanted.key, payload, lease.versions, fresh_seconds, kept_seconds)
            return True

    def release(self, *leases: Lease) -> None:
        """See `ValueStore`."""
        with self._lock:
            for lease in leases:
                if self._is_held(lease):
                    del self._leases[lease.wanted.key]

    def renew(self, leases: Sequence[Lease], *, lease_seconds: float) -> None:
        """See `ValueStore`."""
        with self._lock:
            until = self._monotonic() + lease_seconds
            for lease in leases:
                if self._is_held(lease):
                    self._leases[lease.wanted.key] = _Holding(lease.owner, lease.versions, until)

    def write(self, wanted: Wanted, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> None:
        """See `ValueStore`."""
        with self._lock:
            self._leases.pop(wanted.key, None)
            versions = tuple(map(self._version_of, wanted.tags))
            self._put(wanted.key, payload, versions, fresh_seconds, kept_seconds)

    def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        prefix: str | None = None,
        hold_seconds: float = 0.0,  # noqa: ARG002 - who dies before he invalidates again takes the values along
    ) -> int:
        """See `ValueStore`."""
        if prefix is not None:
            require_prefix(prefix)
        with self._lock:
            forgotten = set(keys)
            if prefix is not None:
                known = (*self._entries, *self._leases)
                forgotten.update(key for key in known if key.startswith(prefix))
            for tag in tags:
                self._versions.pop(tag, None)
            found = 0
            for key in forgotten:
                self._leases.pop(key, None)
                found += self._drop(key)
            return found

    def stats(self) -> Mapping[str, Any]:
        """Entries, bytes (roughly) and evictions of this process."""
        with self._lock:
            return {
                "store": self.name,
                "entries": len(self._entries),
                "max_entries": self._max_entries,
                "bytes": self._bytes,
                "max_bytes": self._max_bytes,
                "evictions": self._evictions,
            }

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; what its threads were loading never arrives."""
        self._lock = threading.RLock()
        self._leases = {}

    def _find(self, wanted: Wanted) -> Stored | None:
        entry = self._entries.get(wanted.key)
        if entry is None:
            return None
        if self._monotonic() >= entry.kept_until:
            self._drop(wanted.key)
            return None
        if entry.versions != tuple(map(self._versions.get, wanted.tags)):
            return None
        self._entries.move_to_end(wanted.key)
        for tag in wanted.tags:
            self._versions.move_to_end(tag)
        return entry.stored

    def _put(
        self, key: str, payload: bytes, versions: tuple[str, ...], fresh_seconds: float, kept_seconds: float
    ) -> None:
        self._drop(key)
        stored = Stored(payload=payload, fresh_until=self._clock() + fresh_seconds)
        self._entries[key] = _Entry(stored, versions, self._monotonic() + kept_seconds)
        self._bytes += _size(key, payload)
        while self._entries and (len(self._entries) > self._max_entries or self._bytes > self._max_bytes):
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    def _drop(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry.stored.payload)
        return entry is not None

    def _version_of(self, tag: str) -> str:
        version = self._versions.get(tag)
        if version is None:
            version = self._versions[tag] = str(next(self._numbers))
            if len(self._versions) > self._max_entries:
                self._versions.popitem(last=False)
        else:
            self._versions.move_to_end(tag)
        return version

    def _is_held(self, lease: Lease) -> bool:
        holding = self._leases.get(lease.wanted.key)
        return holding is not None and holding.owner == lease.owner and self._monotonic() < holding.until

    def _clean_leases(self, now: float) -> None:
        """Those of callers that never came back."""
        if len(self._leases) >= _LEASES_BEFORE_CLEANING:
            self._leases = {key: held for key, held in self._leases.items() if now < held.until}


def _size(key: str, payload: bytes) -> int:
    return len(payload) + len(key) + _ENTRY_BYTES
