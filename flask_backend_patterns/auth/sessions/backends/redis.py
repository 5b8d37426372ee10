"""Sessions in Redis: each change is one script, so that processes and threads cannot come between its steps."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ....errors import InvalidTokenError
from ..cookie_value import CookieValue, new_id
from ..revocations import ENDED
from ..session import MICROSECONDS, CookieSession, Device, Grant, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis import Redis
    from redis.commands.core import Script

    from ...._contribution import EventLog
    from ..keys import SessionKeys, SubjectKeys
    from ..protocols import Outage
    from ..revocations import Revocations
    from ..session import Lifetimes

MAX_SESSIONS: Final = 100
TOUCH_SECONDS: Final = 60
MAX_SECONDS: Final = 100 * 31_536_000  # some tokens are made to live for ever
_SEED_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCRIPTS: Final = ("create", "rotate", "touch", "revoke", "revoke_all", "revoke_token", "list")


class RedisRevocationReader:
    """Reads revocations with one `MGET`."""

    def __init__(self, client: Redis, *, outage: Outage) -> None:
        self._client = client
        self._outage = outage

    def read(self, keys: Sequence[str]) -> dict[str, int]:
        """See `RevocationReader`; the keys are of one user."""
        answer: Any = self._outage.call(lambda: self._client.mget(keys))
        return {key: int(value or 0) for key, value in zip(keys, answer, strict=True)}


class RedisSessionStore:
    """The `SessionStore` on one Redis, which may be a cluster's. Thread-safe.

    `channel` is where the near caches listen. Times are by the clock of Redis, so that "issued before" means the same in
    every process; `clock` (seconds since the epoch) takes its place in tests.
    """

    def __init__(  # noqa: PLR0913 - its surroundings, keyword only
        self,
        client: Redis,
        *,
        outage: Outage,
        keys: SessionKeys,
        lifetimes: Lifetimes,
        revocations: Revocations,
        log: EventLog,
        channel: str = "",
        max_sessions: int = MAX_SESSIONS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._outage = outage
        self._keys = keys
        self._revocations = revocations
        self._log = log
        self._channel = channel
        self._max_sessions = max_sessions
        self._clock = clock
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self._scripts = {name: client.register_script(_script(name)) for name in _SCRIPTS}
        self._refresh = _microseconds(lifetimes.refresh_seconds)
        self._session = _microseconds(lifetimes.session_seconds)
        self._idle = _microseconds(lifetimes.idle_seconds)
        self._grace = _microseconds(lifetimes.grace_seconds)
        self._access = _microseconds(lifetimes.access_token_seconds)
        self._any = _microseconds(lifetimes.any_token_seconds)
        # A quarter, so that somebody who is there is not thrown out for the note that was not taken.
        self.touch_seconds = min(float(TOUCH_SECONDS), lifetimes.idle_seconds / 4)

    def listen(self, forget: Callable[[str], None]) -> None:
        """See `SessionStore`."""
        self._listeners = (*self._listeners, forget)

    def create(self, *, subject: str, device: Device | None = None) -> Grant:
        """See `SessionStore`."""
        session_id, token_id, seed = new_id(), new_id(), secrets.token_urlsafe(_SEED_BYTES)
        fields = {"kind": "tokens", "token_id": token_id, "seed": seed}
        issued_at, expires_at = self._create(
            self._keys.of(subject), session_id, self._refresh, subject, device, fields
        )
        return Grant(
            session_id=session_id, token_id=token_id, seed=seed, issued_at=issued_at, expires_at=expires_at
        )

    def create_cookie(
        self, *, subject: str, roles: Sequence[str], device: Device | None = None
    ) -> tuple[CookieSession, CookieValue]:
        """See `SessionStore`."""
        cookie = CookieValue.new(subject)
        fields = {"kind": "cookie", "secret_hash": cookie.secret_hash, "roles": json.dumps(list(roles))}
        issued_at, expires_at = self._create(
            self._keys.of(subject), cookie.session_id, self._idle, subject, device, fields
        )
        session = CookieSession(
            id=cookie.session_id,
            subject=subject,
            roles=tuple(roles),
            created_at=issued_at / MICROSECONDS,
            remaining_seconds=(expires_at - issued_at) / MICROSECONDS,
        )
        return session, cookie

    def _create(
        self,
        of: SubjectKeys,
        session_id: str,
        unused: int,
        subject: str,
        device: Device | None,
        fields: Mapping[str, str],
    ) -> tuple[int, int]:
        stored = {"subject": subject, "device": _dump(device or Device()), **fields}
        limits = (unused, self._session, self._max_sessions, self._access, self._any)
        pairs = (part for pair in stored.items() for part in pair)
        args = (self._now(), session_id, of.prefix, *limits, self._channel, *pairs)
        names = [of.session(session_id), of.index, of.not_before, of.issued]
        issued_at, expires_at, *ended = self._run("create", names, args)
        for ended_id in ended:
            self._learn_end(of, ended_id.decode())
        return int(issued_at), int(expires_at)

    def rotate(self, *, subject: str, session_id: str, token_id: str, device: Device | None = None) -> Grant:
        """See `SessionStore`."""
        of = self._keys.of(subject)
        successor = (new_id(), secrets.token_urlsafe(_SEED_BYTES))
        limits = (self._refresh, self._session, self._grace, self._access, self._any)
        dumped = "" if device is None else _dump(device)
        args = (self._now(), session_id, of.prefix, token_id, *successor, *limits, self._channel, dumped)
        names = [of.session(session_id), of.index, of.not_before, of.issued]
        outcome, *values = self._run("rotate", names, args)
        if not values:
            if outcome != b"unknown":
                self._learn_end(of, session_id)
            if outcome == b"reused":
                self._log.warning("auth.refresh_reused", subject=subject, session=session_id)
            raise InvalidTokenError("The session has ended; log in again.", code="TOKEN_REVOKED")
        return Grant(
            session_id=session_id,
            token_id=values[0].decode(),
            seed=values[1].decode(),
            issued_at=int(values[2]),
            expires_at=int(values[3]),
            is_replay=outcome == b"replayed",
        )

    def touch(self, cookie: CookieValue) -> CookieSession | None:
        """See `SessionStore`; last use is written at most once in `touch_seconds`."""
        of = self._keys.of_tag(cookie.tag)
        limits = (self._idle, self._session, _microseconds(self.touch_seconds))
        args = (self._now(), cookie.session_id, cookie.secret_hash, *limits)
        answer = self._run("touch", [of.session(cookie.session_id), of.index, of.not_before], args)
        if not answer:
            return None
        return CookieSession(
            id=cookie.session_id,
            subject=answer[0].decode(),
            roles=tuple(json.loads(answer[1])),
            created_at=int(answer[2]) / MICROSECONDS,
            remaining_seconds=int(answer[3]) / MICROSECONDS,
        )

    def revoke(self, *, subject: str, session_id: str, known_only: bool = False) -> bool:
        """See `SessionStore`."""
        return self._revoke(self._keys.of(subject), session_id, known_only=known_only)

    def revoke_cookie(self, cookie: CookieValue) -> bool:
        """See `SessionStore`."""
        of = self._keys.of_tag(cookie.tag)
        return self._revoke(of, cookie.session_id, known_only=True, secret_hash=cookie.secret_hash)

    def _revoke(self, of: SubjectKeys, session_id: str, *, known_only: bool, secret_hash: str = "") -> bool:
        args = (session_id, of.prefix, self._access, self._channel, "1" if known_only else "", secret_hash)
        existed = bool(self._run("revoke", [of.session(session_id)], args))
        if existed or not known_only:
            self._learn_end(of, session_id)
        return existed

    def revoke_token(self, *, subject: str, token_id: str, seconds: float) -> None:
        """See `SessionStore`."""
        key = self._keys.of(subject).revoked_token(token_id)
        self._run("revoke_token", [key], (_microseconds(min(seconds, MAX_SECONDS)), self._channel))
        self._revocations.learn({key: ENDED})

    def revoke_all(self, subject: str, *, keep: str | None = None) -> int:
        """See `SessionStore`."""
        of = self._keys.of(subject)
        args = (self._now(), of.prefix, self._access, self._any, self._channel, keep or "")
        until, is_kept, *ids = self._run("revoke_all", [of.index, of.not_before, of.issued], args)
        kept = {of.revoked_session(keep): int(until)} if keep and is_kept == b"1" else {}
        self._revocations.learn(kept | {of.not_before: int(until)})  # the exception first
        for session_id in ids:
            self._learn_end(of, session_id.decode())
        return len(ids)

    def list(self, subject: str, *, current_id: str | None = None) -> tuple[Session, ...]:
        """See `SessionStore`."""
        of = self._keys.of(subject)
        rows = self._run("list", [of.index, of.not_before], (self._now(), of.prefix))
        return tuple(_session(subject, row, current_id) for row in rows)

    def _learn_end(self, of: SubjectKeys, session_id: str) -> None:
        self._revocations.learn({of.revoked_session(session_id): ENDED})
        for forget in self._listeners:
            forget(of.session(session_id))

    def _now(self) -> str:
        return "" if self._clock is None else str(_microseconds(self._clock()))

    def _run(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        script: Script = self._scripts[name]
        return self._outage.call(lambda: script(keys=keys, args=args))


def _script(name: str) -> str:
    folder = Path(__file__).parent
    return "".join((folder / f"{part}.lua").read_text() for part in ("shared", name))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _dump(device: Device) -> str:
    return json.dumps(asdict(device))


def _session(subject: str, row: Sequence[bytes], current_id: str | None) -> Session:
    session_id, kind, created_at, last_used_at, expires_at, device = (part.decode() for part in row)
    return Session(
        id=session_id,
        subject=subject,
        kind=kind,
        created_at=_moment(created_at),
        last_used_at=_moment(last_used_at),
        expires_at=_moment(expires_at),
        device=Device(**json.loads(device)),
        is_current=session_id == current_id,
    )


def _moment(microseconds: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))
