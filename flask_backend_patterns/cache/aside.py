"""Cache-aside: a value from the process, else from the store, else loaded, by one caller for all who want it."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from .._notices import Notices
from ..errors import CacheError
from .encoding import is_shareable
from .invalidation import CacheChanges
from .lease_keeper import process_keeper
from .near_cache import MISSING
from .near_values import KEY, TAG
from .policy import BYPASS, ERROR, HIT, MISS, NEAR, STALE, Call, NotStored, Policies, Policy, Tally
from .single_flight import Failure, Flight, Load, Pause, Wait
from .uncommitted import reads_since, sees_uncommitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._contribution import EventLog
    from .near_values import NearValues, Reading
    from .policy import Metrics
    from .protocols import Lease, Stored, ValueStore
    from .settings import CacheSettings
    from .steps import Steps

__all__ = ["CacheAside", "Call"]

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = (
    0.005,
    0.05,
)  # between questions whether another process has loaded
HELD_AFTER_FAILURE_SECONDS: Final = 1.0  # so long nobody else tries while an old value serves


class CacheAside(CacheChanges):
    """The engine of an app: everything about one value, in threads and event loops, with and without the store.

    The store is found at the first use. While it is away values are loaded, one load of a key at a time in the process.
    """

    def __init__(
        self,
        settings: CacheSettings,
        *,
        find_store: Callable[[], ValueStore],
        near: NearValues,
        publish: Callable[..., None],
        log: EventLog,
        metrics: Metrics | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, find_store=find_store, near=near, publish=publish)
        self.log = log
        self.policies = Policies()
        self.wall_clock = wall_clock
        self._metrics = metrics
        self._tallies: dict[str, Tally] = {}
        self._notices = Notices()

    def tally(self, name: str) -> Tally:
        """The counters of `name`."""
        found = self._tallies.get(name)
        if found is None:
            found = self._tallies.setdefault(name, Tally(name, self._metrics))
        return found

    def find_near(self, key: str, tags: tuple[str, ...], policy: Policy) -> Any:
        """The value kept near under just these tags, or `MISSING`: as the store compares them, too."""
        if sees_uncommitted():
            return MISSING
        entry = self.near.find(key)
        if entry is None or entry.tags != tags:
            return MISSING
        value = entry.value if entry.is_shared else policy.decode(entry.payload)
        if value is not MISSING:
            policy.tally.count(NEAR)
        return value

    def stats(self) -> Mapping[str, Any]:
        """Facts for people."""
        totals = [tally.counts for tally in list(self._tallies.values())]
        return {
            "near": {**self.near.stats(), "hits": sum(counts[NEAR] for counts in totals)},
            "requests": {name: dict(tally.counts) for name, tally in sorted(self._tallies.items())},
            "unsent_invalidations": not self.unsent.is_empty,
        }

    # --- Reading ---

    def steps(self, call: Call) -> Steps:
        """What has to be done for `call`: for `steps.run` or `steps.run_async`."""
        policy = call.policy
        if sees_uncommitted():  # it would not see its own changes, or show them to others
            answer = yield Load()
            return self._counted(call, answer, BYPASS)
        store = self.ready_store()
        if store is None:
            return (yield from self._load_without_store(call))
        old: Any = MISSING
        if not call.is_refresh:
            reading = self.begin_near(call, store)
            try:
                stored = store.read([call.wanted])[0]
            except CacheError:
                return (yield from self._load_without_store(call))
            value = MISSING if stored is None else policy.decode(stored.payload)
            if stored is not None and value is not MISSING:
                rest = stored.fresh_until - self.wall_clock()
                if rest > 0:
                    self.keep_near(reading, stored.payload, value, rest)
                    policy.tally.count(HIT)
                    return value
                old = value if rest + policy.lifetimes.stale > 0 else MISSING
        return (yield from self._load_once(call, store, old))

    def begin_near(self, call: Call, store: ValueStore) -> Reading | None:
        """To be called before the store is read or a value loaded; None when the value may not be kept near."""
        if call.policy.is_near and store.reaches_near_caches:
            return self.near.begin(call.key, call.tags)
        return None

    def keep_near(self, reading: Reading | None, payload: bytes, value: Any, seconds: float) -> None:
        """Keep near what was read or loaded since `reading`."""
        if reading is not None:
            self.near.keep(reading, payload, value, is_shared=is_shareable(value), seconds=seconds)

    def kept_apart(self, call: Call, answer: Any) -> Any:
        """What a load has brought, for its caller alone where it may be uncommitted, or older than what has been told since."""
        if type(answer) in (Failure, NotStored):
            return answer
        if sees_uncommitted():
            return NotStored(answer)
        since = reads_since()
        if since is not None:  # an identity map, or a snapshot, may be as old as that
            names = [KEY + call.key, *(TAG + tag for tag in call.tags)]
            if self.near.recent.any_since(since, names):
                return NotStored(answer)
        return answer

    def _load_once(self, call: Call, store: ValueStore, old: Any) -> Steps:
        """Lead the load of the key, or wait for who does; with an old value nobody waits."""
        deadline = call.since + self.settings.wait_seconds
        while True:
            flight, is_leader = self.flights.join(call.key, call.tags)
            if is_leader:
                try:
                    answer = yield from self._lead(call, store, flight, old, deadline)
                finally:
                    self.flights.end(flight)
                if answer is not MISSING:
                    return answer
                return (yield from self._load_alone(call))
            if old is not MISSING:
                call.policy.tally.count(STALE)
                return old
            seconds = deadline - self.flights.clock()
            if seconds <= 0 or not self._may_wait(call, flight):
                return (yield from self._load_alone(call))
            yield Wait(self.flights, flight, seconds)
            value = self._outcome(call, flight)
            if value is not MISSING:
                return value
            if flight.is_passed:
                return (yield from self._load_alone(call))

    def _may_wait(self, call: Call, flight: Flight) -> bool:
        """Not for a load under other tags, whose invalidations would not stop it; nor for one that waits for us."""
        return flight.tags == call.tags and not self.flights.would_wait_for_itself(flight)

    def _outcome(self, call: Call, flight: Flight) -> Any:
        """What another's load has brought, if this caller may have it."""
        since = call.since
        if not flight.has_value_for(since) or (call.is_refresh and flight.began < since):
            return MISSING
        value = flight.value if flight.payload is None else call.policy.decode(flight.payload)
        if value is not MISSING:
            call.policy.tally.count(HIT)
        return value

    def _load_alone(self, call: Call) -> Steps:
        """Load for this caller only: in a loader of the same key, after waiting too long, or what is not shared."""
        answer = yield Load()
        return self._counted(call, answer, MISS)

    def _counted(self, call: Call, answer: Any, result: str) -> Any:
        call.policy.tally.count(ERROR if type(answer) is Failure else result)
        return answer.value if type(answer) is NotStored else answer

    def _load_without_store(self, call: Call) -> Steps:
        """One load at a time in this process; nothing is kept."""
        deadline = call.since + self.settings.wait_seconds
        while True:
            flight, is_leader = self.flights.join(call.key, call.tags)
            if is_leader:
                return (yield from self._lead_without_store(call, flight))
            seconds = deadline - self.flights.clock()
            if seconds <= 0 or not self._may_wait(call, flight):
                break
            yield Wait(self.flights, flight, seconds)
            value = self._outcome(call, flight)
            if value is not MISSING:
                return value
            if flight.is_passed:
                break
        answer = yield Load()
        return self._counted(call, answer, BYPASS)

    def _lead_without_store(self, call: Call, flight: Flight) -> Steps:
        try:
            flight.began = self.flights.clock()
            answer = self.kept_apart(call, (yield Load(flight)))
            self.flights.close(flight)
            if type(answer) is NotStored:
                flight.is_passed = True
            elif type(answer) is not Failure and self.flights.has_waiters(flight):
                self._hand_over(call, flight, answer)
                flight.was_current = True  # as far as this process knows
        finally:
            self.flights.end(flight)
        return self._counted(call, answer, BYPASS)

    def _hand_over(self, call: Call, flight: Flight, value: Any) -> None:
        """Give the value to those who wait: each his own, where it can be changed."""
        if is_shareable(value):
            flight.value = value
            return
        try:
            flight.payload = call.policy.encode(value)
        except (
            TypeError
        ):  # it cannot be stored either: who waits loads, and is told the same when the store is back
            flight.is_passed = True

    # --- Loading with a lease ---

    def _lead(self, call: Call, store: ValueStore, flight: Flight, old: Any, deadline: float) -> Steps:
        """`MISSING` when the caller has to load by himself, since somebody elsewhere takes too long."""
        owner = uuid.uuid4().hex
        passes_over = call.is_refresh or old is not MISSING
        pause = FIRST_PAUSE_SECONDS
        while True:
            reading = self.begin_near(call, store)
            try:
                begun = store.begin(
                    call.wanted,
                    owner=owner,
                    lease_seconds=self.settings.lease_seconds,
                    is_refresh=passes_over,
                )
            except CacheError:
                return (yield from self._lead_without_store(call, flight))
            if begun.stored is not None and not call.is_refresh:
                value = self._taken(call, flight, begun.stored, reading)
                if value is not MISSING:
                    if begun.lease is not None:
                        self._release(store, begun.lease)
                    return value
                passes_over = True  # it cannot be read, or is as old as the one at hand
            if begun.lease is not None:
                return (yield from self._load_with_lease(call, store, flight, begun.lease, old, reading))
            if old is not MISSING:
                call.policy.tally.count(STALE)
                return old
            if self.flights.clock() + pause > deadline:
                return MISSING
            yield Pause(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    def _taken(self, call: Call, flight: Flight, stored: Stored, reading: Reading | None) -> Any:
        """The value that came meanwhile, if it is fresh."""
        rest = stored.fresh_until - self.wall_clock()
        value = call.policy.decode(stored.payload) if rest > 0 else MISSING
        if value is not MISSING:
            self.keep_near(reading, stored.payload, value, rest)
            flight.payload, flight.was_current = stored.payload, True
            call.policy.tally.count(HIT)
        return value

    def _load_with_lease(
        self, call: Call, store: ValueStore, flight: Flight, lease: Lease, old: Any, reading: Reading | None
    ) -> Steps:
        keeper = process_keeper()
        keeper.hold(store, lease, self.settings.lease_seconds)
        try:
            flight.began = self.flights.clock()
            answer = self.kept_apart(call, (yield Load(flight)))
        except BaseException:
            keeper.drop(lease)
            self._release(store, lease)
            raise
        keeper.drop(lease)
        if type(answer) is Failure:
            return self._failed(call, store, lease, old, answer)
        if type(answer) is NotStored:
            flight.is_passed = True
            self._release(store, lease)
        else:
            try:
                self._put(call, store, flight, lease, answer, reading)
            except TypeError as error:  # UncacheableValueError
                self._release(store, lease)
                return self._counted(call, Failure(error), ERROR)
        return self._counted(call, answer, MISS)

    def _put(
        self,
        call: Call,
        store: ValueStore,
        flight: Flight,
        lease: Lease,
        value: Any,
        reading: Reading | None,
    ) -> None:
        """Store what was loaded, unless something was invalidated meanwhile; hand it to who waits."""
        payload = call.policy.encode(value)
        flight.payload = payload
        fresh, kept = call.policy.lifetimes.of(value)
        if kept <= 0 or len(payload) > self.settings.max_value_bytes:
            if kept > 0:
                self.warn("cache_value_too_large", call.policy.tally.name, bytes=len(payload))
            self._release(store, lease)
            return
        try:
            flight.was_current = store.finish(lease, payload, fresh_seconds=fresh, kept_seconds=kept)
        except CacheError:
            flight.was_current = True  # as far as this process knows
            return
        if flight.was_current:
            self.keep_near(reading, payload, value, fresh)

    def _failed(self, call: Call, store: ValueStore, lease: Lease, old: Any, failure: Failure) -> Any:
        """The old value, if there is one; it is tried again after a moment. Else the error, and the next one tries."""
        call.policy.tally.count(ERROR)
        if old is MISSING or not isinstance(failure.error, Exception):
            self._release(store, lease)
            return failure
        self._hold_off(store, lease)
        self.warn("cache_load_failed", call.policy.tally.name, served="an old value", exc_info=failure.error)
        return old

    def _hold_off(self, store: ValueStore, lease: Lease) -> None:
        try:
            store.renew([lease], lease_seconds=HELD_AFTER_FAILURE_SECONDS)
        except CacheError:
            return  # it runs out by itself

    def _release(self, store: ValueStore, lease: Lease) -> None:
        try:
            store.release(lease)
        except CacheError:
            return  # it runs out by itself

    def warn(self, event: str, name: str, **fields: Any) -> None:
        """At most once a minute for each name: what fails may fail a thousand times a second."""
        times = self._notices.times(event, name)
        if times:
            self.log.warning(event, name=name, times=times, **fields)
