"""Calls a user's function with the path arguments of the request, by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from flask import current_app, request

from ._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


class FromPath:
    """A function of some of a view's path arguments, such as `lambda order_id: ...`; it may be async."""

    __slots__ = ("_function", "_names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        parameters = inspect.signature(function).parameters.values()
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        self._names = None if takes_all else tuple(parameter.name for parameter in parameters)

    def __call__(self) -> Any:
        """Its result for the request being served; `SetupError` when the route lacks an argument it takes."""
        given = request.view_args or {}
        try:
            arguments = given if self._names is None else {name: given[name] for name in self._names}
        except KeyError as missing:
            name = getattr(self._function, "__name__", repr(self._function))
            raise SetupError(
                f"{name} takes {missing}, which is no part of the path {request.url_rule}; "
                f"the path has: {', '.join(given) or 'none'}."
            ) from None
        return current_app.ensure_sync(self._function)(**arguments)
