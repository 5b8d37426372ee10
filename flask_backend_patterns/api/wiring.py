"""Builds what the API layer keeps for an app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._config import ConfigError
from .caller import default_caller
from .conditional import Conditional
from .conditional import enforcer as conditional_enforcer
from .deprecation import Deprecated, mark_deprecated
from .format import DEFAULT_FORMAT, Format
from .view_table import ViewTable

if TYPE_CHECKING:
    from flask import Flask

    from ..declarations import Declaration
    from ..guard import Enforcer
    from .settings import ApiSettings


@dataclass(frozen=True, kw_only=True)
class ApiState:
    """What the API layer keeps for an app; `caller` names who is calling."""

    format: Format
    views: ViewTable
    caller: Callable[[], str]


def build(app: Flask, settings: ApiSettings) -> ApiState:
    """The state of `app`; raises `ConfigError` when its format is none."""
    wanted = settings.format
    if wanted is not None and not isinstance(wanted, Format):
        raise ConfigError([f"BACKEND_API_FORMAT is {wanted!r}; expected a flask_backend_patterns.Format"])
    outermost = DEFAULT_FORMAT if wanted is None else wanted.within(DEFAULT_FORMAT)
    return ApiState(
        format=outermost,
        views=ViewTable(app, outermost),
        caller=settings.caller or default_caller,
    )


def enforcers(settings: ApiSettings) -> dict[type[Declaration], Enforcer]:
    """Who enforces what the API layer can declare."""
    return {Conditional: conditional_enforcer(settings.etag_salt), Deprecated: mark_deprecated}
