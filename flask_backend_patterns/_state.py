"""The one object an app keeps for us: `app.extensions["backend_patterns"]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from ._contribution import EventLog
    from ._shared_redis import SharedRedis
    from ._wrapped import WrappedExtensions
    from .api.wiring import ApiState
    from .auth.state import AuthState
    from .cache.wiring import CacheState
    from .declarations import Declaration
    from .errors.wiring import ErrorsState
    from .guard import Enforcer, Guard, Plan
    from .health.wiring import HealthState
    from .limits.wiring import LimitsState
    from .observability.wiring import ObservabilityState
    from .settings import Settings

EXTENSION_KEY = "backend_patterns"


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything `init_app` built for one app; a feature that is switched off is None."""

    settings: Settings
    wrapped: WrappedExtensions
    enforcers: Mapping[type[Declaration], Enforcer]
    log: EventLog
    redis: SharedRedis | None
    api: ApiState
    cache: CacheState
    auth: AuthState | None
    limits: LimitsState | None
    errors: ErrorsState | None
    observability: ObservabilityState | None
    health: HealthState | None
    # The compiled steps of each guard on this app, filled as views are first called.
    plans: dict[Guard, Plan] = field(default_factory=dict, repr=False)


def state_of(app: Flask) -> State | None:
    """The state of `app`, or None where `init_app` has not run."""
    state: State | None = app.extensions.get(EXTENSION_KEY)
    return state
