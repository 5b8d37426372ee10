"""Logging in by OpenID Connect providers: a blueprint that an app registers if it wants it (extra `oauth`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .provider import Provider, provider_problems

if TYPE_CHECKING:
    from .blueprint import oauth_blueprint

__all__ = ["Provider", "oauth_blueprint", "provider_problems"]


def __getattr__(name: str) -> Any:
    """`oauth_blueprint`, imported when asked for: apps that only have their settings checked need nothing of it."""
    if name == "oauth_blueprint":
        from .blueprint import oauth_blueprint

        return oauth_blueprint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
