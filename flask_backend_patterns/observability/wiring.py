"""Builds and installs request ids, logs and timings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._contribution import REQUEST_ID_KEY, Contribution, EventLog
from .access_log import AccessLog
from .direct_lines import write_directly
from .events import LoggingEventLog
from .logs import install_handlers
from .masking import Masker
from .request_id import accept_or_make

if TYPE_CHECKING:
    from contextlib import ExitStack

    from flask import Flask

    from .._boundary import Exchange
    from .._contribution import Answer, Present
    from .metrics import Metrics
    from .settings import ObservabilitySettings


@dataclass(frozen=True)
class ObservabilityState:
    """What the observability feature keeps for an app."""

    settings: ObservabilitySettings
    log: EventLog
    masker: Masker
    metrics: Metrics | None = None


def build(settings: ObservabilitySettings) -> ObservabilityState:
    """The event log and the metrics; nothing is attached to `logging` yet."""
    masker = Masker(settings.masked_keys)
    metrics = None
    if settings.metrics_path is not None:
        from .metrics import Metrics  # it costs time and, in a server of several processes, files

        metrics = Metrics()
    log = LoggingEventLog(masker, write_directly=write_directly)
    return ObservabilityState(settings, log, masker, metrics)


def contribution(app: Flask, state: ObservabilityState) -> Contribution:
    """Takes over or makes the request id, sends it back, times the request, writes the access log, answers scrapes."""
    wants_timing = state.settings.server_timing

    def begin(exchange: Exchange) -> None:
        exchange.request_id = exchange.environ[REQUEST_ID_KEY] = accept_or_make(exchange.environ)

    def headers(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        if "x-request-id" not in present and exchange.request_id is not None:
            sent.append(("X-Request-ID", exchange.request_id))
        if wants_timing or (wants_timing is None and app.debug):
            sent.append(("Server-Timing", f"app;dur={exchange.elapsed_ms():.2f}"))

    answers: dict[str, Answer] = {}
    if state.metrics is not None and state.settings.metrics_path is not None:
        answers[state.settings.metrics_path] = state.metrics.answer
    return Contribution(
        begin=begin,
        headers=headers,
        finished=AccessLog(state.log, state.masker).write if state.settings.access_log else None,
        answers=answers,
        remedy="move ours with BACKEND_OBSERVABILITY_METRICS_PATH",
    )


def install(app: Flask, state: ObservabilityState, undo: ExitStack) -> None:
    """Attach our log handler where nothing else would show the events."""
    is_console = state.settings.log_format == "console" or (state.settings.log_format == "auto" and app.debug)
    for logger, handler, level in install_handlers(
        state.settings.log_loggers,
        is_console=is_console,
        masker=state.masker,
        delay_seconds=state.settings.access_log_delay_seconds,
    ):
        undo.callback(logger.setLevel, level)
        undo.callback(logger.removeHandler, handler)
