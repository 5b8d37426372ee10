"""What a function with declarations is called with, for those whose enforcers look at it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

# Of the guard that is being entered, where one of its declarations `takes_arguments`.
CALLED_WITH: ContextVar[Call] = ContextVar("called_with")
