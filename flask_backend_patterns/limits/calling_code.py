"""Names functions, and the code that enters a block."""

from __future__ import annotations

import sys
from typing import Any


def calling_function(depth: int = 2) -> str:
    """Module and name of the function `depth` calls up, the same in every process."""
    frame = sys._getframe(depth)  # noqa: SLF001 - documented, and what `inspect` uses
    return f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"


def place_of(function: Any) -> str:
    """Module and name of `function`, the same in every process."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '')}.{name}"
