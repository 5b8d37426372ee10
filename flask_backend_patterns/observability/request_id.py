"""The id that ties a response to its log lines."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# CONTRACTS section 3: anything else is replaced, so that nobody writes into our logs.
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
ID_BYTES = 16


def accept_or_make(environ: Mapping[str, Any], make: Callable[[], str] = lambda: token_hex(ID_BYTES)) -> str:
    """The caller's `X-Request-ID` where it is well formed, else a new one (32 hex digits)."""
    sent: str | None = environ.get("HTTP_X_REQUEST_ID")
    if sent is not None and ACCEPTED.fullmatch(sent):
        return sent
    return make()
