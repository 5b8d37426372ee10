"""Settings of the API layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .._config import SettingsGroup, setting


@dataclass(frozen=True, kw_only=True)
class ApiSettings(SettingsGroup):
    """Which paths belong to the API."""

    PREFIX: ClassVar[str] = "BACKEND_API_"

    prefixes: tuple[str, ...] = setting(
        (),
        doc="Path prefixes (`/api`) below which every error is answered in the API's format, unknown URLs included.",
    )
