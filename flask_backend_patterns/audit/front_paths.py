"""The paths that are answered in front of an app: health, metrics, the document and its page."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from .._api_routes import is_taken
from .._boundary import RequestBoundary

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LAYERS: Final = 1_000  # a wrapper that makes up an attribute whenever it is asked has no end


def front_paths(app: Flask) -> list[str]:
    """In order of the alphabet; without those that the app has a route for, which then counts.

    Read from the WSGI wrappers themselves, so it holds for what is really served, also when the app has put
    wrappers of its own round ours.
    """
    paths: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = [app.wsgi_app]
    while waiting and len(seen) < MAX_LAYERS:
        layer = waiting.pop()
        if id(layer) in seen or isinstance(layer, Flask):  # another app has paths of its own
            continue
        seen.add(id(layer))
        if isinstance(layer, RequestBoundary):
            paths.update(layer._answers)  # noqa: SLF001 - kept nowhere else
        waiting += _called_by(layer)
    return sorted(path for path in paths if not is_taken(app, path))


def _called_by(layer: Any) -> Iterator[Any]:
    """What a WSGI wrapper may call: an attribute, what its closure holds, or what it was made from."""
    held = list(vars(layer).values()) if hasattr(layer, "__dict__") else []
    slots = [inspect.getattr_static(kind, "__slots__", ()) for kind in type(layer).__mro__]
    names = {name for slot in slots for name in ([slot] if isinstance(slot, str) else slot)}
    held += [getattr(layer, name, None) for name in names]
    if inspect.ismethod(layer):
        held.append(layer.__self__)
    if isinstance(layer, partial):
        held += [layer.func, *layer.args]
    for cell in getattr(layer, "__closure__", None) or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # the cell is still empty
            continue
    return (inner for inner in held if callable(inner) and not inspect.isclass(inner))
