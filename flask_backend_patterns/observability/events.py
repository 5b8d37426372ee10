"""Our log events: records of one standard logger, masked, with the context of the request.

An app's own handlers, levels and filters apply to them. Nothing global of structlog is configured.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from flask import has_request_context, request

from .._contribution import REQUEST_ID_KEY
from .masking import Masker, hide_sql_parameters

LOGGER_NAME = "flask_backend_patterns"
EventDict: TypeAlias = MutableMapping[str, Any]


class LogEvent(dict[str, Any]):
    """An event as a record's message: fields for our formatter, one readable line for anybody else's."""

    def __str__(self) -> str:
        fields = " ".join(f"{key}={value}" for key, value in self.items() if key != "event")
        return f"{self['event']} {fields}"


class LoggingEventLog:
    """Writes events as records of one standard logger; secrets are masked before any handler sees them."""

    def __init__(self, masker: Masker, name: str = LOGGER_NAME) -> None:
        self._logger = logging.getLogger(name)
        self._mask = masker.mask

    def info(self, event: str, **fields: Any) -> None:
        """Something happened."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something should be looked at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, *, exc_info: BaseException | None = None, **fields: Any) -> None:
        """Something failed; the stack of `exc_info` is part of the record."""
        self._write(logging.ERROR, event, fields, exc_info)

    def _write(
        self, level: int, event: str, fields: dict[str, Any], error: BaseException | None = None
    ) -> None:
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        hide_sql_parameters(error)
        message = LogEvent(self._mask(add_request_context(None, "", {"event": event, **fields})))
        exc_info = (type(error), error, error.__traceback__) if error is not None else None
        # Not `logger.log`: it walks the stack for the caller's line, which is always this one
        record = logging.LogRecord(logger.name, level, "", 0, message, None, exc_info)
        logger.handle(record)


def add_request_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add `request_id` and `route` of the request being served; for users' own structlog configurations too."""
    if has_request_context():
        environ = request.environ
        request_id = environ.get(REQUEST_ID_KEY)
        if request_id is not None:
            event.setdefault("request_id", request_id)
        if request.url_rule is not None:
            event.setdefault("route", request.url_rule.rule)
    return event
