"""Cached values in Redis: each decision is one script, so that processes and threads cannot come between its steps."""

from __future__ import annotations

import secrets
import struct
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..feed import encode_keys, publish_script
from ..names import escape_pattern, near_names, require_prefix
from ..near_values import EVERY_VALUE, EVERYTHING_TAG
from ..protocols import Asked, Begun, Lease, Loaded, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from redis import Redis

    from ..._shared_redis import Script, SharedRedis
    from ..protocols import Wanted

VALUE, LEASE, TAG, SERVER = "v:", "l:", "t:", "server"
EVERYTHING: Final = EVERYTHING_TAG.encode()
MAX_COUNTED = 100_000  # keys that `stats` looks at
_DAY_MS: Final = 86_400_000
_SPARE_MS: Final = 60_000  # longer than their leases: a machine may stand still for a while
_MAX_MS: Final = 100 * 365 * _DAY_MS
_BATCH: Final = 500  # names in one script, so that Redis is never kept busy for long
_LOADS: Final = 100  # values that are loaded together
_LOADED_BYTES: Final = 4 * 1024 * 1024
_HOLD: Final = "!"  # begins the version of a tag that is about to change
_VERSION_BYTES: Final = 8  # twice as many as hexadecimal digits
_HEAD: Final = struct.Struct(">Bd")  # version of the format; fresh until, seconds since the epoch
_FORMAT: Final = 1


