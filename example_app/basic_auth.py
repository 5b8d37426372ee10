"""Logging in by HTTP Basic (RFC 7617), until the package's tokens arrive: that issue deletes this file.

Verified credentials are remembered for some seconds, so that not every request pays for Argon2. A changed password or
role is noticed after `_REMEMBER_SECONDS` at the latest.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from flask import request

from example_app.actor import Actor
from example_app.extensions import db
from example_app.repositories.users import UserRepository
from flask_backend_patterns import ForbiddenError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_ENVIRON_KEY = "example_app.actor"
_SCHEME = 'Basic realm="shop"'
_REMEMBER_SECONDS = 30.0
_REMEMBER_ENTRIES = 256

_hasher = PasswordHasher()


class VerifiedCredentials:
    """A bounded, short memory of credentials that were right; holds no password. Safe to share by threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()

    def get(self, email: str, password: str) -> Actor | None:
        """Who these credentials belong to, if they were verified a moment ago."""
        with self._lock:
            until, actor = self._entries.get(self._key(email, password), (0.0, None))
        return actor if self._clock() < until else None

    def put(self, email: str, password: str, actor: Actor) -> None:
        """Remember; the oldest entry goes when there are too many."""
        with self._lock:
            self._entries[self._key(email, password)] = (self._clock() + _REMEMBER_SECONDS, actor)
            while len(self._entries) > _REMEMBER_ENTRIES:
                self._entries.popitem(last=False)

    def _key(self, email: str, password: str) -> bytes:
        message = f"{len(email)}:{email}{password}".encode()
        return hmac.digest(self._secret, message, hashlib.sha256)


_verified = VerifiedCredentials()


def hash_password(password: str) -> str:
    """An Argon2id hash in PHC form."""
    return _hasher.hash(password)


def current_actor() -> Actor:
    """The caller of this request; `UnauthorizedError` when the request carries no valid credentials."""
    actor: Actor | None = request.environ.get(_ENVIRON_KEY)
    if actor is None:
        # In the request itself, not in `g`: that belongs to the app context, which may outlive a request.
        actor = request.environ[_ENVIRON_KEY] = _authenticate()
    return actor


def require_login(view: Callable[P, R]) -> Callable[P, R]:
    """Only callers with valid credentials reach the view."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        current_actor()
        return view(*args, **kwargs)

    return guarded


def require_role(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only callers with one of the roles reach the view."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if current_actor().role not in roles:
                raise ForbiddenError("Your role does not allow this.")
            return view(*args, **kwargs)

        return guarded

    return decorate


def _authenticate() -> Actor:
    credentials = request.authorization
    if credentials is None or credentials.type != "basic":
        raise UnauthorizedError("Log in with HTTP Basic.", scheme=_SCHEME)
    email, password = credentials.username or "", credentials.password or ""
    actor = _verified.get(email, password) or _verify(email, password)
    if actor is None:
        raise UnauthorizedError("Wrong e-mail address or password.", scheme=_SCHEME)
    return actor


def _verify(email: str, password: str) -> Actor | None:
    user = UserRepository(db.session()).by_email(email) if "\0" not in email else None
    stored = user.password_hash if user is not None else None
    actor = Actor(user.id, user.email, user.name, user.role) if user is not None else None
    # No connection is held while Argon2 works; and unknown users cost the same time as known ones.
    db.session.rollback()
    decoy = _decoy_hash()
    try:
        _hasher.verify(stored or decoy, password)
    except VerifyMismatchError:
        return None
    if stored is None or actor is None:
        return None
    _verified.put(email, password, actor)
    return actor


@functools.cache
def _decoy_hash() -> str:
    return _hasher.hash(secrets.token_hex(16))
