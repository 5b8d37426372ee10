"""The access log: the `request` event of every response."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from .._contribution import ACTOR_ID_KEY
from .direct_lines import write_plainly
from .events import LOGGER_NAME

if TYPE_CHECKING:
    from .._boundary import Exchange
    from .._contribution import EventLog
    from .masking import Masker

EVENT: Final = "request"
FIELDS: Final = ("method", "path", "route", "status", "duration_ms", "bytes", "request_id", "actor_id")


class AccessLog:
    """Writes one event for each exchange. Threads may share it.

    What it says is text, numbers and None under names of ours, so that masking, which `log` does, may be left out
    unless an app has one of those names masked.
    """

    def __init__(self, log: EventLog, masker: Masker) -> None:
        self._log = log
        self._logger = logging.getLogger(LOGGER_NAME)
        self._is_plain = not any(map(masker.is_secret, FIELDS))

    def write(self, exchange: Exchange) -> None:
        """The event of an exchange that is over."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        event = event_of(exchange)
        if not (self._is_plain and write_plainly(self._logger, event)):
            self._log.info(**event)


def event_of(exchange: Exchange) -> dict[str, Any]:
    """What is said about it; the query string is left out, since people put secrets there."""
    environ = exchange.environ
    event = {
        "event": EVENT,
        "method": environ.get("REQUEST_METHOD"),
        "path": _decoded(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")),
        "route": exchange.route,
        "status": exchange.status,
        "duration_ms": round(exchange.elapsed_ms(), 2),
        "bytes": _number(exchange.content_length),
        "request_id": exchange.request_id,
    }
    actor_id = environ.get(ACTOR_ID_KEY)
    if actor_id:
        event["actor_id"] = actor_id
    return event


def _decoded(path: str) -> str:
    """WSGI hands on the bytes of a path as Latin-1 (PEP 3333)."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
