"""Finds the extension objects an app already has; never makes, replaces or initializes one.

They are looked for when they are needed, so it does not matter whether the app sets them up before or after us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._config import SetupError

if TYPE_CHECKING:
    from flask import Flask


@dataclass(frozen=True, kw_only=True)
class WrappedExtensions:
    """The objects handed to `BackendPatterns(...)`; where none was, the app's only one is used."""

    db: Any = None
    api: Any = None
    jwt: Any = None
    limiter: Any = None
    cache: Any = None

    def find(self, app: Flask, name: str) -> Any:
        """The object called `name` (`db`, `api`, `jwt`, `limiter`, `cache`) of `app`, or None when it has none.

        Raises `SetupError` when the app has several and none was handed over, or has others than the one handed over.
        """
        given = getattr(self, name)
        present = _PRESENT[name](app)
        if given is not None:
            if present and not any(item is given for item in present):
                raise SetupError(
                    f"BackendPatterns was given {name}={given!r}, but the app was set up with another one; "
                    f"hand over the object whose init_app the app called."
                )
            return given
        if len(present) > 1:
            raise SetupError(
                f"The app has {len(present)} {name} objects; say which: BackendPatterns({name}=...)."
            )
        return present[0] if present else None

    def check(self, app: Flask) -> list[str]:
        """A sentence for each object handed over that contradicts what the app has."""
        problems = []
        for name in _PRESENT:
            if getattr(self, name) is not None:
                try:
                    self.find(app, name)
                except SetupError as error:
                    problems.append(str(error))
        return problems


def _one(key: str) -> Any:
    return lambda app: [app.extensions[key]] if app.extensions.get(key) is not None else []


_PRESENT: dict[str, Any] = {
    "db": _one("sqlalchemy"),
    "jwt": _one("flask-jwt-extended"),
    "limiter": lambda app: list(app.extensions.get("limiter") or ()),
    "cache": lambda app: list(app.extensions.get("cache") or ()),
    "api": lambda app: [
        entry["ext_obj"] for entry in (app.extensions.get("flask-smorest") or {"apis": {}})["apis"].values()
    ],
}
