"""Remembers on each view which guards were put over it, so that one that no route leads to can be found."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .guard import Guard

OVER = "__backend_guards_over__"
MAX_LAYERS = 100  # an object that makes up whatever attribute it is asked for has no end


def note_over(view: Any, guard: Guard) -> None:
    """Keep `guard` as long as `view` lives, and what `view` wraps."""
    for covered in _chain(view):
        known = vars(covered).setdefault(OVER, [])
        # `functools.wraps` copies attributes: it may be the list of another function too.
        if guard not in known:
            known.append(guard)


def guards_over(view: Any) -> list[Guard]:
    """Every guard that was ever put over `view`, foreign decorators in between or not; innermost first."""
    known: list[Guard] = getattr(view, "__dict__", {}).get(OVER, [])
    return [guard for guard in list(known) if any(item is view for item in _chain(guard.view))]


def held_by(function: Any) -> Iterator[Any]:
    """What the closure of `function` holds."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the cell is still empty
            continue


def _chain(view: Any) -> Iterator[Any]:
    """`view` and what it wraps, as far as attributes can be set on them; methods are made anew whenever asked for."""
    seen: set[int] = set()
    while hasattr(view, "__dict__") and id(view) not in seen and len(seen) < MAX_LAYERS:
        if inspect.ismethod(view) or isinstance(view, type):
            return
        seen.add(id(view))
        yield view
        view = getattr(view, "__wrapped__", None)
