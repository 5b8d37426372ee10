"""Lets objects with locks or threads start afresh in a forked child, where other threads' locks stay taken for ever."""

from __future__ import annotations

import functools
import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that has to be put right in a forked child."""

    def reset_after_fork(self) -> None:
        """Called in the child, before anything else runs there; makes new locks, forgets threads. Must not raise."""


_objects: WeakSet[Forkable] = WeakSet()


def reset_in_children(forkable: Forkable) -> None:
    """Call `forkable.reset_after_fork()` in every child forked from now on; holds the object weakly."""
    _install()
    _objects.add(forkable)


@functools.cache
def _install() -> None:
    if hasattr(os, "register_at_fork"):  # Windows does not fork
        os.register_at_fork(after_in_child=_reset_all)


def _reset_all() -> None:
    for forkable in list(_objects):
        forkable.reset_after_fork()
