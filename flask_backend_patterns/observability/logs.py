"""Formats log records, ours and everybody else's, by structlog, and puts our handler where nothing else shows them."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import structlog

from .._json import dump
from .events import EventDict, add_request_context, event_of
from .handler import BackendHandler
from .masking import Masker, hide_sql_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from structlog.typing import Processor


class BackendFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats our events and everybody else's records alike: JSON a line, or columns for people."""

    def __init__(self, masker: Masker, *, is_console: bool) -> None:
        last: list[Processor] = [structlog.processors.JSONRenderer(serializer=_dump)]
        if is_console:
            last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        self.is_json = not is_console
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
        event = event_of(record)
        if event is None:
            return super().format(record)
        described = {**event, **_description(record)}
        if not self.is_json:
            return cast("str", self.processors[-1](None, record.levelname.lower(), described))
        return _dump(_with_stack(described))


def install_handlers(
    names: tuple[str, ...], *, is_console: bool, masker: Masker, delay_seconds: float
) -> list[tuple[logging.Logger, BackendHandler, int]]:
    """Add our handler to each logger that has none (its own or an ancestor's); returns what was added, and old levels."""
    added = []
    for name in names:
        logger = logging.getLogger(None if name == "root" else name)
        if logger.hasHandlers():
            continue
        handler = BackendHandler(BackendFormatter(masker, is_console=is_console), delay_seconds=delay_seconds)
        added.append((logger, handler, logger.level))
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    return added


def mask_with(masker: Masker) -> Callable[[Any, str, EventDict], EventDict]:
    """A structlog processor that masks secrets."""

    def mask_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return cast("EventDict", masker.mask(event))

    return mask_secrets


def json_line(event: EventDict, *, level: str, created: float, logger: str) -> str:
    """The line of one of our masked events, as `BackendFormatter` writes it; `created` in seconds since the epoch."""
    return _dump({**event, "level": level, "timestamp": _timestamp(created), "logger": logger})


def _timestamp(seconds: float) -> str:
    """UTC in RFC 3339, with microseconds."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


def _description(record: logging.LogRecord) -> dict[str, Any]:
    """What every line says, beside the event itself."""
    said: dict[str, Any] = {
        "level": record.levelname.lower(),
        "timestamp": _timestamp(record.created),
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
    return dump(event).decode()
