"""The text of a key: `<prefix>_<id>_<secret><checksum>`."""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from typing import Final, Self

ID_LENGTH: Final = 16
SECRET_LENGTH: Final = 43  # 62 ** 43 > 2 ** 256
CHECKSUM_LENGTH: Final = 6  # 62 ** 6 > 2 ** 32
MAX_PREFIX_LENGTH: Final = 32
_ALPHABET: Final = string.digits + string.ascii_letters
_PREFIX: Final = rf"[A-Za-z0-9](?:[A-Za-z0-9_]{{0,{MAX_PREFIX_LENGTH - 2}}}[A-Za-z0-9])?"
_KEY = re.compile(
    rf"({_PREFIX})_([A-Za-z0-9]{{{ID_LENGTH}}})_([A-Za-z0-9]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}})", re.ASCII
)
_MAX_LENGTH: Final = MAX_PREFIX_LENGTH + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH + 2


@dataclass(frozen=True, kw_only=True)
class KeyText:
    """A key in its parts: `id` may be shown, the rest is the secret, of which only `hash` (SHA-256) is stored.

    The checksum (CRC-32, in 6 characters) lets scanners tell a key from other text, and mistyped ones be refused unread.
    """

    prefix: str
    id: str
    hash: str

    @classmethod
    def make(cls, prefix: str) -> tuple[str, Self]:
        """A new key and its parts."""
        body = f"{prefix}_{_random(ID_LENGTH)}_{_random(SECRET_LENGTH)}"
        key = body + _checksum(body)
        return key, cls._of(prefix, body.rsplit("_", 2)[1], key)

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """The parts of `key`; None for anything that was never one."""
        if len(key) > _MAX_LENGTH:
            return None
        parts = _KEY.fullmatch(key)
        if parts is None or _checksum(key[:-CHECKSUM_LENGTH]) != key[-CHECKSUM_LENGTH:]:
            return None
        return cls._of(parts[1], parts[2], key)

    @classmethod
    def _of(cls, prefix: str, key_id: str, key: str) -> Self:
        return cls(prefix=prefix, id=key_id, hash=hashlib.sha256(key.encode()).hexdigest())

    def __repr__(self) -> str:
        return f"KeyText({self.prefix}_{self.id})"


def is_key_prefix(text: str) -> bool:
    """Whether keys can begin with `text`: letters, digits, and `_` between them."""
    return re.fullmatch(_PREFIX, text, re.ASCII) is not None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, digits = binascii.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
