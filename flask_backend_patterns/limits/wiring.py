"""Builds limits for an app, and installs what has to see every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .._contribution import Contribution

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from flask import Flask

    from .._foundation import Foundation
    from ..declarations import Declaration
    from ..guard import Enforcer
    from .settings import LimitsSettings


class Caller(Protocol):
    """Who sends a request, as authentication has it (`auth.Actor`)."""

    @property
    def id(self) -> str:
        """Never empty."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Inherited ones included."""

    @property
    def method(self) -> str:
        """`jwt`, `cookie`, `api_key` or `session`."""

    @property
    def credential_id(self) -> str | None:
        """The token's `jti`, or the id of the API key."""


class Feed(Protocol):
    """Tells all processes that something has changed (`cache.InvalidationFeed`)."""

    def listen(self, listener: Callable[[tuple[str, ...] | None], None]) -> None:
        """Call `listener` with the keys that have changed, None for any."""

    def publish(self, *keys: str) -> None:
        """These keys have changed; `CacheError` when the other processes could not be told."""


@dataclass(frozen=True, kw_only=True)
class LimitsState:
    """What limits keep for an app."""

    settings: LimitsSettings


def build(
    app: Flask,
    settings: LimitsSettings,
    base: Foundation,
    *,
    identify: Callable[[], Caller | None],
    feed: Feed,
) -> LimitsState:
    """The state of `app`; connects to nothing. Raises `ConfigError` for rates that cannot be read.

    `identify` gives the authenticated caller of the request being served, None for anonymous ones.
    """
    del app, base, identify, feed
    return LimitsState(settings=settings)


def enforcers(state: LimitsState) -> dict[type[Declaration], Enforcer]:
    """Who enforces what this feature can declare."""
    del state
    return {}


def contribution(state: LimitsState) -> Contribution:
    """The headers of every response, and refusals in front of the app."""
    del state
    return Contribution()


def install(app: Flask, state: LimitsState, undo: ExitStack) -> None:
    """Put the default limits, and our strategies for Flask-Limiter, in place."""
    del app, state, undo
