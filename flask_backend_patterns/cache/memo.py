"""`@memo`: one computation for each request and arguments."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from flask import g, has_app_context

from .keys import UnstableKeyError, stable_text
from .templates import Arguments

P = ParamSpec("P")
R = TypeVar("R")

MAX_RESULTS = 1000
_ATTRIBUTE = "_flask_backend_patterns_memo"


def memo(function: Callable[P, R]) -> Callable[P, R]:
    """Remember the results of a function, method or coroutine function until the request (its app context) ends, the latest 1,000 at most.

    Equal arguments share a result; those without a stable text (a model, a session) are told apart as objects. Errors
    are not remembered. Callers get the same object. Outside an application context the function is just called.
    """
    arguments = Arguments(inspect.signature(function), where=f"@memo on {function.__qualname__}")
    token = object()

    @functools.wraps(function)
    def remember(*args: P.args, **kwargs: P.kwargs) -> R:
        if not has_app_context():
            return function(*args, **kwargs)
        known, key, kept = _place(token, arguments, args, kwargs)
        if key in known:
            return cast("R", known[key][0])
        value = function(*args, **kwargs)
        _make_room(known)
        return cast("R", known.setdefault(key, (value, kept))[0])

    @functools.wraps(function)
    async def remember_async(*args: P.args, **kwargs: P.kwargs) -> Any:
        call = cast("Callable[..., Any]", function)
        if not has_app_context():
            return await call(*args, **kwargs)
        known, key, kept = _place(token, arguments, args, kwargs)
        while key in known:
            value = known[key][0]
            if not isinstance(value, _Pending):
                return value
            await value.over.wait()  # a failed one is gone afterwards, and the next one tries
        pending = _Pending()
        _make_room(known)
        known[key] = (pending, kept)
        try:
            value = await call(*args, **kwargs)
        except BaseException:
            known.pop(key, None)
            raise
        else:
            known[key] = (value, kept)
            return value
        finally:
            pending.over.set()

    return cast("Callable[P, R]", remember_async) if inspect.iscoroutinefunction(function) else remember


class _Pending:
    """A coroutine of this request is computing it."""

    def __init__(self) -> None:
        self.over = asyncio.Event()


def _place(
    token: object, arguments: Arguments, args: Any, kwargs: Any
) -> tuple[dict[Any, Any], Any, list[Any]]:
    """What is remembered, the key within, and what has to be kept alive, lest its identity be given to another."""
    known = g.get(_ATTRIBUTE)
    if known is None:
        known = g.setdefault(_ATTRIBUTE, {})
    kept: list[Any] = []
    return known, (token, tuple([_key(value, kept) for value in arguments.in_order(args, kwargs)])), kept


def _make_room(known: dict[Any, Any]) -> None:
    """A worker may stay in one context for as long as it lives: the oldest results go. Who waits for one still gets it."""
    while len(known) >= MAX_RESULTS:
        known.pop(next(iter(known)), None)


def _key(value: Any, kept: list[Any]) -> str | int:
    try:
        return stable_text(value)
    except UnstableKeyError:
        kept.append(value)
        return id(value)
