"""Hashes passwords with Argon2id (RFC 9106), and verifies those that older apps have stored."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from .._after_fork import reset_in_children
from .._config import SetupError
from ..errors import ServiceUnavailableError, ValidationError
from .password_strength import MAX_LENGTH, normalized, weaknesses
from .stored_text import is_encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from argon2 import PasswordHasher

    from .._contribution import EventLog
    from .settings import AuthSettings

MAX_WAIT_SECONDS: Final = 2.0
_DECOY: Final = "no password: what is compared with this never counts"
_NO_MEMORY: Final = -22  # ARGON2_MEMORY_ALLOCATION_ERROR
_WERKZEUG: Final = ("scrypt:", "pbkdf2:")


class Passwords:
    """Hashing with the parameters of `settings`. Thread-safe; blocks its thread, so not for an event loop.

    One hash takes `password_memory_kib` of memory and tens of milliseconds: at most `concurrency` are computed at a time
    in a process (default: one for each processor), others wait up to `max_wait_seconds`. Callers end their database
    transaction first, so that no connection waits with them. `find_weaknesses(password, login)` adds sentences on what
    is wrong with a password.
    """

    def __init__(
        self,
        settings: AuthSettings,
        *,
        log: EventLog,
        find_weaknesses: Callable[[str, str], Iterable[str]] | None = None,
        concurrency: int | None = None,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._log = log
        self._find_weaknesses = find_weaknesses
        self._concurrency = concurrency or os.cpu_count() or 1
        self._max_wait_seconds = max_wait_seconds
        self._decoy: str | None = None
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """What threads of the parent have taken is never given back in the child."""
        self._room = threading.BoundedSemaphore(self._concurrency)
        self._making_decoy = threading.Lock()

    def hash(self, password: str) -> str:
        """What to store for `password`.

        Raises `ValidationError` for what no password can be (more than 1,024 characters, broken Unicode), and
        `ServiceUnavailableError` (`OVERLOADED`) when too many are being hashed.
        """
        if not _is_possible(password):
            raise _refused("password", [f"Use 1 to {MAX_LENGTH} characters."])
        return self._hash(normalized(password))

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one that `stored` was made from; never for None, which costs the same time.

        A hash that cannot be read is False and logged. Raises `ServiceUnavailableError` (`OVERLOADED`) as `hash` does.
        """
        if not _is_possible(password):
            return False
        text = normalized(password)
        # Hashes that other programs made may be of the password as it was typed.
        return self._matches(text, stored) or (text != password and self._matches(password, stored))

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made in another way than `hash` would now; hash the password again at the next login."""
        from argon2.exceptions import InvalidHashError

        try:
            return self._hasher.check_needs_rehash(stored)
        except (InvalidHashError, UnicodeEncodeError):
            return True

    def require_strong(self, password: str, *, login: str, field: str = "password") -> None:
        """Raise `ValidationError`, with what to do about `field`, unless the password is good enough for this login."""
        found = [f"Use at most {MAX_LENGTH} characters."] if len(password) > MAX_LENGTH else []
        if not found and not is_encodable(password):
            found = ["Use characters that exist in Unicode."]
        if not found:
            found = weaknesses(password, login=login, min_length=self._settings.password_min_length)
            if self._find_weaknesses is not None:
                found += self._find_weaknesses(password, login)
        if found:
            raise _refused(field, found)

    def _matches(self, text: str, stored: str | None) -> bool:
        if stored is None:
            return self._costs_the_same(text)
        if stored.startswith(_WERKZEUG):
            return self._matches_werkzeug(text, stored)
        return self._matches_argon2(text, stored)

    def _matches_argon2(self, text: str, stored: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

        try:
            with self._room_taken():
                return self._hasher.verify(stored, text)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError, UnicodeEncodeError) as error:
            _require_memory(error)
            self._log.error("password_hash_unreadable", reason=type(error).__name__)
        return self._costs_the_same(text)

    def _matches_werkzeug(self, text: str, stored: str) -> bool:
        """As `werkzeug.security.generate_password_hash` makes them."""
        from werkzeug.security import check_password_hash

        try:
            _, _, _ = stored.split("$")  # werkzeug would answer at once
            with self._room_taken():
                return check_password_hash(stored, text)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            self._log.error("password_hash_unreadable", reason=type(error).__name__)
        return self._costs_the_same(text)

    def _costs_the_same(self, text: str) -> bool:
        from argon2.exceptions import VerificationError

        decoy = self._decoy or self._make_decoy()
        try:
            with self._room_taken():
                self._hasher.verify(decoy, text)
        except VerificationError as error:
            _require_memory(error)
        return False

    def _make_decoy(self) -> str:
        """Made once, with the parameters that real hashes have."""
        with self._making_decoy:
            if self._decoy is None:
                self._decoy = self._hash(_DECOY)
            return self._decoy

    def _hash(self, text: str) -> str:
        from argon2.exceptions import HashingError

        try:
            with self._room_taken():
                return self._hasher.hash(text)
        except HashingError as error:
            _require_memory(error)
            raise

    @contextmanager
    def _room_taken(self) -> Iterator[None]:
        if not self._room.acquire(timeout=self._max_wait_seconds):
            raise _overloaded()
        try:
            yield
        finally:
            self._room.release()

    @cached_property
    def _hasher(self) -> PasswordHasher:
        try:
            from argon2 import PasswordHasher
        except ImportError as error:
            raise SetupError("Hashing passwords needs argon2-cffi; run: pip install argon2-cffi") from error
        settings = self._settings
        return PasswordHasher(
            time_cost=settings.password_time_cost,
            memory_cost=settings.password_memory_kib,
            parallelism=settings.password_parallelism,
        )


def hash_password(password: str) -> str:
    """What to store for `password`, with the parameters of the current app; see `Passwords.hash`."""
    from .state import auth_state

    return auth_state().passwords.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` is the one that `stored` was made from; None costs the same time. See `Passwords.verify`."""
    from .state import auth_state

    return auth_state().passwords.verify(password, stored)


def _require_memory(error: Exception) -> None:
    """Raise what means 503 when the computation failed for want of memory, and not of the hash."""
    from argon2.low_level import error_to_str

    if str(error) == error_to_str(_NO_MEMORY):
        raise _overloaded() from error


def _overloaded() -> ServiceUnavailableError:
    message = "Too many people are logging in at the moment; try again in a few seconds."
    return ServiceUnavailableError(message, code="OVERLOADED")


def _is_possible(password: str) -> bool:
    return 1 <= len(password) <= MAX_LENGTH and is_encodable(password)


def _refused(field: str, sentences: Iterable[str]) -> ValidationError:
    return ValidationError(details=[{"field": field, "message": sentence} for sentence in sentences])
