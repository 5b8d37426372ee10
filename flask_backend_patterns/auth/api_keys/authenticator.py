"""Callers that send an API key in a header."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from flask import request

from ...errors import InvalidTokenError
from ..identity import Actor
from .key_text import KeyText

if TYPE_CHECKING:
    from ..roles import Roles
    from ..users import Users
    from .keys import ApiKeys, StoredKey

SCHEME: Final = "ApiKey"
ALL_SCOPES: Final = "*"


@dataclass(frozen=True, kw_only=True)
class OwnedKey:
    """A key, and the roles that its owner had when it was looked up."""

    stored: StoredKey
    roles: tuple[str, ...]


class KeyCache(Protocol):
    """Remembers keys in the process, and is told when one is revoked: `NearCache`."""

    def get_or_load(self, key: str, load: Callable[[], OwnedKey]) -> OwnedKey:
        """The value of `key`: what is known, else what `load` returns; its exceptions pass through."""


class ApiKeyAuthenticator:
    """Finds the caller by the key in `header`. Without `cache` each request looks the key and its owner up.

    With it neither is looked up in steady state: `ApiKeys` publishes revoked keys to it. `Actor.roles` are the owner's
    only where the scopes are `*`: a key that may do less than its owner does not count as one of its roles.
    """

    name = "api_key"

    def __init__(
        self,
        keys: ApiKeys,
        *,
        users: Users,
        roles: Roles,
        header: str,
        cache: KeyCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._users = users
        self._roles = roles
        self._header = header
        self._cache = cache
        self._clock = clock

    def authenticate(self) -> Actor | None:
        """The caller; None without the header. Raises `InvalidTokenError` for everything but a key that counts."""
        sent = request.headers.get(self._header)
        if sent is None:
            return None
        text = KeyText.parse(sent)
        if text is None:
            raise _refused()
        owned = self._look_up(text.id)
        key = owned.stored.api_key
        if not owned.stored.belongs_to(text, now=self._clock()):
            raise _refused()
        self._keys.note_use(key.id)
        return Actor(
            id=key.owner_id,
            roles=self._roles.expanded(owned.roles) if ALL_SCOPES in key.scopes else (),
            permissions=self._roles.permissions_of(owned.roles, key.scopes),
            scopes=key.scopes,
            method=self.name,
            credential_id=key.id,
        )

    @property
    def challenge(self) -> str | None:
        """`ApiKey`, which many APIs say though nobody has registered it."""
        return SCHEME

    @property
    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """A key in a header."""
        return {"apiKey": {"type": "apiKey", "in": "header", "name": self._header}}

    def _look_up(self, key_id: str) -> OwnedKey:
        if self._cache is None:
            return self._load(key_id)
        return self._cache.get_or_load(self._keys.invalidation_key(key_id), lambda: self._load(key_id))

    def _load(self, key_id: str) -> OwnedKey:
        """Raises for ids that are made up and owners that are gone, so that these are not remembered."""
        stored = self._keys.find_stored(key_id)
        owner = None if stored is None else self._users.store.find_by_id(stored.api_key.owner_id)
        if stored is None or owner is None or not owner.auth_is_active:
            raise _refused()
        return OwnedKey(stored=stored, roles=tuple(owner.auth_roles))


def _refused() -> InvalidTokenError:
    return InvalidTokenError("The API key is invalid.", scheme=SCHEME)
