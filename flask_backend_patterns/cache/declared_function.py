"""What `@cached` refuses: functions whose results would be given to callers that they are not for."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from .._config import SetupError
from ..declarations import Phase
from ..guard import declarations_of, guard_of

if TYPE_CHECKING:
    from flask import Flask

MAX_LAYERS: Final = 100  # an object that makes up whatever attribute it is asked for has no end
_LIMITS: Final = frozenset({Phase.SHEDDING, Phase.ADDRESS_LIMIT, Phase.IDENTITY_LIMIT})


def require_plain_function(function: Any, full_name: str, *, has_key: bool) -> None:
    """Raise `SetupError` for what is no function, for a view with declarations, and for a closure without a key."""
    if isinstance(function, (classmethod, staticmethod)):
        kind = type(function).__name__
        raise SetupError(f"Put @cached below @{kind} on {full_name}.")
    found = [item for item in declarations_of(function) if item.phase not in _LIMITS]
    if found:
        names = ", ".join(dict.fromkeys(type(item).__name__ for item in found))
        raise SetupError(
            f"@cached on {full_name} would answer without asking {names}, which stands below it; on a view use "
            "@cached_view."
        )
    if has_key:
        return
    if function.__name__ == "<lambda>":
        raise SetupError(f"@cached on a lambda ({full_name}) needs key=: all lambdas have the same name.")
    outer = _outer_names(function)
    if outer:
        raise SetupError(
            f"@cached on {full_name} needs key=, since its result depends on {', '.join(outer)} of the function "
            "around it, which is not in the key: make it an argument, or give key= a function or a text of its own."
        )


def _outer_names(function: Any) -> list[str]:
    inner = inspect.unwrap(function)  # what a decorator holds is the function
    names = getattr(getattr(inner, "__code__", None), "co_freevars", ())
    return [name for name in names if name not in ("__class__", inner.__name__)]


def require_no_view(app: Flask, function: Any, full_name: str) -> None:
    """Raise `SetupError` when a route leads to a cached function: neither its query nor its caller are in the key."""
    for endpoint, view in list(app.view_functions.items()):
        if any(_leads_to(candidate, function) for candidate in _functions_of(view)):
            raise SetupError(
                f"@cached on {full_name}, which is the view of {endpoint}, would give one caller's answer to another; "
                "use @cached_view."
            )


def _functions_of(view: Any) -> list[Any]:
    view_class = getattr(view, "view_class", None)
    if not isinstance(view_class, type):
        return [view]
    methods = getattr(view_class, "methods", None) or ()
    names = ["dispatch_request", *(method.lower() for method in methods)]
    return [view, *(getattr(view_class, name, None) for name in names)]


def _leads_to(view: Any, function: Any) -> bool:
    for _ in range(MAX_LAYERS):
        if view is None or view is function:
            return view is function
        guard = guard_of(view)
        if guard is not None:
            view = guard.view
        elif isinstance(view, functools.partial):
            view = view.func
        else:
            view = getattr(view, "__wrapped__", None)
    return False
