"""The value of a session cookie: where the session is, and the secret that proves it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from .keys import subject_tag

ID_BYTES: Final = 16
SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"([0-9a-f]{16})\.([\w-]{22})\.([\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieValue:
    """A well-formed one; says nothing of whether the session exists.

    `tag` is the user's (see `keys`), `secret` has 256 random bits and is stored as a hash only.
    """

    tag: str
    session_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, subject: str) -> CookieValue:
        """A new session of `subject`."""
        return cls(tag=subject_tag(subject), session_id=new_id(), secret=secrets.token_urlsafe(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> CookieValue | None:
        """None for text that cannot be one."""
        match = _SHAPE.fullmatch(text)
        return match and cls(tag=match[1], session_id=match[2], secret=match[3])

    def __str__(self) -> str:
        return f"{self.tag}.{self.session_id}.{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What is stored; a plain hash will do for 256 random bits."""
        return sha256(self.secret.encode()).hexdigest()

    @property
    def csrf(self) -> str:
        """The CSRF value of the session: derived, so that one planted by another site never fits."""
        return sha256(b"csrf:" + self.secret.encode()).hexdigest()


def new_id() -> str:
    """The id of a session: 128 random bits, 22 characters."""
    return secrets.token_urlsafe(ID_BYTES)
