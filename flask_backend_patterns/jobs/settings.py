"""Settings of background jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .._config import FeatureSettings, setting


@dataclass(frozen=True, kw_only=True)
class JobsSettings(FeatureSettings):
    """The queues this app relies on."""

    PREFIX: ClassVar[str] = "BACKEND_JOBS_"

    queues: tuple[str, ...] = setting(
        (), doc="RQ queues whose workers and backlog readiness reports; needs Redis."
    )
