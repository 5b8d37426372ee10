"""Builds what the API layer keeps for an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._config import ConfigError
from .caller import caller_named
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
    """What the API layer keeps for an app; `caller` names who is calling.

    `security_schemes` are the ways to authenticate, by name, in the words of OpenAPI.
    """

    format: Format
    views: ViewTable
    caller: Callable[[], str]
    security_schemes: Mapping[str, Mapping[str, Any]]


def build(
    app: Flask,
    settings: ApiSettings,
    *,
    identify: Callable[[], str | None],
    security_schemes: Mapping[str, Mapping[str, Any]],
) -> ApiState:
    """The state of `app`; raises `ConfigError` when its format is none.

    `identify` names the authenticated caller of the request being served, if there is one.
    """
    wanted = settings.format
    if wanted is not None and not isinstance(wanted, Format):
        raise ConfigError([f"BACKEND_API_FORMAT is {wanted!r}; expected a flask_backend_patterns.Format"])
    outermost = DEFAULT_FORMAT if wanted is None else wanted.within(DEFAULT_FORMAT)
    return ApiState(
        format=outermost,
        views=ViewTable(app, outermost),
        caller=settings.caller or partial(caller_named, identify),
        security_schemes=security_schemes,
    )


def enforcers(settings: ApiSettings) -> dict[type[Declaration], Enforcer]:
    """Who enforces what the API layer can declare."""
    return {Conditional: conditional_enforcer(settings.etag_salt), Deprecated: mark_deprecated}
