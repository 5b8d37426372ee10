"""Settings of the health endpoints and of graceful shutdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .._config import FeatureSettings, setting

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class HealthSettings(FeatureSettings):
    """Where health is asked for, and how long anything may take."""

    PREFIX: ClassVar[str] = "BACKEND_HEALTH_"

    prefix: str = setting("/health", doc="The path above `/live`, `/ready` and `/startup`.")
    timeout_seconds: float = setting(
        2.0, minimum=0.01, maximum=60, doc="A check that takes longer has failed; checks run in parallel."
    )
    cache_seconds: float = setting(
        1.0, minimum=0, maximum=60, doc="How long an answer of the checks is used again."
    )
    details: str = setting(
        "never",
        choices=("never", "always"),
        doc="Who sees the single checks beside those with the token and debug mode.",
    )
    details_token: str | None = setting(
        None, secret=True, doc="`Authorization: Bearer <token>` shows the single checks."
    )
    drain_seconds: float = setting(
        0,
        minimum=0,
        maximum=600,
        doc="On SIGTERM: not ready for so long while requests are still served, then stop. 0 leaves signals alone. "
        "Less than the server's own patience (gunicorn's `--graceful-timeout`), or it kills.",
    )
    drain_file: str | None = setting(
        None,
        doc="Not ready while this file exists: for servers that take SIGTERM themselves (granian), and preStop hooks. "
        "Whoever makes the file removes it before the next start.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; a prefix Flask would refuse and a token anybody can guess are problems now."""
        group = super().from_config(config, problems)
        if group.prefix and (not group.prefix.startswith("/") or set(group.prefix) & set("<>?#")):
            problems.append(
                f"BACKEND_HEALTH_PREFIX is {group.prefix!r}; expected a path that begins with '/', without placeholders"
            )
        if group.details_token == "":
            problems.append("BACKEND_HEALTH_DETAILS_TOKEN is empty; expected a secret, or None")
        return group
