"""Callbacks that keep nobody alive."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class WeakCallbacks:
    """Callables without arguments, in the order they were added; bound methods end with their object. Thread-safe."""

    def __init__(self) -> None:
        self._found: tuple[Callable[[], Any], ...] = ()  # each gives the callable, or None when it is gone

    def add(self, callback: Callable[[], object]) -> None:
        """Add one; from several threads one at a time."""
        find: Callable[[], Any] = WeakMethod(callback) if inspect.ismethod(callback) else lambda: callback
        self._found = (*(one for one in self._found if one() is not None), find)

    def __iter__(self) -> Iterator[Callable[[], object]]:
        for find in self._found:
            callback = find()
            if callback is not None:
                yield callback
