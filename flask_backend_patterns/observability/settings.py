"""Settings of request ids, logs and timings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .._config import FeatureSettings, setting

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ObservabilitySettings(FeatureSettings):
    """What is said about each request, and in which form."""

    PREFIX: ClassVar[str] = "BACKEND_OBSERVABILITY_"

    access_log: bool = setting(default=True, doc="One `request` event for every response.")
    access_log_delay_seconds: float = setting(
        0.05,
        minimum=0,
        maximum=10,
        doc="Our handler writes lines of the access log this much later, many at once; 0 writes each at once.",
    )
    log_format: str = setting(
        "auto",
        choices=("auto", "json", "console"),
        doc="`json` is one object a line, `console` is for people; `auto` is `console` in debug and `json` otherwise.",
    )
    log_loggers: tuple[str, ...] = setting(
        ("flask_backend_patterns",),
        doc="The loggers that get our handler where logging has not been set up; `root` covers the whole process.",
    )
    masked_keys: tuple[str, ...] = setting(
        (),
        doc="More keys whose values are masked in every log line, beside password, token, secret and their like.",
    )
    server_timing: bool | None = setting(None, doc="Send `Server-Timing`; None does so in debug only.")
    metrics_path: str | None = setting(
        None,
        doc="Answer Prometheus here (`/metrics`), in front of the app and to anybody: keep it inside your network. "
        "None is off.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; a path that can never be asked for is a problem."""
        group = super().from_config(config, problems)
        path = group.metrics_path
        if path is not None and not (path.startswith("/") and path.isascii() and not set(path) & set("?#<>")):
            problems.append(
                f"BACKEND_OBSERVABILITY_METRICS_PATH is {path!r}; expected a path that begins with '/', such as /metrics"
            )
        return group
