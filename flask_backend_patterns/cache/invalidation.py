"""Changes: what makes cached values old, told to the store, to the near caches, and to who is loading."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .._config import SetupError
from ..errors import CacheError
from .keys import bounded
from .last_senders import last_senders
from .names import tag_name
from .near_values import EVERYTHING_TAG, KEY
from .single_flight import Flights
from .uncommitted import sees_uncommitted
from .unsent import UnsentInvalidations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._contribution import EventLog
    from .near_values import NearValues
    from .policy import Call
    from .protocols import ValueStore
    from .settings import CacheSettings


class CacheChanges:
    """The half of the engine that changes values, and the parts it shares with the other half. Thread-safe."""

    log: EventLog

    def __init__(
        self,
        settings: CacheSettings,
        *,
        find_store: Callable[[], ValueStore],
        near: NearValues,
        publish: Callable[..., None],
    ) -> None:
        self.settings = settings
        self.near = near
        self.flights = Flights()
        self.unsent = UnsentInvalidations()
        self._publish = publish
        self._find_store = find_store
        self._found_store: ValueStore | None = None
        self._find_lock = threading.Lock()

    @property
    def store(self) -> ValueStore:
        """The app's store."""
        if self._found_store is None:
            with self._find_lock:
                if self._found_store is None:
                    self._found_store = self._find_store()
        return self._found_store

    def ready_store(self) -> ValueStore | None:
        """The store, unless it is known to be away, or has not been told yet what has changed."""
        store = self._found_store or self.store
        if store.is_away:
            return None
        return store if self.unsent.is_empty or self.send_unsent() else None

    def invalidate(
        self, *, keys: Iterable[str] = (), tags: Iterable[str] = (), prefix: str | None = None
    ) -> int:
        """Forget values everywhere; in this process that has happened on return. What cannot be sent is sent later.

        Returns how many of `keys`, and of those that begin with `prefix`, the store had; how many had the tags is not known.
        `SetupError` for an empty `prefix`, or where the store cannot list its keys.
        """
        if prefix == "":
            raise SetupError("An empty prefix would forget every value; give the beginning of the keys.")
        names, marks = tuple(map(bounded, keys)), tuple(map(tag_name, tags))
        return self.invalidate_named(keys=names, tags=marks, prefix=prefix)

    def invalidate_named(
        self, *, keys: Sequence[str] = (), tags: Sequence[str] = (), prefix: str | None = None
    ) -> int:
        """As `invalidate`, by what keys and tags are called in stores (`bounded`, `tag_name`)."""
        names, marks = tuple(keys), tuple(tags)
        prefixes = () if prefix is None else (prefix,)
        if not names and not marks and prefix is None:
            return 0
        found, store = 0, self.ready_store()
        try:
            if store is None:
                self._remember(keys=names, tags=marks, prefixes=prefixes)
            else:
                found = store.invalidate(keys=names, tags=marks, prefix=prefix)
        except CacheError:
            self._remember(keys=names, tags=marks, prefixes=prefixes)
        finally:
            self.forget_here(keys=names, tags=marks, prefix=prefix)
        return found

    def announce(self, *, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> None:
        """To be called before a commit that changes these, and `invalidate` after it: never raises for a store that is away.

        Forgets them already, and has nothing stored under them for `lease_seconds`: so what is kept is not old though
        this process may die between the commit and what it has to tell after it.
        """
        names, marks = tuple(map(bounded, keys)), tuple(map(tag_name, tags))
        store = self.ready_store() if names or marks else None
        if store is None or not store.is_shared:
            return
        try:
            store.invalidate(keys=names, tags=marks, hold_seconds=self.settings.lease_seconds)
        except CacheError:
            return  # told after the commit, or as soon as the store is back
        finally:
            self.forget_here(keys=names, tags=marks)

    def invalidate_everything(self) -> None:
        """Forget all values."""
        self.invalidate_named(tags=[EVERYTHING_TAG])

    def clear(self) -> None:
        """As `invalidate_everything`, but `CacheError` when the store does not answer: for tests, which begin then."""
        try:
            self.store.invalidate(tags=(EVERYTHING_TAG,))
        finally:
            self.forget_here(tags=(EVERYTHING_TAG,))

    def write(self, call: Call, value: Any) -> None:
        """Store a value known to be current. When the store is away, what it has is forgotten once it is back.

        Raises `UncacheableValueError`.
        """
        payload = call.policy.encode(value)
        fresh, kept = call.policy.lifetimes.of(value)
        store = None if sees_uncommitted() else self.ready_store()
        if store is None or kept <= 0 or len(payload) > self.settings.max_value_bytes:
            self.invalidate_named(keys=[call.key])
            return
        try:
            store.write(call.wanted, payload, fresh_seconds=fresh, kept_seconds=kept)
        except CacheError:
            self._remember(keys=[call.key])
        finally:
            self.forget_here(keys=[call.key])

    def tell_written(self, key: str) -> None:
        """Another value of `key` is in the store: what is kept near is old."""
        try:
            self._publish(KEY + key)
        except CacheError:
            self.invalidate_named(keys=[key])
        else:
            self.forget_here(keys=[key])

    def forget_here(
        self, *, keys: Iterable[str] = (), tags: Iterable[str] = (), prefix: str | None = None
    ) -> None:
        """In this process: what is kept near, and what is being loaded."""
        self.near.invalidate(keys=keys, tags=tags, prefix=prefix)
        if EVERYTHING_TAG in tags:
            self.flights.overtake_all()
        else:
            self.flights.overtake(keys=keys, tags=tags, prefix=prefix)

    def send_unsent(self) -> bool:
        """Tell the store what it could not be told; whether nothing is left."""
        return self.unsent.send(self.store, everything_tag=EVERYTHING_TAG)

    def _remember(
        self, *, keys: Iterable[str] = (), tags: Iterable[str] = (), prefixes: Iterable[str] = ()
    ) -> None:
        self.unsent.add(keys=keys, tags=tags, prefixes=prefixes)
        last_senders().add(self)
