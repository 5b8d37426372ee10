"""The names of what is kept in Redis. Everything of one user shares a hash tag, so a script's keys are on one node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

PREFIX: Final = "backend:auth:"
TAG_CHARACTERS: Final = 16
_REMEMBERED_SUBJECTS: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeys:
    """The keys of one user; they serve as keys of the near cache too, and are what invalidations name.

    `prefix` is what all begin with; `not_before` and `issued` hold microseconds since the epoch.
    """

    prefix: str
    index: str
    not_before: str
    issued: str

    def session(self, session_id: str) -> str:
        """The session: a hash."""
        return f"{self.prefix}session:{session_id}"

    def revoked_session(self, session_id: str) -> str:
        """There while access tokens of an ended session may live, or of one that was kept when all others ended."""
        return f"{self.prefix}revoked:s:{session_id}"

    def revoked_token(self, token_id: str) -> str:
        """There while a revoked token that belongs to no session may live."""
        return f"{self.prefix}revoked:t:{token_id}"


class SessionKeys:
    """The keys of an app; `scope` keeps apps that share a Redis apart."""

    def __init__(self, scope: str = "") -> None:
        self._prefix = f"{PREFIX}{scope}:" if scope else PREFIX
        # On the instance, not the method: a cache on the method would keep every app alive.
        self.of = lru_cache(maxsize=_REMEMBERED_SUBJECTS)(self._of)

    def _of(self, subject: str) -> SubjectKeys:
        return self.of_tag(subject_tag(subject))

    def of_tag(self, tag: str) -> SubjectKeys:
        """The keys of the user with this tag."""
        prefix = f"{self._prefix}{{{tag}}}:"
        return SubjectKeys(
            prefix=prefix,
            index=f"{prefix}sessions",
            not_before=f"{prefix}not_before",
            issued=f"{prefix}issued",
        )


def subject_tag(subject: str) -> str:
    """The hash tag of a user: no personal data in the names of keys."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:TAG_CHARACTERS]
