"""What every check of a CSRF value needs, whichever cookie it belongs to."""

from __future__ import annotations

import hmac
from typing import Final

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1


def is_same(left: str, right: str) -> bool:
    """Compares in constant time, whatever characters a client sends."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))
