"""A value that is kept after a commit, unless somebody else changes it at the same time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .access import call_for, engine_of
from .lease_keeper import process_keeper

if TYPE_CHECKING:
    from .aside import CacheAside
    from .policy import Call
    from .protocols import Lease, ValueStore


class PendingWrite:
    """Takes the lease of its key before the commit, and stores after it: who comes in between breaks the lease.

    So of two transactions that write the same key at once, neither stores (PITFALLS C7).
    """

    def __init__(self, engine: CacheAside, call: Call, value: Any, payload: bytes) -> None:
        self.key = call.key
        self._engine = engine
        self._call = call
        self._value = value
        self._payload = payload
        self._held: tuple[ValueStore, Lease] | None = None

    def prepare(self) -> None:
        """Before the commit."""
        store = self._engine.ready_store()
        if store is None or self._held is not None:
            return
        seconds = self._engine.settings.lease_seconds
        try:
            if store.is_shared:  # should this process die after the commit, the old value must be gone
                store.invalidate(keys=[self.key])
                self._engine.forget_here(keys=[self.key])
            begun = store.begin(
                self._call.wanted, owner=uuid.uuid4().hex, lease_seconds=seconds, is_refresh=True
            )
        except CacheError:
            return  # it will be forgotten instead
        if begun.lease is not None:
            self._held = store, begun.lease
            process_keeper().hold(store, begun.lease, seconds)

    def finish(self) -> None:
        """After the commit."""
        fresh, kept = self._call.policy.lifetimes.of(self._value)
        is_kept = False
        if (
            self._held is not None
            and kept > 0
            and len(self._payload) <= self._engine.settings.max_value_bytes
        ):
            store, lease = self._held
            try:
                is_kept = store.finish(lease, self._payload, fresh_seconds=fresh, kept_seconds=kept)
            except CacheError:
                is_kept = False
        self._drop()
        if is_kept:
            self._engine.tell_written(self.key)
        else:
            self._engine.invalidate(keys=[self.key])

    def cancel(self) -> None:
        """After a rollback."""
        if self._held is not None:
            store, lease = self._held
            self._drop()
            try:
                store.release(lease)
            except CacheError:
                return  # it runs out by itself

    def _drop(self) -> None:
        if self._held is not None:
            process_keeper().drop(self._held[1])


def prepare_write(key: str, value: Any, **options: Any) -> PendingWrite | None:
    """None where the cache is switched off. Raises `UncacheableValueError`; options as of `write_through`."""
    engine = engine_of("write_through_after_commit")
    if engine is None:
        return None
    call = call_for(engine, key, name="write_through", **options)
    return PendingWrite(engine, call, value, call.policy.encode(value))
