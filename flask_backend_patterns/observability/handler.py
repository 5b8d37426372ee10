"""The log handler: writes to standard error, the lines of the access log a moment later and many at once.

A write lets go of the interpreter lock, and under a threaded server another thread takes it each time: one line a
request cost 50 us of CPU over granian, where formatting it costs 17.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import TextIO, TypeAlias

from .events import event_of

# A line without its end, or what makes it when it is written: that has to be as true then as now.
Line: TypeAlias = str | Callable[[], str]

# What a client can cause with each request; every other record is written at once, and these before it.
DELAYED_EVENTS = frozenset({"request", "error", "access_refused"})
MAX_WAITING = 10_000


class BackendHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at that moment; one for a logger, however many apps a process has.

    Lines of `DELAYED_EVENTS` below WARNING wait for at most `delay_seconds` (0: not at all); what waits is lost when
    the process is killed, and written when it ends. Thread-safe; a forked child starts with nothing waiting.
    """

    def __init__(self, formatter: logging.Formatter, *, delay_seconds: float) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)
        self._delay_seconds = delay_seconds
        self._waiting: list[Line] = []
        self._due = threading.Event()
        self._is_due = False
        self._writer: threading.Thread | None = None
        _handlers.add(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # read-only on purpose, as in logging.lastResort
        """The current standard error."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or have it written soon."""
        try:
            self._take(self.format(record), may_wait=is_delayed(record))
        except Exception:  # noqa: BLE001 - the way of every standard handler: a log line must not fail a request
            self.handleError(record)

    def write_line(self, line: Line, *, may_wait: bool) -> None:
        """Write a line that somebody has formatted, as `emit` does that of a record; never raises."""
        self.acquire()
        try:
            self._take(line, may_wait=may_wait)
        except Exception:  # noqa: BLE001 - as above
            self.handleError(logging.makeLogRecord({"msg": self._text_of(line)}))
        finally:
            self.release()

    def _take(self, line: Line, *, may_wait: bool) -> None:
        """Called under the handler's lock, as the next."""
        self._waiting.append(line)
        if may_wait and self._delay_seconds and len(self._waiting) < MAX_WAITING:
            self._flush_soon()
        else:
            self.flush()

    def flush(self) -> None:
        """Write what waits; under the handler's lock, which `emit` has already."""
        self.acquire()
        try:
            lines, self._waiting = self._waiting, []
            stream: TextIO | None = self.stream
            if stream is not None:  # as it is under pythonw and in some daemons
                stream.write("".join([self._text_of(line) + self.terminator for line in lines]))
                stream.flush()
        finally:
            self.release()

    def _text_of(self, line: Line) -> str:
        if isinstance(line, str):
            return line
        try:
            return line()
        except Exception as error:  # noqa: BLE001 - as above; the other lines are to be written
            self.handleError(logging.makeLogRecord({"msg": "a line that cannot be made"}))
            return f"{type(error).__name__} in the making of this line"

    def _flush_soon(self) -> None:
        """Called under the handler's lock."""
        if self._is_due:
            return
        if self._writer is None:
            writer = threading.Thread(target=self._write_when_due, name="log-writer", daemon=True)
            try:
                writer.start()
            except RuntimeError:  # no thread to be had
                self.flush()
                return
            self._writer = writer
        self._is_due = True
        self._due.set()

    def _write_when_due(self) -> None:
        due = self._due
        while due.wait():
            time.sleep(self._delay_seconds)
            due.clear()
            self._is_due = False
            # The stream is gone, and with it the place to say so.
            with contextlib.suppress(OSError, ValueError):
                self.flush()

    def forget(self) -> None:
        """In a forked child: the parent writes what waits, and its writer thread is not here."""
        self._waiting = []
        self._due = threading.Event()
        self._is_due = False
        self._writer = None


def is_delayed(record: logging.LogRecord) -> bool:
    """Whether the record is a line of the access log."""
    event = event_of(record) if record.levelno < logging.WARNING else None
    return event is not None and event["event"] in DELAYED_EVENTS


def _forget_in_child() -> None:
    for handler in _handlers:
        handler.forget()


_handlers: weakref.WeakSet[BackendHandler] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_in_child)
