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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from flask import request

from example_app.actor import Actor
from example_app.extensions import db
from example_app.repositories.users import UserRepository
from flask_backend_patterns import ForbiddenError, UnauthorizedError
from flask_backend_patterns.declarations import Declaration, Documentation, Phase
from flask_backend_patterns.guard import declare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

View = TypeVar("View", bound="Callable[..., Any]")

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


@dataclass(frozen=True, kw_only=True)
class LoginRequired(Declaration):
    """Only callers with valid credentials reach the view; with `roles` only those who have one of them."""

    phase: ClassVar[Phase] = Phase.AUTHENTICATION

    roles: tuple[str, ...] = ()

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """401, and 403 where a role is asked for."""
        del method
        return (401, 403) if self.roles else (401,)

    def documentation(self, method: str) -> Documentation:
        """The login scheme that the document has under `SECURITY_SCHEMES`."""
        del method
        return Documentation(operation={"security": [{name: [] for name in SECURITY_SCHEMES}]})


SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {"basic": {"type": "http", "scheme": "basic"}}


def require_login(view: View) -> View:
    """Only callers with valid credentials reach the view."""
    return declare(LoginRequired())(view)


def require_role(*roles: str) -> Callable[[View], View]:
    """Only callers with one of the roles reach the view."""
    return declare(LoginRequired(roles=roles))


def enforce_login(required: LoginRequired) -> None:
    """The enforcer of `LoginRequired`."""
    actor = current_actor()
    if required.roles and actor.role not in required.roles:
        raise ForbiddenError("Your role does not allow this.")


def caller_name() -> str:
    """Who owns the idempotency keys of this request."""
    return f"user:{current_actor().id}"


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
