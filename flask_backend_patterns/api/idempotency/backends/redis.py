"""Results in Redis: for apps without a database, or views that write elsewhere."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import CacheError
from ..refusals import in_progress, mismatch
from ..stored_response import StoredResponse

if TYPE_CHECKING:
    from ...._contribution import EventLog
    from ...._shared_redis import SharedRedis
    from ..protocols import Attempt, Entry


class RedisStore:
    """The store on one Redis; an attempt holds its key for `lease_seconds` at most.

    A process that is killed between write and answer leaves the key taken until the lease ends; after that the
    request runs again. When Redis is away requests are refused (`CacheError`, a 503).
    """

    def __init__(self, redis: SharedRedis, *, lease_seconds: int, log: EventLog) -> None:
        self._key = partial(redis.key, "idempotency")
        self._lease_ms = lease_seconds * 1000
        self._log = log
        self._claim = redis.script(_script("claim"))
        self._complete = redis.script(_script("complete"))
        self._release = redis.script(_script("release"))

    def begin(self, entry: Entry) -> StoredResponse | Attempt:
        """See `IdempotencyStore`."""
        token = secrets.token_hex(16)
        keys = [self._key(entry.key_hash)]
        answer: Any = self._claim(keys=keys, args=[token, entry.fingerprint, self._lease_ms])
        kind = bytes(answer[0])
        if kind == b"finished":
            return _parse(answer[1])
        if kind == b"mismatch":
            raise mismatch()
        if kind == b"in_progress":
            raise in_progress()
        return RedisAttempt(self, entry, token)

    def complete(self, entry: Entry, token: str, result: StoredResponse) -> None:
        """Store `result`. What was written stands whatever happens here, so a failure is logged only."""
        args: list[str | int] = [token, _dump(result), entry.ttl_seconds * 1000]
        try:
            if not self._complete(keys=[self._key(entry.key_hash)], args=args):
                self._log.error("idempotency_lease_lost", lease_seconds=self._lease_ms // 1000)
        except CacheError as error:
            self._log.error("idempotency_result_lost", exc_info=error)

    def release(self, entry: Entry, token: str) -> None:
        """Give the key back; when that fails the lease does it."""
        try:
            self._release(keys=[self._key(entry.key_hash)], args=[token])
        except CacheError as error:
            self._log.warning("idempotency_release_failed", exc_info=error)


class RedisAttempt:
    """A leased key."""

    def __init__(self, store: RedisStore, entry: Entry, token: str) -> None:
        self._store = store
        self._entry = entry
        self._token = token
        self._is_complete = False

    def end_view(self) -> None:
        """Nothing: the view's writes are its own."""

    def undo(self) -> None:
        """Nothing: the view's writes are its own."""

    def complete(self, result: StoredResponse) -> None:
        """See `Attempt`."""
        self._is_complete = True
        self._store.complete(self._entry, self._token, result)

    def close(self) -> None:
        """See `Attempt`."""
        if not self._is_complete:
            self._store.release(self._entry, self._token)


def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text()


def _dump(result: StoredResponse) -> str:
    body = b64encode(result.body).decode()
    return json.dumps({"status": result.status, "headers": result.headers, "body": body})


def _parse(text: bytes) -> StoredResponse:
    record = json.loads(text)
    return StoredResponse(
        status=record["status"],
        headers=tuple((name, value) for name, value in record["headers"]),
        body=b64decode(record["body"]),
    )
