"""Looks at the functions that enforce declarations."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from ._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .declarations import Declaration
    from .guard import Enforcer


def checked_enforcers(enforcers: Mapping[type[Declaration], Enforcer]) -> dict[type[Declaration], Enforcer]:
    """The same, or `SetupError` for an async one: views may be sync, so enforcers have to be."""
    for kind, enforcer in enforcers.items():
        function = function_of(enforcer)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise SetupError(f"The enforcer of {kind.__name__} is async; write it with `def`.")
    return dict(enforcers)


def function_of(enforcer: Enforcer) -> Any:
    """The function behind a callable object."""
    is_function = inspect.isroutine(enforcer) or isinstance(enforcer, functools.partial)
    return enforcer if is_function else type(enforcer).__call__
