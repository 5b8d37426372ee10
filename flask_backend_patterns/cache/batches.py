"""Many values at once: one question to the store, and one call of the loader for all that are missing."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .lease_keeper import process_keeper
from .near_cache import MISSING
from .policy import BYPASS, ERROR, HIT, MISS, STALE, NotStored
from .protocols import Asked, Loaded
from .single_flight import Failure, Load
from .uncommitted import sees_uncommitted

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from .aside import CacheAside
    from .near_values import Reading
    from .policy import Call
    from .protocols import Lease, ValueStore
    from .steps import Steps


class Batch:
    """The values of `calls` (by what the caller knows them as): `known`, and `missing` that the loader has to bring."""

    def __init__(self, aside: CacheAside, calls: Mapping[Hashable, Call]) -> None:
        self._aside = aside
        self._calls = calls
        self.known: dict[Hashable, Any] = {}
        self._old: dict[Hashable, Any] = {}
        self._leases: dict[Hashable, tuple[Lease, Reading | None]] = {}
        self.missing: list[Hashable] = []

    def steps(self) -> Steps:
        """What has to be done; the loader takes `missing`. Returns the values by what they are known as."""
        for name, call in self._calls.items():
            value = (
                self._aside.find_near(call.key, call.tags, call.policy)
                if self._may_be_near(call)
                else MISSING
            )
            if value is not MISSING:
                self.known[name] = value
        self.missing = [name for name in self._calls if name not in self.known]
        if not self.missing:
            return self.known
        store = None if sees_uncommitted() else self._aside.ready_store()
        try:
            if store is not None:
                self._read(store)
                self._begin(store)
        except CacheError:
            store = None
        if self.missing:
            failure = yield from self._load(store)
            if failure is not None:
                return failure
        for name, value in self._old.items():
            self.known.setdefault(name, value)
        return self.known

    def _may_be_near(self, call: Call) -> bool:
        return call.policy.is_near and not call.is_fresh

    def _read(self, store: ValueStore) -> None:
        readings = [self._aside.begin_near(self._calls[name], store) for name in self.missing]
        found = store.read([self._calls[name].wanted for name in self.missing])
        now = self._aside.wall_clock()
        for name, reading, stored in zip(self.missing, readings, found, strict=True):
            call = self._calls[name]
            value = MISSING if stored is None else call.policy.decode(stored.payload)
            if stored is None or value is MISSING:
                continue
            rest = stored.fresh_until - now
            if rest > 0:
                self._aside.keep_near(reading, stored.payload, value, rest)
                call.policy.tally.count(HIT)
                self.known[name] = value
            elif rest + call.policy.lifetimes.stale > 0:
                self._old[name] = value
        self.missing = [name for name in self.missing if name not in self.known]

    def _begin(self, store: ValueStore) -> None:
        """Leases for what is missing; what somebody else is loading is loaded here too, unless an old value is there."""
        seconds = self._aside.settings.lease_seconds
        readings = [self._aside.begin_near(self._calls[name], store) for name in self.missing]
        asked = [
            Asked(wanted=self._calls[name].wanted, owner=uuid.uuid4().hex, is_refresh=name in self._old)
            for name in self.missing
        ]
        answers = store.begin_many(asked, lease_seconds=seconds) if asked else []
        for name, reading, begun in zip(list(self.missing), readings, answers, strict=True):
            call = self._calls[name]
            if begun.lease is not None:
                self._leases[name] = (begun.lease, reading)
                process_keeper().hold(store, begun.lease, seconds)
            elif name in self._old:
                call.policy.tally.count(STALE)
                self.missing.remove(name)
            elif begun.stored is not None:
                value = call.policy.decode(begun.stored.payload)
                if value is not MISSING:
                    call.policy.tally.count(HIT)
                    self.known[name] = value
                    self.missing.remove(name)

    def _load(self, store: ValueStore | None) -> Steps:
        try:
            answer = yield Load()
            failed = type(answer) is Failure
            if not failed and store is not None:
                self._put(store, answer)
        finally:
            self._release(store)
        for name in self.missing:
            result = ERROR if failed else MISS if store is not None else BYPASS
            self._calls[name].policy.tally.count(result)
        if failed:
            if isinstance(answer.error, Exception) and all(name in self._old for name in self.missing):
                return None
            return answer
        for name in self.missing:
            if name in answer:
                value = answer[name]
                self.known[name] = value.value if type(value) is NotStored else value
            self._old.pop(name, None)  # it is there no more
        return None

    def _put(self, store: ValueStore, values: Mapping[Hashable, Any]) -> None:
        kept: dict[Hashable, Loaded] = {}
        for name, (lease, _) in self._leases.items():
            if (
                name not in values
                or type(self._aside.kept_apart(self._calls[name], values[name])) is NotStored
            ):
                continue
            policy = self._calls[name].policy
            payload = policy.encode(values[name])
            fresh, seconds = policy.lifetimes.of(values[name])
            if seconds > 0 and len(payload) <= self._aside.settings.max_value_bytes:
                kept[name] = Loaded(lease=lease, payload=payload, fresh_seconds=fresh, kept_seconds=seconds)
        if not kept:
            return
        try:
            answers = store.finish_many(list(kept.values()))
        except CacheError:
            return
        for (name, loaded), is_current in zip(kept.items(), answers, strict=True):
            lease, reading = self._leases.pop(name)
            process_keeper().drop(lease)
            if is_current:
                self._aside.keep_near(reading, loaded.payload, values[name], loaded.fresh_seconds)

    def _release(self, store: ValueStore | None) -> None:
        """Give back the leases of what was not stored."""
        leases = [lease for lease, _ in self._leases.values()]
        for lease in leases:
            process_keeper().drop(lease)
        try:
            if store is not None and leases:
                store.release(*leases)
        except CacheError:
            return  # they run out by themselves
