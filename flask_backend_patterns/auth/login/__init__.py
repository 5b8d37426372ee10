"""Routes to log in, stay logged in and log out: a blueprint that an app registers if it wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blueprint import login_blueprint

__all__ = ["login_blueprint"]


def __getattr__(name: str) -> Any:
    """`login_blueprint`, imported when asked for: `failures` needs only what is beside it."""
    if name == "login_blueprint":
        from .blueprint import login_blueprint

        return login_blueprint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
