"""Cached values in a backend of Flask-Caching: a folder, Memcached, the process, or an app's own.

Such a backend has no step that reads and writes at once. What keeps old values out (PITFALLS C7) is therefore looked at
when a value is read: it bears the versions, from before its load, of the slots that its key and its tags fall into, and
counts only while these slots still have them. An invalidation gives the slot another version. Slots are a fixed number,
so that the entries for them never push out the values; the price is that an invalidation also forgets the values of
other keys and tags in the same slot.
"""

from __future__ import annotations

import math
import secrets
import struct
import threading
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..._after_fork import reset_in_children
from ..._config import SetupError
from ...errors import CacheError
from ..names import near_names
from ..protocols import Begun, Lease, Stored
from .one_by_one import OneByOne

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..protocols import Wanted

T = TypeVar("T")

MAX_SLOTS, MIN_SLOTS = 4096, 16
ENTRIES_A_SLOT: Final = 4  # a quarter of what a bounded backend holds are slots
_SLOT_SECONDS: Final = 365 * 86_400
_LEASE_SECONDS: Final = (
    3600.0  # of its entry, so that a full backend does not throw it out first; its end stands in it
)
_VERSION_BYTES: Final = 8
_HOLD: Final = "!"  # begins the version of a slot that something is about to change in
_NAME_BYTES: Final = 20
_HEAD: Final = struct.Struct(
    ">BddH"
)  # version of the format; fresh and kept until, since the epoch; how many versions
_FORMAT: Final = 1
_RETRY_SECONDS: Final = 1.0


