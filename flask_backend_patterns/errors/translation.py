"""Foreign exceptions into `AppError`: the one place that knows who translates what.

Each module in `translators/` knows one package and is imported when the first exception of that package arrives, so
nothing optional is imported before it is used. A subclass defined elsewhere is found through its bases.
"""

from __future__ import annotations

import traceback
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from .tree import AppError, DeadlineExceededError, MalformedJSONError

if TYPE_CHECKING:
    from collections.abc import Callable

# The top-level package that defines an exception class -> the module here that translates it.
TRANSLATORS = {
    "werkzeug": "werkzeug",
    "flask_limiter": "flask_limiter",
    "marshmallow": "marshmallow",
    "sqlalchemy": "sqlalchemy",
    "redis": "redis",
    "jwt": "jwt",
    "flask_jwt_extended": "jwt",
    "httpx": "httpx",
    "requests": "requests",
}


def translate(error: Exception) -> AppError | None:
    """The `AppError` that says what `error` means to a client, chained to it; None when it is an unforeseen fault."""
    if isinstance(error, AppError):
        return error
    for base in type(error).__mro__:
        module = TRANSLATORS.get(base.__module__.partition(".")[0])
        if module is not None:
            translated = _translator(module)(error)
            break
        if base is RecursionError and _is_from_get_json(error):
            translated = MalformedJSONError("The request body is nested too deeply.")
            break
        if base is TimeoutError:
            translated = DeadlineExceededError()
            break
    else:
        return None
    if translated is not None:
        translated.__cause__ = error
    return translated


def _is_from_get_json(error: BaseException) -> bool:
    """Whether reading the request's JSON ran out of stack, rather than the view."""
    return any(frame.f_code.co_name == "get_json" for frame, _ in traceback.walk_tb(error.__traceback__))


@cache
def _translator(module: str) -> Callable[[Any], AppError | None]:
    found = import_module(f"{__package__}.translators.{module}")
    return cast("Callable[[Any], AppError | None]", found.translate)
