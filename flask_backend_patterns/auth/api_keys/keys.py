"""Makes, lists, finds and revokes API keys, in the app's database."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ..._config import ConfigError
from ..._transaction import after_commit
from ...errors import ConflictError, ValidationError
from ..database import AuthDatabase
from ..permissions import Permissions
from ..stored_text import is_storable
from ..tables import API_KEYS, MAX_ID_LENGTH, MAX_NAME_LENGTH
from .key_text import KeyText, is_key_prefix
from .last_use import LastUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.orm import Session

    from ..._contribution import EventLog

MAX_SCOPES: Final = 100
MAX_KEYS: Final = 50  # of one owner, that count at a time
_MAX_SCOPE_LENGTH = 255
_UNKNOWN_HASH = "0" * 64  # no SHA-256 that anybody knows an origin of


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key as it may be shown; `shown` is how it begins. Times are in UTC.

    It may do what its owner may do and one of `scopes` grants; `*` stands for all that the owner may do.
    """

    id: str
    shown: str
    owner_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewApiKey:
    """A key just made: `key` is its whole text, which nobody can be told again."""

    key: str = field(repr=False)
    api_key: ApiKey


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """A key and the hash of its text."""

    api_key: ApiKey
    key_hash: str = field(repr=False)

    def belongs_to(self, text: KeyText, *, now: float) -> bool:
        """Whether `text` is this key, and it counts at `now` (seconds since the epoch)."""
        is_same = hmac.compare_digest(self.key_hash, text.hash)
        key = self.api_key
        is_alive = key.revoked_at is None and (key.expires_at is None or key.expires_at.timestamp() > now)
        return is_same and is_alive


class ApiKeys:
    """The keys of an app. Thread-safe; each method is one short transaction, or a part of the open one.

    `publish` tells every process that keys (`invalidation_key` of each) are not what they were; called after the
    commit. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        database: AuthDatabase | None = None,
        *,
        prefix: str,
        log: EventLog,
        publish: Callable[..., None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not is_key_prefix(prefix):
            raise ConfigError(
                [
                    f"BACKEND_AUTH_API_KEY_PREFIX is {prefix!r}; expected 1 to 32 letters and digits, _ between them"
                ]
            )
        self._database = AuthDatabase() if database is None else database
        self._prefix = prefix
        self._publish = publish
        self._clock = clock
        self._last_use = LastUse(self._database, log=log, clock=clock)

    def create(
        self, owner_id: str, *, name: str, scopes: Iterable[str] = (), expires_at: datetime | None = None
    ) -> NewApiKey:
        """A new key of the user `owner_id`; without scopes it shows who calls, and may do nothing.

        Raises `ValidationError` for a name, scopes or an expiry that cannot be, `ConflictError` when the owner has
        50 keys that count: what was lost or stolen in numbers is not to grow unseen.
        """
        now = int(self._clock())
        granted = _checked_scopes(scopes)
        _check_names(owner_id, name)
        key, text = KeyText.make(self._prefix)
        row = {
            "id": text.id,
            "prefix": text.prefix,
            "owner_id": owner_id,
            "name": name.strip(),
            "key_hash": text.hash,
            "scopes": json.dumps(granted),
            "created_at": now,
            "expires_at": _checked_expiry(expires_at, now),
            "last_used_at": None,
            "revoked_at": None,
        }
        from sqlalchemy import insert

        with self._database.writing() as session:
            self._require_room(session, owner_id, now)
            session.execute(insert(self._table).values(**row))
        return NewApiKey(key=key, api_key=_api_key(row))

    def list(self, owner_id: str, *, with_revoked: bool = False) -> Sequence[ApiKey]:
        """The owner's keys, newest first; expired ones too."""
        from sqlalchemy import select

        columns = self._table.c
        if not is_storable(owner_id, max_length=MAX_ID_LENGTH):
            return ()
        wanted = select(self._table).where(columns.owner_id == owner_id)
        if not with_revoked:
            wanted = wanted.where(columns.revoked_at.is_(None))
        with self._database.reading() as session:
            rows = session.execute(wanted.order_by(columns.created_at.desc(), columns.id)).mappings().all()
        return tuple(_api_key(row) for row in rows)

    def revoke(self, owner_id: str, key_id: str) -> bool:
        """End a key of this owner, in every process; False when it has no such key, or that is revoked already."""
        if not is_storable(key_id, max_length=MAX_ID_LENGTH):
            return False
        return bool(self._revoke(owner_id, self._table.c.id == key_id))

    def revoke_all(self, owner_id: str) -> int:
        """End every key of this owner; returns how many."""
        return len(self._revoke(owner_id))

    def forget(self, owner_id: str) -> None:
        """The owner's roles have changed, or it may no longer log in: no process uses what it remembers of its keys."""
        self._announce([key.id for key in self.list(owner_id)])

    def find(self, key: str) -> ApiKey | None:
        """The key with this text, if it counts now; None for everything else, with the same work for each."""
        text = KeyText.parse(key)
        if text is None:
            return None
        stored = self.find_stored(text.id)
        if stored is None or not stored.belongs_to(text, now=self._clock()):
            return None
        return stored.api_key

    def find_stored(self, key_id: str) -> StoredKey | None:
        """The key with this id, whether or not it counts."""
        from sqlalchemy import select

        with self._database.reading() as session:
            wanted = select(self._table).where(self._table.c.id == key_id)
            row = session.execute(wanted).mappings().one_or_none()
        return None if row is None else StoredKey(api_key=_api_key(row), key_hash=row["key_hash"])

    def note_use(self, key_id: str) -> None:
        """The key is being used now; written at most once a minute, never fails and hardly waits."""
        self._last_use.note(key_id)

    @staticmethod
    def invalidation_key(key_id: str) -> str:
        """What `publish` is called with, and caches keep this key under."""
        return f"api_key:{key_id}"

    @property
    def _table(self) -> Table:
        return self._database.table(API_KEYS)

    def _require_room(self, session: Session, owner_id: str, now: int) -> None:
        """Raise `ConflictError` when the owner has all the keys that it may have; requests for one owner take turns."""
        from sqlalchemy import func, or_, select

        if self._database.engine.dialect.name == "postgresql":
            turn = func.hashtextextended(f"{API_KEYS}:{owner_id}", 0)
            session.execute(select(func.pg_advisory_xact_lock(turn)))
        columns = self._table.c
        alive = select(columns.id).where(
            columns.owner_id == owner_id,
            columns.revoked_at.is_(None),
            or_(columns.expires_at.is_(None), columns.expires_at > now),
        )
        if len(session.scalars(alive.limit(MAX_KEYS)).all()) == MAX_KEYS:
            raise ConflictError(f"You have {MAX_KEYS} API keys; end one that you no longer use.")

    def _revoke(self, owner_id: str, *conditions: ColumnElement[bool]) -> tuple[str, ...]:
        """The ids of the keys that were revoked by this call, and by no other."""
        from sqlalchemy import select, update

        if not is_storable(owner_id, max_length=MAX_ID_LENGTH):
            return ()
        columns = self._table.c
        alive = (columns.owner_id == owner_id, columns.revoked_at.is_(None), *conditions)
        with self._database.writing() as session:
            ids = session.scalars(select(columns.id).where(*alive).with_for_update()).all()
            if ids:
                change = update(self._table).where(columns.id.in_(ids), columns.revoked_at.is_(None))
                session.execute(change.values(revoked_at=int(self._clock())))
        self._announce(ids)
        return tuple(ids)

    def _announce(self, key_ids: Iterable[str]) -> None:
        publish, names = self._publish, [self.invalidation_key(key_id) for key_id in key_ids]
        if publish is not None and names:
            after_commit(lambda: publish(*names))


