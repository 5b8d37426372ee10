"""The compact form of a signed token (RFC 7515, 7.1), read strictly: one text, one meaning."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .faults import TokenFault

# Three parts of base64url without padding; five are an encrypted token (JWE), which is not read here.
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

# Members that bring or point to a key, change what is signed, or belong to encryption.
REFUSED_MEMBERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "enc", "zip"})
# RFC 7519, 5.1 and RFC 9068, 2.1; compared without case.
ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_TYPES = frozenset({"jwt", *ACCESS_TYPES})


@dataclass(frozen=True, slots=True)
class CompactToken:
    """The parts of a token: nothing of it is known to be true before its signature is verified."""

    header: dict[str, Any]
    payload: str
    message: bytes
    signature: bytes

    def claims(self) -> dict[str, Any]:
        """The payload as JSON; raises `TokenFault` unless it is one object without doubled names."""
        return _read_object(_decode(self.payload), "payload")


def parse(token: str) -> CompactToken:
    """Take `token` apart and check its header; raises `TokenFault`."""
    match = _SHAPE.fullmatch(token)
    if match is None:
        raise TokenFault("not three parts of base64url")
    header_part, payload, signature = match.groups()
    header = _read_object(_decode(header_part), "header")
    if not REFUSED_MEMBERS.isdisjoint(header):
        raise TokenFault("the header has a member that is never accepted")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenFault("typ is not JWT")
    message = token[: match.end(2)].encode("ascii")
    return CompactToken(header, payload, message, _decode(signature))


def encode(data: bytes) -> bytes:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise TokenFault("not base64url") from None
    # The last letter may carry bits that mean nothing: another text for the same token.
    if encode(data) != part.encode("ascii"):
        raise TokenFault("not canonical base64url")
    return data


def _read_object(data: bytes, place: str) -> dict[str, Any]:
    try:
        text = data.decode()
        found = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
        if "\\u" in text:
            require_clean(found)
    except TokenFault:
        raise
    except (ValueError, RecursionError):
        raise TokenFault(f"the {place} is not JSON") from None
    if not isinstance(found, dict):
        raise TokenFault(f"the {place} is not a JSON object")
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenFault("a name stands twice in an object")
    return found


def _refuse_constant(name: str) -> float:
    raise TokenFault(f"{name} is not JSON")


def require_clean(value: Any) -> None:
    """Raise `TokenFault` for text with NUL or half a surrogate pair, which no database and no log can hold."""
    if isinstance(value, str):
        if "\x00" in value or not _is_unicode(value):
            raise TokenFault("text with NUL or a lone surrogate")
    elif isinstance(value, dict):
        _require_all_clean(value)
        _require_all_clean(value.values())
    elif isinstance(value, list):
        _require_all_clean(value)


def _require_all_clean(values: Iterable[Any]) -> None:
    for value in values:
        require_clean(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
