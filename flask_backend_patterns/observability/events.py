"""Our log events: records of one standard logger, masked, with the context of the request.

An app's own handlers, levels and filters apply to them. Nothing global of structlog is configured.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from flask import has_request_context, request

from .._contribution import REQUEST_ID_KEY
from .masking import Masker, hide_sql_parameters

LOGGER_NAME = "flask_backend_patterns"
EventDict: TypeAlias = MutableMapping[str, Any]


class LogEvent:
    """The fields of an event, as the argument of a record's message: text is only made for formatters that want it."""

    __slots__ = ("fields",)

    def __init__(self, fields: EventDict) -> None:
        self.fields = fields

    def __str__(self) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.fields.items() if key != "event")


def event_of(record: logging.LogRecord) -> EventDict | None:
    """The fields of one of our events; None for everybody else's records."""
    arguments = record.args
    if isinstance(arguments, tuple) and len(arguments) == 1 and isinstance(arguments[0], LogEvent):
        return arguments[0].fields
    return None


def _quoted(value: Any) -> str:
    """Text that cannot end the line, begin another field, or reach a terminal as a command."""
    text = str(value)
    return text if text.isprintable() and not set(text) & {" ", "=", '"'} else json.dumps(text)


class LoggingEventLog:
    """Writes events as records of one standard logger; secrets are masked before any handler sees them.

    `write_directly` may write an event of level INFO without a record, and says whether it has.
    """

    def __init__(
        self,
        masker: Masker,
        name: str = LOGGER_NAME,
        *,
        write_directly: Callable[[logging.Logger, EventDict], bool] | None = None,
    ) -> None:
        self._logger = logging.getLogger(name)
        self._mask = masker.mask
        self._write_directly = write_directly

    def info(self, event: str, **fields: Any) -> None:
        """Something happened."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something should be looked at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something failed."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        """The stack of `exc_info` is part of the record, at every level."""
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        error: BaseException | None = fields.pop("exc_info", None)
        described = self._mask(add_request_context(None, "", {"event": event, **fields}))
        is_plain = level == logging.INFO and error is None
        if is_plain and self._write_directly and self._write_directly(logger, described):
            return
        hide_sql_parameters(error)
        exc_info = (type(error), error, error.__traceback__) if error is not None else None
        # Not `logger.log`: it walks the stack for the caller's line, which is always this one
        make = logging.getLogRecordFactory()
        logger.handle(make(logger.name, level, "", 0, f"{event} %s", (LogEvent(described),), exc_info))


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
