"""The id that ties a response to its log lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._chance import CHANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# CONTRACTS section 3: anything else is replaced, so that nobody writes into our logs.
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
ID_BITS = 128


def random_id() -> str:
    """32 hex digits.

    Not from the system's generator: an id is no secret, and a system call lets go of the interpreter lock, which costs
    18 us when another thread waits for it.
    """
    return f"{CHANCE.getrandbits(ID_BITS):032x}"


def accept_or_make(environ: Mapping[str, Any], make: Callable[[], str] = random_id) -> str:
    """The caller's `X-Request-ID` where it is well formed, else a new one (32 hex digits)."""
    sent: str | None = environ.get("HTTP_X_REQUEST_ID")
    if sent is not None and ACCEPTED.fullmatch(sent):
        return sent
    return make()
