"""Settings of the API layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .._config import SettingsGroup, setting

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ApiSettings(SettingsGroup):
    """Which paths belong to the API."""

    PREFIX: ClassVar[str] = "BACKEND_API_"

    prefixes: tuple[str, ...] = setting(
        (),
        doc="Path prefixes (`/api`) below which every error is answered in the API's format, unknown URLs included.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; prefixes that would never match, or match every page, are problems."""
        group = super().from_config(config, problems)
        problems += [
            f"BACKEND_API_PREFIXES has {prefix!r}; expected paths that begin with '/', without '*'"
            for prefix in group.prefixes
            if not prefix.startswith("/") or "*" in prefix
        ]
        return group