def _api_key(row: Any) -> ApiKey:
    created_at = _moment(row["created_at"])
    return ApiKey(
        id=row["id"],
        shown=f"{row['prefix']}_{row['id']}",
        owner_id=row["owner_id"],
        name=row["name"],
        scopes=tuple(json.loads(row["scopes"])),
        created_at=created_at or datetime.fromtimestamp(0, UTC),
        expires_at=_moment(row["expires_at"]),
        last_used_at=_moment(row["last_used_at"]),
        revoked_at=_moment(row["revoked_at"]),
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(scopes))
    if len(wanted) > MAX_SCOPES or any(len(scope) > _MAX_SCOPE_LENGTH for scope in wanted):
        raise _invalid(
            "scopes", f"Give at most {MAX_SCOPES} scopes of at most {_MAX_SCOPE_LENGTH} characters."
        )
    try:
        Permissions.parse(wanted)
    except ValueError:
        raise _invalid("scopes", "Write each scope like orders:read, orders:* or orders:read:own.") from None
    return wanted


def _check_names(owner_id: str, name: str) -> None:
    if not is_storable(owner_id, max_length=MAX_ID_LENGTH):
        raise _invalid("owner_id", "The id of a user is needed.")
    if not is_storable(name, max_length=MAX_NAME_LENGTH) or not name.strip() or not name.isprintable():
        raise _invalid("name", f"Give a name of 1 to {MAX_NAME_LENGTH} printable characters.")


def _checked_expiry(expires_at: datetime | None, now: int) -> int | None:
    if expires_at is None:
        return None
    if expires_at.utcoffset() is None:
        raise _invalid("expires_at", "Give the time with its zone, as in 2030-01-31T12:00:00Z.")
    seconds = int((expires_at - datetime.fromtimestamp(0, UTC)).total_seconds())
    if seconds <= now:
        raise _invalid("expires_at", "Give a time in the future.")
    return seconds


def _invalid(field_name: str, message: str) -> ValidationError:
    return ValidationError(details=[{"field": field_name, "message": message}])
