"""Calls a user's function with the path arguments of the request, by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from flask import request

from ._config import SetupError
from ._synchronous import call_synchronously

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class FromPath:
    """A function of some of a view's path arguments, such as `lambda order_id: ...`; it may be async.

    A parameter with a default need not be in the path.
    """

    __slots__ = ("_function", "_is_needed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        parameters = inspect.signature(function).parameters.values()
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        self._is_needed = (
            None
            if takes_all
            else {parameter.name: parameter.default is parameter.empty for parameter in parameters}
        )

    def __call__(self) -> Any:
        """Its result for the request being served; `SetupError` when the route lacks an argument it takes."""
        given = request.view_args or {}
        try:
            arguments = given if self._is_needed is None else self._choose(given)
        except KeyError as missing:
            raise SetupError(
                f"{self._name} takes {missing}, which is no part of the path {request.url_rule}; "
                f"the path has: {', '.join(given) or 'none'}."
            ) from None
        return call_synchronously(self._function, **arguments)

    def given(self, arguments: Mapping[str, Any]) -> Any:
        """Its result for `arguments` in place of those of a path; `SetupError` when one that it takes is not there."""
        try:
            chosen = arguments if self._is_needed is None else self._choose(arguments)
        except KeyError as missing:
            raise SetupError(
                f"{self._name} takes {missing}, which is not there; there is: {', '.join(arguments) or 'nothing'}."
            ) from None
        return call_synchronously(self._function, **chosen)

    @property
    def takes_any(self) -> bool:
        """Whether it has parameters."""
        return self._is_needed is None or bool(self._is_needed)

    @property
    def _name(self) -> str:
        return getattr(self._function, "__name__", repr(self._function))

    def _choose(self, given: Mapping[str, Any]) -> dict[str, Any]:
        needed = self._is_needed or {}
        return {name: given[name] for name, is_needed in needed.items() if is_needed or name in given}
