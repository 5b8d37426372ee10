"""Builds the bans of an app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..._contribution import Contribution
from .bans import Bans
from .gate import BanGate
from .redis_bans import RedisBans
from .scanner_paths import ScannerPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..._foundation import Foundation
    from ..networks import Networks
    from ..protocols import Feed
    from ..settings import LimitsSettings

PROXIES_KEY: Final = "BACKEND_SECURITY_TRUSTED_PROXIES"
FORMAT_KEY: Final = "BACKEND_ERRORS_FORMAT"


@dataclass(frozen=True, kw_only=True)
class Banning:
    """The bans, and who acts on them."""

    bans: Bans
    gate: BanGate


def build_banning(
    config: Mapping[str, Any],
    settings: LimitsSettings,
    base: Foundation,
    *,
    exempt: Networks,
    feed: Feed,
    count: Callable[[], Any],
) -> Banning | None:
    """None where nothing is ever banned; connects to nothing. `count` is called for each request turned away."""
    if settings.ban_after is None and not settings.ban_paths:
        return None
    bans = Bans(
        let_pass=settings.ban_after,
        window_seconds=settings.ban_window_seconds,
        ban_seconds=settings.ban_seconds,
        shared=None if base.redis is None else RedisBans(base.redis),
        feed=feed,
        log=base.log,
        exempt=exempt,
    )
    gate = BanGate(
        bans,
        paths=ScannerPaths(settings.ban_paths) if settings.ban_paths else None,
        knows_proxies=config.get(PROXIES_KEY) is not None,
        as_problem=config.get(FORMAT_KEY) == "problem",
        count=count,
    )
    return Banning(bans=bans, gate=gate)


def contribution(banning: Banning) -> Contribution:
    """Banned addresses are turned away in front of the app."""
    return Contribution(front=banning.gate.front, finished=banning.gate.finished)
