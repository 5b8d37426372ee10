"""The short way of an event into the log: where nobody but our own handler listens, its line is made without a record.

With a record the access log costs more than all other always-on parts together.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .handler import DELAYED_EVENTS, BackendHandler
from .logs import BackendFormatter, json_line

if TYPE_CHECKING:
    from .events import EventDict

LOGGING_SOURCE: Final = logging.addLevelName.__code__.co_filename


def write_directly(logger: logging.Logger, event: EventDict) -> bool:
    """Write `event`, masked and at level INFO, to our handler; False when somebody may want a record of it."""
    handler = lone_handler(logger)
    if handler is None:
        return False
    try:
        line = json_line(event, level="info", created=time.time(), logger=logger.name)
    except Exception:  # noqa: BLE001 - something cannot be written; the handler of its record shows what
        return False
    handler.write_line(line, may_wait=event["event"] in DELAYED_EVENTS)
    return True


def write_plainly(logger: logging.Logger, event: EventDict) -> bool:
    """The same for an event of text, numbers and None that nobody changes any more: its line is made with many others.

    What is made at once, in the one thread that writes, costs half of what it costs between two requests.
    """
    handler = lone_handler(logger)
    if handler is None:
        return False
    make = partial(json_line, event, level="info", created=time.time(), logger=logger.name)
    handler.write_line(make, may_wait=event["event"] in DELAYED_EVENTS)
    return True


def lone_handler(logger: logging.Logger) -> BackendHandler | None:
    """Our handler, where it alone would get an INFO record of `logger`, just as we would make it, and writes JSON.

    Asked for each event, since an app may add handlers, filters, levels and factories at any time. Tools that watch
    all logging put functions of their own in the place of the logger's methods.
    """
    if logger.filters or logging.getLogRecordFactory() is not logging.LogRecord:
        return None
    if not (_is_standard(logger.handle) and _is_standard(logger.callHandlers)):
        return None
    found: logging.Handler | None = None
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if found is not None:
                return None
            found = handler
        current = current.parent if current.propagate else None
    if type(found) is not BackendHandler or found.filters or found.level > logging.INFO:
        return None
    formatter = found.formatter
    return found if type(formatter) is BackendFormatter and formatter.is_json else None


def _is_standard(method: Any) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and code.co_filename == LOGGING_SOURCE
