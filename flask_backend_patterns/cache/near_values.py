"""Cached values near: in the process, bounded by entries and bytes, used only while the feed can be trusted."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from .._after_fork import reset_in_children
from .recent_changes import RecentChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .feed import InvalidationFeed

# What stands before a name in the messages of the feed; what has neither is somebody else's (revocations, roles).
KEY, TAG, PREFIX = "k:", "t:", "p:"
EVERYTHING_TAG: Final = "*"  # every value has it, so invalidating it forgets them all, in one step
EVERY_VALUE: Final = TAG + EVERYTHING_TAG
ENTRY_BYTES: Final = 300  # what an entry takes beside its payload, roughly: key, marks, places in tables


class Mark:
    """Says of a key or tag whether it has been invalidated since somebody asked for it."""

    __slots__ = ("__weakref__", "is_valid")

    def __init__(self) -> None:
        self.is_valid = True


class NearEntry:
    """A value: its bytes, and itself where it cannot be changed (`is_shared`), so that all callers may have it."""

    __slots__ = ("expires_at", "is_shared", "marks", "payload", "tags", "value")

    def __init__(
        self,
        *,
        payload: bytes,
        value: Any,
        is_shared: bool,
        expires_at: float,
        tags: tuple[str, ...],
        marks: tuple[Mark, ...],
    ) -> None:
        self.payload = payload
        self.value = value if is_shared else None
        self.is_shared = is_shared
        self.expires_at = expires_at
        self.tags = tags  # who asks by other ones would not hear of their invalidations
        self.marks = marks


class Reading:
    """A read of the store, or a load, that has begun: what it brings may be kept unless something was invalidated."""

    __slots__ = ("epoch", "key", "marks", "tags")

    def __init__(self, key: str, tags: tuple[str, ...], marks: tuple[Mark, ...], epoch: object) -> None:
        self.key = key
        self.tags = tags
        self.marks = marks
        self.epoch = epoch

    @property
    def is_overtaken(self) -> bool:
        """Whether its key or one of its tags has been invalidated in this process, or by a message, since it began."""
        return not all(mark.is_valid for mark in self.marks)


class NearValues:
    """Values by key, `max_entries` and `max_bytes` at most, each for `ttl_seconds` at most. A hit takes no lock.

    Told by `feed` what others have changed, and by `invalidate` what this process has. Hits look at one attribute for
    each tag of a value. The least recently used half is forgotten at once when room is needed, as in `NearCache`.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        ttl_seconds: float,
        feed: InvalidationFeed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        # Read without the lock, changed under it; what is used moves from the older into the recent ones.
        self._recent: dict[str, NearEntry] = {}
        self._older: dict[str, NearEntry] = {}
        self._recent_bytes = self._older_bytes = 0
        # "k:<key>" and "t:<tag>" -> the mark that all who asked for it since its last invalidation have in common.
        self._marks: WeakValueDictionary[str, Mark] = WeakValueDictionary()
        self._epoch = object()  # another one once everything has been forgotten
        self._lock = threading.RLock()  # reentrant: a finalizer may run anywhere
        reset_in_children(self)
        self.recent = RecentChanges()
        feed.listen(self.forget)

    @property
    def is_used(self) -> bool:
        """Whether the settings leave it any room."""
        return self._max_entries > 0 and self._max_bytes > 0 and self._ttl_seconds > 0

    def find(self, key: str) -> NearEntry | None:
        """The entry of `key`, if it can be trusted and its time is not over."""
        entry = self._recent.get(key) or (self._promoted(key) if key in self._older else None)
        if entry is None or self._clock() >= entry.expires_at or not self._feed.is_trusted:
            return None
        for mark in entry.marks:
            if not mark.is_valid:
                return None
        return entry

    def begin(self, key: str, tags: Iterable[str]) -> Reading:
        """To be called before the store is read, or a value loaded."""
        tagged = tuple(tags)
        with self._lock:
            marks = [self._mark(KEY + key)]
            marks += [self._mark(TAG + tag) for tag in tagged]
            return Reading(key, tagged, tuple(marks), self._epoch)

    def keep(self, reading: Reading, payload: bytes, value: Any, *, is_shared: bool, seconds: float) -> None:
        """Keep what was read, for `seconds` at most, unless something has been invalidated since `begin`."""
        size = len(payload) + ENTRY_BYTES
        if size * 2 > self._max_bytes or seconds <= 0 or not self.is_used or not self._feed.is_trusted:
            return
        with self._lock:
            if reading.epoch is not self._epoch or reading.is_overtaken:
                return
            entry = NearEntry(
                payload=payload,
                value=value,
                is_shared=is_shared,
                expires_at=self._clock() + min(seconds, self._ttl_seconds),
                tags=reading.tags,
                marks=reading.marks[1:],
            )
            self._store(reading.key, entry)

    def invalidate(
        self, *, keys: Iterable[str] = (), tags: Iterable[str] = (), prefix: str | None = None
    ) -> None:
        """Forget values in this process, also those that are being read."""
        names = [KEY + key for key in keys] + [TAG + tag for tag in tags]
        self.forget((*names, PREFIX + prefix) if prefix is not None else tuple(names))

    def forget(self, names: tuple[str, ...] | None) -> None:
        """What a message of the feed says: `names` begin with their kind; None for everything."""
        self.recent.note(None if names is None or any(_is_wide(name) for name in names) else names)
        with self._lock:
            if names is None:
                self._forget_all()
                return
            for name in names:
                if name == EVERY_VALUE:
                    self._forget_all()
                kind = name[:2]
                if kind == KEY:
                    self._drop(name[2:])
                if kind in (KEY, TAG):
                    mark = self._marks.pop(name, None)
                    if mark is not None:
                        mark.is_valid = False
                elif kind == PREFIX:
                    self._forget_prefix(name[2:])

    def stats(self) -> Mapping[str, Any]:
        """Facts for people."""
        with self._lock:
            return {
                "entries": len(self._recent) + len(self._older),
                "bytes": self._recent_bytes + self._older_bytes,
                "max_entries": self._max_entries,
                "max_bytes": self._max_bytes,
                "trusted": self._feed.is_trusted,
            }

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; what its threads were reading never arrives."""
        self._lock = threading.RLock()
        self._forget_all()

    def _mark(self, name: str) -> Mark:
        mark = self._marks.get(name)
        if mark is None:
            mark = self._marks[name] = Mark()
        return mark

    def _promoted(self, key: str) -> NearEntry | None:
        """The entry, moved from the older to the recent ones."""
        with self._lock:
            entry = self._older.get(key)  # looked up again: it may have been invalidated since
            if entry is None:
                return self._recent.get(key)
            self._store(key, entry)
            return entry

    def _store(self, key: str, entry: NearEntry) -> None:
        """Put among the recent ones; the caller holds the lock. At every moment a reader finds one entry or the other."""
        size = len(entry.payload) + ENTRY_BYTES
        known = self._recent.get(key)
        if known is not None:
            self._recent_bytes -= len(known.payload) + ENTRY_BYTES
        elif self._recent and (
            len(self._recent) >= max(1, self._max_entries // 2)
            or (self._recent_bytes + size) * 2 > self._max_bytes
        ):
            self._older, self._older_bytes = self._recent, self._recent_bytes
            self._recent, self._recent_bytes = {}, 0
            if self._max_entries == 1:
                self._older, self._older_bytes = {}, 0
        self._recent[key] = entry
        self._recent_bytes += size
        old = self._older.pop(key, None)
        if old is not None:
            self._older_bytes -= len(old.payload) + ENTRY_BYTES

    def _drop(self, key: str) -> None:
        entry = self._recent.pop(key, None)
        if entry is not None:
            self._recent_bytes -= len(entry.payload) + ENTRY_BYTES
        entry = self._older.pop(key, None)
        if entry is not None:
            self._older_bytes -= len(entry.payload) + ENTRY_BYTES

    def _forget_all(self) -> None:
        self._recent, self._older, self._recent_bytes, self._older_bytes = {}, {}, 0, 0
        self._epoch = object()
        for mark in list(self._marks.values()):
            mark.is_valid = False
        self._marks = WeakValueDictionary()

    def _forget_prefix(self, prefix: str) -> None:
        for key in [key for table in (self._recent, self._older) for key in table if key.startswith(prefix)]:
            self._drop(key)
        for name, mark in list(self._marks.items()):
            if name.startswith(KEY + prefix):
                mark.is_valid = False
                self._marks.pop(name, None)


def _is_wide(name: str) -> bool:
    """Whether a name of a message stands for others."""
    return name == EVERY_VALUE or name.startswith(PREFIX)
