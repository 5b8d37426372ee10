"""`@cached`: what a function returns is kept, by its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from .._config import SetupError
from .access import listed
from .cached_function import CachedCoroutine, CachedFunction, CachedMethod
from .policy import Lifetimes
from .templates import Tags, Template

if TYPE_CHECKING:
    from typing import Protocol

    from .policy import NotStored

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")

    class _Decorator(Protocol):
        @overload
        def __call__(
            self, function: Callable[P, Coroutine[Any, Any, T | NotStored[T]]], /
        ) -> CachedCoroutine[P, T]: ...
        @overload
        def __call__(self, function: Callable[P, R | NotStored[R]], /) -> CachedFunction[P, R]: ...


__all__ = ["CachedCoroutine", "CachedFunction", "CachedMethod", "cached"]


def cached(  # noqa: PLR0913 - each an option of its own
    ttl: float = 300,
    *,
    key: Template | None = None,
    tags: Tags = (),
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    name: str | None = None,
    schema: Any = None,
    types: Iterable[Any] = (),
    near: bool = True,
) -> _Decorator:
    """Keep what a function, a method or a coroutine function returns for `ttl` seconds; one caller loads, others wait.

    `key` and `tags` are templates of the arguments (`"item:{item_id}"`, `"{user.id}"`), or functions of them. Without
    `key` it is the function's name and all arguments, each of which then needs a stable text. `stale`: for so many
    seconds more one caller refreshes while the others get the old value, which also serves when the loader fails.
    None lives `none_ttl` seconds (`ttl`, but 10 at most; 0: it is not kept). `jitter` shortens lives by up to that part.
    `name` is for metrics. Values are plain data, dataclasses and enums that the return annotation or `types` names, or
    what the marshmallow `schema` dumps and loads. `near=False` asks the store at every call.

    Outside an application context, and with BACKEND_CACHE_ENABLED off, the function is just called. Raises `SetupError`
    at once for templates that the arguments cannot fill; at a call `UnstableKeyError` and `UncacheableValueError`.
    """
    if callable(ttl):
        raise SetupError("Write @cached() with parentheses.")
    classes = listed("types", types)
    lifetimes = Lifetimes(ttl=ttl, stale=stale, none_ttl=none_ttl, jitter=jitter)

    def decorate(function: Any) -> Any:
        kind = CachedCoroutine if inspect.iscoroutinefunction(function) else CachedFunction
        return kind(
            function,
            lifetimes=lifetimes,
            key=key,
            tags=tags,
            name=name,
            schema=schema,
            types=classes,
            near=near,
        )

    return cast("_Decorator", decorate)
