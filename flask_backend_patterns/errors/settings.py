"""Settings of the error contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .._config import FeatureSettings, setting


@dataclass(frozen=True, kw_only=True)
class ErrorsSettings(FeatureSettings):
    """How errors of API routes are answered."""

    PREFIX: ClassVar[str] = "BACKEND_ERRORS_"

    format: str = setting(
        "envelope",
        choices=("envelope", "problem"),
        doc="`envelope` answers RFC 9457 problem documents only to clients that prefer them; `problem` always does.",
    )
    renderer: Callable[..., Any] | None = setting(
        None,
        doc="A function `(error, context) -> dict or Response` (or its `package.module:name`) in place of both formats.",
    )
    validation_status: int = setting(
        422, choices=(422, 400), doc="The status of input that is well formed but wrong."
    )