class RedisStore:
    """The `ValueStore` on one Redis, which may be a cluster's. Thread-safe.

    Keys are `<prefix>v:<key>` (a value), `<prefix>l:<key>` (a lease), `<prefix>t:<tag>` (the version of a tag), and
    `<prefix>server` (which server has them: one started again from a snapshot may lack invalidations, and forgets all);
    nothing else is ever touched. `channel` is where the near caches listen: `write` and `invalidate` tell them in the same step;
    without one they are not told.
    `clock` gives seconds since the epoch; the machines' clocks should agree, since one writes until when a value is
    fresh and another reads it.
    """

    name = "redis"
    is_shared = True

    def __init__(
        self,
        redis: SharedRedis,
        *,
        channel: str | None,
        prefix: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.prefix = redis.key("cache", "") if prefix is None else prefix
        self._redis = redis
        self._channel = channel or ""
        self.reaches_near_caches = channel is not None
        self._clock = clock
        self._values, self._leases, self._tags, self._server = (
            (self.prefix + kind).encode("utf-8", "surrogatepass") for kind in (VALUE, LEASE, TAG, SERVER)
        )
        self._looked_after = -1  # so many connections had been made when the server was looked at
        redis.on_recovery(self.look_again)

    @property
    def is_away(self) -> bool:
        """See `ValueStore`."""
        return self._redis.is_down

    @cached_property
    def _begin(self) -> Script:
        return self._script("begin")

    @cached_property
    def _finish(self) -> Script:
        return self._script("finish")

    @cached_property
    def _write(self) -> Script:
        return self._script("write", publishes=True)

    @cached_property
    def _invalidate(self) -> Script:
        return self._script("invalidate", publishes=True)

    @cached_property
    def _look(self) -> Script:
        return self._script("look", publishes=True)

    @cached_property
    def _renew(self) -> Script:
        return self._script("renew")

    def read(self, wanted: Sequence[Wanted]) -> list[Stored | None]:
        """See `ValueStore`: one MGET of the values and of all their tags. After a new connection one look at the server."""
        found = self._read(wanted)
        made = self._redis.connections_made
        if made == self._looked_after:
            return found
        keys: list[Any] = [self._server, self._tags + EVERYTHING]
        is_another = self._look(keys, (self._channel, EVERY_VALUE))
        self._looked_after = made
        return self._read(wanted) if is_another else found

    def look_again(self) -> None:
        """Redis was away: it may be another one now."""
        self._looked_after = -1

    def _read(self, wanted: Sequence[Wanted]) -> list[Stored | None]:
        if len(wanted) == 1:  # by far the most frequent
            one = wanted[0]
            value, *versions = self._redis.command("MGET", *self._names_of(one))
            return [None if value is None else _parse(value, versions)]
        if not wanted:
            return []
        tags = dict.fromkeys(tag for one in wanted for tag in one.tags)
        names = [_named(self._values, one.key) for one in wanted]
        names += [_named(self._tags, tag) for tag in tags]
        answer = self._redis.command("MGET", *names)
        current = dict(zip(tags, answer[len(wanted) :], strict=True))
        return [
            None if value is None else _parse(value, [current[tag] for tag in one.tags])
            for one, value in zip(wanted, answer, strict=False)
        ]

    def begin(self, wanted: Wanted, *, owner: str, lease_seconds: float, is_refresh: bool = False) -> Begun:
        """See `ValueStore`. A lease that was taken before an invalidation of its tags is taken over."""
        asked = Asked(wanted=wanted, owner=owner, is_refresh=is_refresh)
        return self.begin_many([asked], lease_seconds=lease_seconds)[0]

    def begin_many(self, asked: Sequence[Asked], *, lease_seconds: float) -> list[Begun]:
        """See `ValueStore`: one script for every 100."""
        found: list[Begun] = []
        for batch in _batches(asked, _LOADS):
            keys: list[Any] = []
            args: list[Any] = [_milliseconds(lease_seconds), _kept_with(lease_seconds)]
            for one in batch:
                keys += self._keys_of(one.wanted)
                args += [len(one.wanted.tags), one.owner, "1" if one.is_refresh else "0"]
                args += [secrets.token_hex(_VERSION_BYTES) for _ in one.wanted.tags]
            found += map(_begun, batch, self._begin(keys, args))
        return found

    def finish(self, lease: Lease, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> bool:
        """See `ValueStore`."""
        loaded = Loaded(lease=lease, payload=payload, fresh_seconds=fresh_seconds, kept_seconds=kept_seconds)
        return self.finish_many([loaded])[0]

    def finish_many(self, loaded: Sequence[Loaded]) -> list[bool]:
        """See `ValueStore`: one script for every 100, or 4 MiB."""
        stored: list[bool] = []
        now = self._clock()
        for batch in _bounded_batches(loaded):
            keys: list[Any] = []
            args: list[Any] = []
            for one in batch:
                wanted, lease = one.lease.wanted, one.lease
                keys += self._keys_of(wanted)
                head = _HEAD.pack(_FORMAT, now + one.fresh_seconds)
                args += [len(wanted.tags), lease.owner, _milliseconds(one.kept_seconds), head]
                args += ["".join(lease.versions).encode("latin-1"), one.payload]
            stored += map(bool, self._finish(keys, args))
        return stored

    def release(self, *leases: Lease) -> None:
        """See `ValueStore`: one script for all."""
        self._hold(leases, 0, 0)

    def renew(self, leases: Sequence[Lease], *, lease_seconds: float) -> None:
        """See `ValueStore`: one script for all."""
        self._hold(leases, _milliseconds(lease_seconds), _kept_with(lease_seconds))

    def write(self, wanted: Wanted, payload: bytes, *, fresh_seconds: float, kept_seconds: float) -> None:
        """See `ValueStore`."""
        head = _HEAD.pack(_FORMAT, self._clock() + fresh_seconds)
        proposed = [secrets.token_hex(_VERSION_BYTES) for _ in wanted.tags]
        names = map(_bytes, near_names(keys=[wanted.key]))
        args: tuple[Any, ...] = (
            _milliseconds(kept_seconds),
            _DAY_MS,
            head,
            payload,
            self._channel,
            *names,
            *proposed,
        )
        self._write(self._keys_of(wanted), args)

    def invalidate(
        self,
        *,
        keys: Sequence[str] = (),
        tags: Sequence[str] = (),
        prefix: str | None = None,
        hold_seconds: float = 0.0,
    ) -> int:
        """See `ValueStore`. One script for every 500 names; a prefix by SCAN, which never keeps Redis busy for long."""
        if prefix is not None:
            require_prefix(prefix)
        found, hold_ms = 0, _milliseconds(hold_seconds) if hold_seconds else 0
        if len(keys) + len(tags) <= _BATCH:
            found = self._forget(keys, tags, hold_ms) if keys or tags else 0
        else:
            for batch in _batches(tags):
                found += self._forget((), batch, hold_ms)
            for batch in _batches(keys):
                found += self._forget(batch, (), hold_ms)
        if prefix is not None:
            found += self._forget_prefix(prefix)
        return found

    def stats(self) -> Mapping[str, Any]:
        """Facts of Redis, and how many values are ours; `counted_all` is False when there are more than were counted."""
        info = self._redis.run(lambda client: client.info())
        count = self._redis.run(lambda client: _count(client, self._pattern(self._values), MAX_COUNTED))
        return {
            "store": self.name,
            "prefix": self.prefix,
            "entries": count,
            "counted_all": count < MAX_COUNTED,
            "bytes_of_all_keys": info.get("used_memory"),
            "max_bytes": info.get("maxmemory") or None,
            "eviction_policy": info.get("maxmemory_policy"),
            "evictions": info.get("evicted_keys"),
        }

    def _hold(self, leases: Sequence[Lease], milliseconds: int, tags_milliseconds: int) -> None:
        for batch in _batches(leases, _LOADS):
            keys: list[Any] = []
            args: list[Any] = [milliseconds, tags_milliseconds]
            for lease in batch:
                tags = lease.wanted.tags
                keys += [_named(self._leases, lease.wanted.key), *(_named(self._tags, tag) for tag in tags)]
                args += [lease.owner, len(tags)]
            self._renew(keys, args)

    def _forget(self, keys: Sequence[str], tags: Sequence[str], hold_ms: int) -> int:
        names: list[Any] = [_named(kind, key) for key in keys for kind in (self._values, self._leases)]
        names += [_named(self._tags, tag) for tag in tags]
        told = map(_bytes, near_names(keys=keys, tags=tags))
        meanwhile = _HOLD + secrets.token_hex(_VERSION_BYTES)[1:]
        return int(self._invalidate(names, (len(keys), self._channel, hold_ms, meanwhile, *told)))

    def _forget_prefix(self, prefix: str) -> int:
        """Leases first: who is loading cannot store from then on, and what was stored before, the second pass finds."""
        self._redis.run(lambda client: _unlink(client, self._pattern(self._leases, prefix)))
        found = self._redis.run(lambda client: _unlink(client, self._pattern(self._values, prefix)))
        if self._channel:
            self._redis.command("PUBLISH", self._channel, encode_keys(tuple(near_names(prefix=prefix))))
        return found

    def _pattern(self, kind: bytes, prefix: str = "") -> bytes:
        return escape_pattern(kind + _bytes(prefix)) + b"*"

    def _names_of(self, wanted: Wanted) -> list[Any]:
        return [_named(self._values, wanted.key), *(_named(self._tags, tag) for tag in wanted.tags)]

    def _keys_of(self, wanted: Wanted) -> list[Any]:
        value, *tags = self._names_of(wanted)
        return [value, _named(self._leases, wanted.key), *tags]

    def _script(self, name: str, *, publishes: bool = False) -> Script:
        folder = Path(__file__).parent / "redis_scripts"
        parts = [(folder / f"{part}.lua").read_text() for part in ("shared", name)]
        return self._redis.script("".join([publish_script() if publishes else "", *parts]))


def _parse(value: bytes, versions: Sequence[bytes | None]) -> Stored | None:
    """What a value holds, if it was stored under these versions of its tags."""
    if len(value) < _HEAD.size or value[0] != _FORMAT or None in versions:
        return None
    start = _HEAD.size
    if versions:
        current = b"".join(versions)  # type: ignore[arg-type]  # none of them is None
        start += len(current)
        if len(current) != len(versions) * 2 * _VERSION_BYTES or value[_HEAD.size : start] != current:
            return None
    return Stored(payload=value[start:], fresh_until=_HEAD.unpack_from(value)[1])


def _named(kind: bytes, name: str) -> bytes:
    return kind + name.encode("utf-8", "surrogatepass")  # JSON of a client may have lone surrogates


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def _milliseconds(seconds: float) -> int:
    return max(1, min(_MAX_MS, round(seconds * 1000)))


def _kept_with(lease_seconds: float) -> int:
    """How long tags are kept while a value is loaded: strangers can ask for any number of values that never come."""
    return _milliseconds(lease_seconds) + _SPARE_MS


def _begun(asked: Asked, answer: Sequence[Any]) -> Begun:
    """What the script says of one value; it has looked at its format and compared the versions."""
    value, is_taken, versions = answer
    stored = lease = None
    if value:
        start = _HEAD.size + len(versions)
        stored = Stored(payload=value[start:], fresh_until=_HEAD.unpack_from(value)[1])
    if is_taken:
        lease = Lease(wanted=asked.wanted, owner=asked.owner, versions=(versions.decode("latin-1"),))
    return Begun(stored=stored, lease=lease)


def _batches(names: Sequence[Any], size: int = _BATCH) -> Iterator[Sequence[Any]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _bounded_batches(loaded: Sequence[Loaded]) -> Iterator[Sequence[Loaded]]:
    batch: list[Loaded] = []
    size = 0
    for one in loaded:
        if batch and (len(batch) == _LOADS or size + len(one.payload) > _LOADED_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.payload)
    if batch:
        yield batch


def _unlink(client: Redis, pattern: bytes) -> int:
    found, batch = 0, []
    for key in client.scan_iter(match=pattern, count=_BATCH):
        batch.append(key)
        if len(batch) == _BATCH:
            found += int(client.unlink(*batch))
            batch = []
    return found + (int(client.unlink(*batch)) if batch else 0)


def _count(client: Redis, pattern: bytes, limit: int) -> int:
    count = 0
    for _ in client.scan_iter(match=pattern, count=1000):
        count += 1
        if count == limit:
            break
    return count
