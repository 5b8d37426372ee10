"""What the commands need from the features; handed over when they are installed."""

from __future__ import annotations

from typing import Any, Protocol


class ExportDocument(Protocol):
    """Gives the OpenAPI document of a Flask app."""

    def __call__(self, app: Any, *, document_format: str = ..., api_prefix: str | None = ...) -> bytes:
        """The document in UTF-8, ending in a newline; `SetupError` says why there is none."""
