"""What holds for a route of an app: what is declared on its view, and what the settings say where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._state import state_of
from .declarations import in_order
from .guard import declarations_of

if TYPE_CHECKING:
    from flask import Flask

    from .declarations import Declaration


def declarations_for(app: Flask, endpoint: str, view: Any, method: str) -> tuple[Declaration, ...]:
    """Every declaration that a request to `endpoint` by `method` (in capitals) meets, in order."""
    declared = declarations_of(view, method)
    state = state_of(app)
    if state is None or state.limits is None:
        return declared
    defaults = state.limits.defaults
    in_force = defaults.in_force(declared, method)
    return in_order((*in_force, *defaults.implied(endpoint, method, declared)))