class FlaskCachingStore(OneByOne):
    """The `ValueStore` on a backend (`app.extensions["cache"][cache]`), by its get_many, add, set and delete. Thread-safe.

    Steps of one process are atomic by a lock. Between processes two may load at the same time where the backend's `add`
    is no single step (files); what is stored is never older than an invalidation in any case. `tell` sends names to the
    near caches of all processes; without it they are not told. Lives are rounded up to seconds in the backend, and
    exact when read. A value that the backend refuses (too large for Memcached) is not stored.
    """

    is_away = False  # unknown until asked

    def __init__(
        self,
        backend: Any,
        *,
        namespace: str,
        slots: int = MAX_SLOTS,
        is_shared: bool = True,
        tell: Callable[[Sequence[str]], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"flask-caching ({type(backend).__name__})"
        self.is_shared = is_shared
        self.reaches_near_caches = tell is not None
        self._backend = backend
        self._namespace = namespace
        self._slots = slots
        self._tell = tell or len
        self._clock = clock
        self._lock = threading.RLock()
        reset_in_children(self)

    def read(self, wanted: Sequence[Wanted]) -> list[Stored | None]:
        """See `ValueStore`: one `get_many` of the values and of all slots."""
        if not wanted:
            return []
        slots = {one: self._slots_of(one) for one in wanted}
        names = list(dict.fromkeys(name for one in wanted for name in (self._value(one.key), *slots[one])))
        found = self._get(names)
        return [
            self._parse(found[self._value(one.key)], [found[slot] for slot in slots[one]]) for one in wanted
        ]

    def begin(self, wanted: Wanted, *, owner: str, lease_seconds: float, is_refresh: bool = False) -> Begun:
        """See `ValueStore`."""
        with self._lock:
            slots = self._slots_of(wanted)
            versions = self._versions_of(slots)
            stored = self._parse(self._get([self._value(wanted.key)])[self._value(wanted.key)], versions)
            if stored is not None and not is_refresh:
                return Begun(stored=stored, lease=None)
            if not self._take(wanted.key, owner, versions, lease_seconds):
                return Begun(stored=stored, lease=None)
            return Begun(stored=stored, lease=Lease(wanted=wanted, owner=owner, versions=tuple(versions)))

    def finish(self, lease: Lease, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> bool:
        """See `ValueStore`."""
        with self._lock:
            slots = self._slots_of(lease.wanted)
            if not self._is_held(lease):
                return False
            self._delete(self._lease(lease.wanted.key))
            found = self._get(slots)
            if any(
                found[slot] != version or version.startswith(_HOLD)
                for slot, version in zip(slots, lease.versions, strict=True)
            ):
                return False
            return self._put(lease.wanted.key, payload, lease.versions, fresh_seconds, kept_seconds)

    def release(self, *leases: Lease) -> None:
        """See `ValueStore`."""
        with self._lock:
            for lease in leases:
                if self._is_held(lease):
                    self._delete(self._lease(lease.wanted.key))

    def renew(self, leases: Sequence[Lease], *, lease_seconds: float) -> None:
        """See `ValueStore`."""
        with self._lock:
            for lease in leases:
                if self._is_held(lease):
                    text = _lease_text(lease.owner, lease.versions, self._clock() + lease_seconds)
                    self._set(self._lease(lease.wanted.key), text, max(lease_seconds, _LEASE_SECONDS))

    def write(self, wanted: Wanted, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> None:
        """See `ValueStore`. The slot of the key gets another version, so whoever is loading cannot overwrite the value."""
        with self._lock:
            self._delete(self._lease(wanted.key))
            slots = self._slots_of(wanted)
            held = self._get(slots[:1])[slots[0]]
            if not (isinstance(held, str) and held.startswith(_HOLD)):
                self._set(slots[0], _new_version(), _SLOT_SECONDS)
            versions = self._versions_of(slots)
            if any(version.startswith(_HOLD) for version in versions):
                # which of the two changes is the later one, nobody knows
                self._delete(self._value(wanted.key))
            else:
                self._put(wanted.key, payload, versions, fresh_seconds, kept_seconds)
        self._tell(near_names(keys=[wanted.key]))

    def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        prefix: str | None = None,
        hold_seconds: float = 0.0,
    ) -> int:
        """See `ValueStore`; these backends cannot list their keys, so a prefix is a `SetupError`."""
        if prefix is not None:
            raise SetupError(
                f"{self.name} cannot list its keys, so it cannot forget those that begin with {prefix!r}; "
                f"give the values a tag, and invalidate that."
            )
        with self._lock:
            values = {key: self._value(key) for key in keys}
            found = sum(value is not None for value in self._get(list(values.values())).values())
            slots = {self._slot("t", tag) for tag in tags} | {self._slot("k", key) for key in keys}
            for slot in slots:
                if hold_seconds:
                    self._set(slot, _HOLD + _new_version()[1:], hold_seconds)
                else:
                    self._set(slot, _new_version(), _SLOT_SECONDS)
            for key, value in values.items():
                self._delete(value)
                self._delete(self._lease(key))
        self._tell(near_names(keys=keys, tags=tags))
        return found

    def stats(self) -> Mapping[str, Any]:
        """What little such a backend knows of itself."""
        entries = getattr(self._backend, "_cache", None)  # SimpleCache's dict
        return {
            "store": self.name,
            "slots": self._slots,
            "entries": len(entries) if isinstance(entries, dict) else None,
        }

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.RLock()

    # --- Names of entries: hashed, since Memcached takes neither long ones nor blanks ---

    def _named(self, kind: str, text: str) -> str:
        whole = f"{self._namespace}\0{kind}\0{text}".encode("utf-8", "surrogatepass")
        return f"backend-{kind}-{blake2b(whole, digest_size=_NAME_BYTES).hexdigest()}"

    def _value(self, key: str) -> str:
        return self._named("v", key)

    def _lease(self, key: str) -> str:
        return self._named("l", key)

    def _slot(self, kind: str, text: str) -> str:
        digest = blake2b(f"{kind}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        # their number is part of the name: processes that disagree on it see misses, not old values
        return self._named("s", f"{self._slots}:{int.from_bytes(digest) % self._slots}")

    def _slots_of(self, wanted: Wanted) -> list[str]:
        return [self._slot("k", wanted.key), *(self._slot("t", tag) for tag in wanted.tags)]

    # --- Steps ---

    def _versions_of(self, slots: Sequence[str]) -> list[str]:
        """The versions that the slots have after those that are missing were made; one that vanishes at once matches none."""
        found = self._get(slots)
        missing = [slot for slot in dict.fromkeys(slots) if not isinstance(found[slot], str)]
        for slot in missing:
            self._call(self._backend.add, slot, _new_version(), timeout=_SLOT_SECONDS)
        if missing:
            found |= self._get(missing)  # another process may have been first
        for slot in missing:
            if not isinstance(
                found[slot], str
            ):  # `add` of files takes one whose time is over for one that is there
                found[slot] = _new_version()
                self._set(slot, found[slot], _SLOT_SECONDS)
        return [found[slot] for slot in slots]

    def _take(self, key: str, owner: str, versions: Sequence[str], seconds: float) -> bool:
        name, text = self._lease(key), _lease_text(owner, versions, self._clock() + seconds)
        if self._call(self._backend.add, name, text, timeout=_whole(max(seconds, _LEASE_SECONDS))):
            return True
        held = self._get([name])[name]
        if isinstance(held, str) and _is_current(held, versions, self._clock()):
            return False
        self._set(
            name, text, max(seconds, _LEASE_SECONDS)
        )  # it is over, or what its owner loads is older than an invalidation
        return True

    def _is_held(self, lease: Lease) -> bool:
        name = self._lease(lease.wanted.key)
        held = self._get([name])[name]
        return (
            isinstance(held, str)
            and held.rsplit("\n", 2)[0] == lease.owner
            and _is_current(held, lease.versions, self._clock())
        )

    def _put(
        self, key: str, payload: bytes, versions: Sequence[str], fresh_seconds: float, kept_seconds: float
    ) -> bool:
        now = self._clock()
        head = _HEAD.pack(_FORMAT, now + fresh_seconds, now + kept_seconds, len(versions))
        value = b"".join([head, "".join(versions).encode(), payload])
        return self._set(self._value(key), value, kept_seconds)

    def _parse(self, value: Any, versions: Sequence[Any]) -> Stored | None:
        if not isinstance(value, bytes) or len(value) < _HEAD.size or value[0] != _FORMAT:
            return None
        _, fresh_until, kept_until, count = _HEAD.unpack_from(value)
        if count != len(versions) or not all(isinstance(version, str) for version in versions):
            return None
        current = "".join(versions).encode()
        start = _HEAD.size + len(current)
        if value[_HEAD.size : start] != current or self._clock() >= kept_until:
            return None
        return Stored(payload=value[start:], fresh_until=fresh_until)

    # --- The backend: its drivers raise what they like ---

    def _get(self, names: Sequence[str]) -> dict[str, Any]:
        found = self._call(self._backend.get_many, *names) if names else []
        return dict(zip(names, found, strict=True))

    def _set(self, name: str, value: Any, seconds: float) -> bool:
        # Flask-Caching's backends answer None or True
        return self._call(self._backend.set, name, value, timeout=_whole(seconds)) is not False

    def _delete(self, name: str) -> None:
        self._call(self._backend.delete, name)

    def _call(self, method: Callable[..., T], *args: Any, **options: Any) -> T:
        try:
            return method(*args, **options)
        except Exception as error:  # any driver, or an app's own backend
            raise CacheError(retry_after=_RETRY_SECONDS) from error


def _new_version() -> str:
    return secrets.token_hex(_VERSION_BYTES)


def _lease_text(owner: str, versions: Sequence[str], until: float) -> str:
    return "\n".join((owner, "".join(versions), repr(until)))


def _is_current(held: str, versions: Sequence[str], now: float) -> bool:
    """Whether a lease is neither over nor older than an invalidation."""
    parts = held.rsplit("\n", 2)
    try:
        _, under, until = parts
        return under == "".join(versions) and now < float(until)
    except ValueError:
        return False  # somebody else's entry


def _whole(seconds: float) -> int:
    # One more, since backends count from the last full second; and 0 would mean for ever.
    return max(1, min(_SLOT_SECONDS * 10, math.ceil(seconds) + 1))
