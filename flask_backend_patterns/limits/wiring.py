"""Builds limits for an app, and installs what has to see every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._config import ConfigError, SetupError
from .._contribution import Contribution
from .backends.fallback import FallbackWindows
from .backends.memory import MemoryWindows
from .backends.redis import RedisWindows
from .bans.wiring import PROXIES_KEY, build_banning
from .bans.wiring import contribution as ban_contribution
from .clearing import Clearing
from .declaration import RateLimit
from .decorators import rate_limit
from .default_limits import DefaultLimits
from .enforcement import Enforcement
from .front import FrontRefusals
from .headers import header_pass
from .keys import CallerKeys
from .login_limit import LoginLimit, login_limit_enforcer
from .metrics import MEANING, NAME, UNCOUNTED, Decisions
from .named_rates import NamedRates, read_named_rates
from .networks import Networks
from .places import Places
from .protocols import Caller, Feed, Windows
from .refusals import Refusals
from .route_limits import RouteReader
from .state import LimitsState

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from flask import Flask

    from .._foundation import Foundation
    from ..declarations import Declaration
    from ..guard import Enforcer
    from .failures import Failures
    from .settings import LimitsSettings

__all__ = ["Caller", "Feed", "LimitsState", "build", "contributions", "enforcers", "install"]

BANS = "bans"  # the policy of requests turned away, in the metric


def build(
    app: Flask,
    settings: LimitsSettings,
    base: Foundation,
    *,
    identify: Callable[[], Caller | None],
    feed: Feed,
    failures: Failures,
) -> LimitsState:
    """The state of `app`; connects to nothing. Raises `ConfigError` for rates and addresses that cannot be read.

    `identify` gives the authenticated caller of the request being served, None for anonymous ones.
    """
    problems: list[str] = []
    default, rates = _default(settings, problems), read_named_rates(settings.rates, problems)
    exempt = _networks(settings, problems)
    if problems:
        raise ConfigError(problems)
    named = NamedRates(rates, log=base.log)
    defaults = DefaultLimits(app, default, named=named)
    refusals = Refusals()
    front = FrontRefusals(_credential_headers(app), rule_of=Places(app).rule)
    for listener in (refusals.hear, front.hear):
        feed.listen(listener)
    windows = _windows(settings, base)
    keys = CallerKeys(
        identify=identify, exempt=exempt, knows_proxies=app.config.get(PROXIES_KEY) is not None, log=base.log
    )
    count = _counting(base)
    reader = RouteReader(keys=keys, strategy=settings.strategy, named=named, defaults=defaults, count=count)
    redis = base.redis
    return LimitsState(
        settings=settings,
        windows=windows,
        refusals=refusals,
        front=front,
        enforcement=Enforcement(
            app,
            reader=reader,
            keys=keys,
            windows=windows,
            refusals=refusals,
            is_away=(lambda: redis.is_down) if redis is not None else (lambda: False),
            is_shared=redis is not None,
            log=base.log,
        ),
        defaults=defaults,
        failures=failures,
        banning=build_banning(
            app.config, settings, base, exempt=exempt, feed=feed, count=count(BANS).refused
        ),
        clearing=None if redis is None else Clearing(RedisWindows(redis), feed),
    )


def enforcers(state: LimitsState) -> dict[type[Declaration], Enforcer]:
    """Who enforces what this feature can declare."""
    return {**state.enforcement.by_kind(), LoginLimit: login_limit_enforcer(state.failures)}


def contributions(state: LimitsState) -> list[Contribution]:
    """The headers of every response, and refusals in front of the app: bans first."""
    limits = Contribution(
        headers=header_pass(state.settings), front=state.front.answer, body=state.front.keep
    )
    return [limits] if state.banning is None else [ban_contribution(state.banning), limits]


def install(app: Flask, state: LimitsState, undo: ExitStack) -> None:
    """Put the default limits, and our strategies for Flask-Limiter, in place."""
    del undo  # what Flask keeps on the app is put back for everybody
    if state.defaults.declared is not None:
        app.before_request_funcs.setdefault(None, []).insert(0, state.enforcement.decide_default)
    from .strategies import install_strategies  # it imports the classes that Flask-Limiter uses

    install_strategies(app)


def _windows(settings: LimitsSettings, base: Foundation) -> Windows:
    memory = MemoryWindows(max_keys=settings.memory_entries)
    return memory if base.redis is None else FallbackWindows(RedisWindows(base.redis), memory, log=base.log)


def _default(settings: LimitsSettings, problems: list[str]) -> RateLimit | None:
    if settings.default is None:
        if settings.default_tiers is not None:
            problems.append(
                "BACKEND_LIMITS_DEFAULT_TIERS: means nothing without BACKEND_LIMITS_DEFAULT; set that too"
            )
        return None
    try:
        limiting = rate_limit(settings.default, key=settings.default_key, tiers=settings.default_tiers)
    except SetupError as error:
        problems.append(
            f"BACKEND_LIMITS_DEFAULT, BACKEND_LIMITS_DEFAULT_KEY, BACKEND_LIMITS_DEFAULT_TIERS: {error}"
        )
        return None
    return limiting.as_default()


def _networks(settings: LimitsSettings, problems: list[str]) -> Networks:
    try:
        return Networks(settings.exempt_addresses)
    except ValueError as error:
        problems.append(
            f"BACKEND_LIMITS_EXEMPT_ADDRESSES: {error}; expected addresses or networks such as '10.0.0.0/8'"
        )
        return Networks(())


def _counting(base: Foundation) -> Callable[[str], Decisions]:
    if base.metrics is None:
        return lambda _: UNCOUNTED
    counter = base.metrics.counter(NAME, MEANING, ("policy", "decision"))

    def count(policy: str) -> Decisions:
        kinds: dict[str, Any] = {
            decision: counter.labels(policy, decision).inc for decision in ("allowed", "refused", "fallback")
        }
        return Decisions(**kinds)

    return count


def _credential_headers(app: Flask) -> tuple[str, ...]:
    header = app.config.get("JWT_HEADER_NAME") or "Authorization"
    return ("Authorization", header, app.config.get("BACKEND_AUTH_API_KEY_HEADER") or "X-API-Key")
