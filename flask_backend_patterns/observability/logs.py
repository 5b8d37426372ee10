"""Structured logs on the standard `logging` tree, formatted by structlog.

Our events are records of the logger `flask_backend_patterns`, so an app's own handlers, levels and filters apply. A
handler of ours is added only where nothing would show them. Nothing global of structlog is configured.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

import orjson
import structlog
from flask import has_request_context, request

from .masking import Masker, hide_sql_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from structlog.typing import Processor

LOGGER_NAME = "flask_backend_patterns"
REQUEST_ID_KEY = "flask_backend_patterns.request_id"
EventDict = MutableMapping[str, Any]


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


class BackendHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at that moment; one for a logger, however many apps a process has."""

    def __init__(self, formatter: logging.Formatter) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # read-only on purpose, as in logging.lastResort
        """The current standard error."""
        return sys.stderr


class BackendFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats our events and everybody else's records alike: JSON a line, or columns for people."""

    def __init__(self, masker: Masker, *, is_console: bool) -> None:
        last: list[Processor] = [structlog.processors.JSONRenderer(serializer=_dump)]
        if is_console:
            last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        self._is_console = is_console
        super().__init__(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                add_request_context,
                mask_with(masker),
                _describe_record if is_console else _describe_record_with_stack,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """Our own events are masked and have their context already: for JSON one dump is all that is left."""
        event = record.msg
        if not isinstance(event, LogEvent):
            return super().format(record)
        described = {**event, **_description(record)}
        if self._is_console:
            return cast("str", self.processors[-1](None, record.levelname.lower(), described))
        return _dump(_with_stack(described))


def install_handlers(
    names: tuple[str, ...], *, is_console: bool, masker: Masker
) -> list[tuple[logging.Logger, BackendHandler, int]]:
    """Add our handler to each logger that has none (its own or an ancestor's); returns what was added, and old levels."""
    added = []
    for name in names:
        logger = logging.getLogger(None if name == "root" else name)
        if logger.hasHandlers():
            continue
        handler = BackendHandler(BackendFormatter(masker, is_console=is_console))
        added.append((logger, handler, logger.level))
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    return added


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


def mask_with(masker: Masker) -> Callable[[Any, str, EventDict], EventDict]:
    """A structlog processor that masks secrets."""

    def mask_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return cast("EventDict", masker.mask(event))

    return mask_secrets


def _description(record: logging.LogRecord) -> dict[str, Any]:
    """What every line says, beside the event itself."""
    said: dict[str, Any] = {
        "level": record.levelname.lower(),
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat()[:-6] + "Z",
        "logger": record.name,
    }
    if record.exc_info:
        said["exc_info"] = record.exc_info
    return said


def _describe_record(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event.update(_description(event["_record"]))
    return event


def _describe_record_with_stack(logger: Any, method: str, event: EventDict) -> EventDict:
    return _with_stack(_describe_record(logger, method, event))


def _with_stack(event: EventDict) -> EventDict:
    """`stack` and the `exception`'s name in place of `exc_info`."""
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | None = event.pop(
        "exc_info", None
    )
    if exc_info and exc_info[1] is not None:
        hide_sql_parameters(exc_info[1])
        event.setdefault("exception", f"{exc_info[0].__module__}.{exc_info[0].__qualname__}")
        event["stack"] = "".join(traceback.format_exception(*exc_info))
    return event


def _dump(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
