"""Opaque, signed cursors: a place in a sorted list that a client can hand back but not make up.

A cursor is `base64url(HMAC-SHA256 + JSON)` (RFC 2104, RFC 4648 section 5, no padding). The signature also covers what
is not inside: the list's scope and its sort, so a cursor of another list is as good as a forged one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias, get_args

from ..._config import SetupError
from ...errors import BadRequestError
from .cursor_values import read_value, write_value

PURPOSE = b"flask-backend-patterns: cursor, 1"
SIGNATURE_BYTES = 32
ALPHABET = re.compile(r"[A-Za-z0-9_-]+")

# Items after the place or before it; with `=` an item at the place counts too.
Side: TypeAlias = Literal[">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a sorted list: the values of all sort keys, of which the last is unique."""

    side: Side
    values: tuple[Any, ...]

    @property
    def backward(self) -> bool:
        """Whether the items before the place are meant."""
        return self.side.startswith("<")

    @property
    def inclusive(self) -> bool:
        """Whether an item exactly at the place counts."""
        return self.side.endswith("=")


@dataclass(frozen=True)
class CursorSigner:
    """Writes and reads the cursors of one list.

    `secrets`: the first signs, all verify (for a change of secret). `context` is what the cursor belongs to: the same
    text must be given when it comes back. `enums` has the Enum class of each sort key, or None.
    """

    secrets: Sequence[bytes]
    context: str
    enums: Sequence[type[Enum] | None]

    def __post_init__(self) -> None:
        if not self.secrets or not all(self.secrets):
            raise SetupError("Cursors are signed: set SECRET_KEY.")

    def write(self, position: Position) -> str:
        """The cursor for `position`; raises `SetupError` when a value is of a type that cannot be carried."""
        values = [position.side, *map(write_value, position.values)]
        payload = json.dumps(values, separators=(",", ":")).encode()
        return encode(self._signature(self.secrets[0], payload) + payload)

    def read(self, cursor: str) -> Position:
        """The position; raises `BadRequestError` `INVALID_CURSOR` (400) for all that `write` did not make for this list."""
        raw = decode(cursor)
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        known = [hmac.compare_digest(signature, self._signature(secret, payload)) for secret in self.secrets]
        if not any(known):
            raise invalid_cursor()
        return self._position(payload)

    def _signature(self, secret: bytes, payload: bytes) -> bytes:
        key = hmac.digest(secret, PURPOSE, "sha256")
        # JSON has no raw NUL, so the boundary between the two cannot be moved.
        return hmac.digest(key, json.dumps(self.context).encode() + b"\0" + payload, "sha256")

    def _position(self, payload: bytes) -> Position:
        """Signed, so well formed; but a release may have changed the sort keys behind the same names."""
        side, *written = json.loads(payload)
        if side not in get_args(Side) or len(written) != len(self.enums):
            raise invalid_cursor()
        try:
            values = tuple(map(read_value, written, self.enums))
        except ValueError as error:
            raise invalid_cursor() from error
        return Position(side, values)


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes; only the one spelling that `encode` gives is taken, Python itself skips foreign characters."""
    if not ALPHABET.fullmatch(text):
        raise invalid_cursor()
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise invalid_cursor() from error
    if encode(raw) != text:
        raise invalid_cursor()
    return raw


def invalid_cursor() -> BadRequestError:
    """What every unusable cursor is answered with: not saying why."""
    return BadRequestError(
        "The cursor is not valid for this list; start again without it.", code="INVALID_CURSOR"
    )
