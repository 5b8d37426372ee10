"""Declares something on every view of a Flask blueprint, of those nested in it too."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ._config import SetupError
from .declarations import Declaration
from .guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint, Flask

_DECLARED = "__backend_declared__"


def declare_on_blueprint(
    blueprint: Blueprint, declaration: Declaration, *, check: Callable[[Any], None]
) -> None:
    """Every view that `blueprint` ever registers gets `declaration`; `check` is called with each of them.

    Views are found when the blueprint is registered on an app, the last moment at which it may get new ones, so none
    is forgotten: static files, nested blueprints, and routes added through `blueprint.record` count too. Raises
    `SetupError` when that has happened already.
    """
    if blueprint._got_registered_once:  # noqa: SLF001 - Flask's own mark; it has no public one
        raise SetupError(
            f"{type(declaration).__name__} is declared on the blueprint {blueprint.name}, which is registered already; "
            "declare it before app.register_blueprint."
        )
    known: tuple[Declaration, ...] = vars(blueprint).get(_DECLARED, ())
    setattr(blueprint, _DECLARED, (declaration, *known))
    if not known:
        _guard_on_registration(blueprint, check)


def _guard_on_registration(blueprint: Blueprint, check: Callable[[Any], None]) -> None:
    original = blueprint.register

    @functools.wraps(original)
    def register(app: Flask, options: dict[str, Any]) -> None:
        before = dict(app.view_functions)
        original(app, options)
        declarations = getattr(blueprint, _DECLARED)
        for endpoint, view in list(app.view_functions.items()):
            if before.get(endpoint) is not view:
                app.view_functions[endpoint] = guarded(view, declarations)
                check(app.view_functions[endpoint])

    blueprint.register = register  # type: ignore[method-assign, assignment]  # called on the blueprint itself
