"""What limits keep for an app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bans.wiring import Banning
    from .clearing import Clearing
    from .default_limits import DefaultLimits
    from .enforcement import Enforcement
    from .failures import Failures
    from .front import FrontRefusals
    from .protocols import Windows
    from .refusals import Refusals
    from .settings import LimitsSettings


@dataclass(frozen=True, kw_only=True)
class LimitsState:
    """One for each app; threads share it. `banning` is None where nothing is ever banned, `clearing` without Redis."""

    settings: LimitsSettings
    windows: Windows
    refusals: Refusals
    front: FrontRefusals
    enforcement: Enforcement
    defaults: DefaultLimits
    failures: Failures
    banning: Banning | None
    clearing: Clearing | None
