"""Finds declarations that stand above their route, where no request meets them, and refuses what they should guard."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import request

from ._config import SetupError
from ._covering import guards_over, held_by
from ._first_request import at_first_request
from .guard import declarations_of, guard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flask import Flask

    from ._contribution import EventLog, RequestHook
    from .declarations import Declaration
    from .guard import Guard

HINT = "Put these decorators below the one that makes the route."
# The apps of this process, since one may have a route to what is guarded for another. Guarded by the lock.
_APPS: WeakSet[Flask] = WeakSet()
_LOCK = threading.Lock()


def look_once(app: Flask, log: EventLog) -> RequestHook:
    """A hook that looks at the first request, when the app has all its routes; other requests wait for it.

    It logs `declaration_bypassed`, and has the app refuse every request to an endpoint that misses a declaration which
    is `required`: `SetupError`, a 500, so that what somebody meant to guard is not open.
    """
    with _LOCK:
        _APPS.add(app)
    return at_first_request(lambda: _look(app, log))


def bypassed(app: Flask) -> dict[str, list[str]]:
    """Endpoint -> kinds of declarations on its view that no request meets: the route was made before they were put on.

    That happens to views of plain Flask routes; our `Blueprint` refuses it when the decorator is called.
    """
    return {endpoint: kinds_of(missed) for endpoint, missed in missed_declarations(app).items()}


def _look(app: Flask, log: EventLog) -> None:
    refused = {}
    for endpoint, missed in missed_declarations(app).items():
        kinds = kinds_of(missed)
        log.error("declaration_bypassed", endpoint=endpoint, declarations=kinds, hint=HINT)
        if any(item.required for item in missed):
            refused[endpoint] = ", ".join(kinds)
    if refused:
        # Before anything of the app; not there at all where all is well
        app.before_request_funcs.setdefault(None, []).insert(0, _refusing(refused))


def _refusing(refused: dict[str, str]) -> Callable[[], None]:
    def refuse_bypassed() -> None:
        kinds = refused.get(request.endpoint or "")
        if kinds is not None:
            raise SetupError(
                f"{kinds} above the route of {request.endpoint} would enforce nothing, so every request to it is "
                f"refused. {HINT}"
            )

    return refuse_bypassed


def missed_declarations(app: Flask) -> dict[str, list[Declaration]]:
    """Endpoint -> declarations that were put over its view and that no route of this process leads to."""
    _note_routed(app)
    suspects = {endpoint: found for endpoint, view in app.view_functions.items() if (found := _unmet(view))}
    if suspects:
        with _LOCK:
            apps = list(_APPS)
        for other in apps:
            _note_routed(other)
        suspects = {endpoint: _unmet(app.view_functions[endpoint]) for endpoint in suspects}
    return {endpoint: missed for endpoint, missed in suspects.items() if missed}


def _note_routed(app: Flask) -> None:
    for view in list(app.view_functions.values()):
        for guard in _guards_in(view, set()):
            guard.is_routed = True


def _guards_in(function: Any, seen: set[int]) -> Iterator[Guard]:
    """Every guard that a call of `function` may come to, whatever foreign decorators do with it."""
    if id(function) in seen:
        return
    seen.add(id(function))
    guard = guard_of(function)
    if guard is not None:
        yield guard
    wrapped = getattr(function, "__wrapped__", None), getattr(function, "func", None)
    for inner in (*wrapped, *held_by(function)) if guard is None else (guard.view,):
        if inspect.isroutine(inner) or isinstance(inner, functools.partial):
            yield from _guards_in(inner, seen)


def _unmet(view: Any) -> list[Declaration]:
    """What was declared over `view` in vain.

    A guard that another one has taken the place of, and one that a route leads to while `view` has an open one beside
    it, are as they should be.
    """
    guard = guard_of(view)
    over = guards_over(view if guard is None else guard.view)
    met = [_declared_by(view), *(_declared_by(other.wrapper) for other in over if other.is_routed)]
    missed: list[Declaration] = []
    for other in over:
        if not other.is_routed and not any(_holds_all(known, other) for known in met):
            missed += [item for item in other.declarations if item not in (*met[0], *missed)]
    return missed


def _declared_by(view: Any) -> tuple[Declaration, ...]:
    # Of no method: what is declared on one handler of a class is not for all.
    return declarations_of(view, "")


def _holds_all(known: Iterable[Declaration], guard: Guard) -> bool:
    return all(item in known for item in guard.declarations)


def kinds_of(missed: Iterable[Declaration]) -> list[str]:
    """Their names, each once."""
    return list(dict.fromkeys(type(item).__name__ for item in missed))
