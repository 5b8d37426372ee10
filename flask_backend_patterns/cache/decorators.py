"""`@cached`: the result of a function is kept, by its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from flask.globals import _cv_app

from .._config import SetupError
from .._state import EXTENSION_KEY
from .access import encoder_for, engine_of
from .keys import bounded
from .near_cache import MISSING
from .policy import Call, Lifetimes, Policy
from .steps import run, run_async
from .templates import Arguments, Tags, Template, key_builder, key_of_arguments, tags_builder

if TYPE_CHECKING:
    from typing import Protocol

    from .aside import CacheAside

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")

    class _Decorator(Protocol):
        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> CachedCoroutine[P, T]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...

else:
    P, R, T = ParamSpec("P"), TypeVar("R"), TypeVar("T")


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
            types=tuple(types),
            near=near,
        )

    if callable(ttl):
        raise SetupError("Write @cached() with parentheses.")
    return cast("_Decorator", decorate)


class _Bound:
    """A cached function on one app."""

    __slots__ = ("aside", "is_near", "near", "policy")

    def __init__(self, aside: CacheAside, policy: Policy) -> None:
        self.aside = aside
        self.policy = policy
        self.near = aside.near
        self.is_near = policy.is_near


class CachedFunction(Generic[P, R]):
    """What `@cached` makes of a function; `uncached` is the function itself."""

    def __init__(  # noqa: PLR0913 - the options of `cached`
        self,
        function: Callable[P, R],
        *,
        lifetimes: Lifetimes,
        key: Template | None,
        tags: Tags,
        name: str | None,
        schema: Any,
        types: tuple[Any, ...],
        near: bool,
    ) -> None:
        full_name = f"{function.__module__}.{function.__qualname__}"
        lifetimes.check(f"@cached on {full_name}")
        if key is None and function.__name__ == "<lambda>":
            raise SetupError("@cached on a lambda needs key=: all lambdas have the same name.")
        arguments = Arguments(inspect.signature(function), where=full_name)
        self.uncached = function
        self._key = key_of_arguments(full_name, arguments) if key is None else key_builder(key, arguments)
        self._tags = tags_builder(tags, arguments)
        self._lifetimes = lifetimes
        self._name = name or full_name
        self._make_encoder = functools.partial(encoder_for, function, schema, types)
        self._is_near = near
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The kept result, or that of the function."""
        bound = self._bound()
        if bound is None:
            return self.uncached(*args, **kwargs)
        key = bounded(self._key(args, kwargs))
        if bound.is_near:
            value = bound.aside.find_near(key, bound.policy)
            if value is not MISSING:
                return cast("R", value)
        return self._load(bound, key, args, kwargs)

    def fresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As a call, but past what this process keeps near: the store is asked."""
        bound = self._bound()
        if bound is None:
            return self.uncached(*args, **kwargs)
        return self._load(bound, bounded(self._key(args, kwargs)), args, kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load anew, and keep that. Who asks at the same time shares the load."""
        bound = self._bound()
        if bound is None:
            return self.uncached(*args, **kwargs)
        return self._load(bound, bounded(self._key(args, kwargs)), args, kwargs, is_refresh=True)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments, everywhere."""
        engine = engine_of(self._name)
        if engine is not None:
            engine.invalidate(keys=[self.key(*args, **kwargs)])

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of the result for these arguments."""
        return bounded(self._key(args, kwargs))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else CachedMethod(self, instance)

    def _bound(self) -> _Bound | None:
        context = _cv_app.get(None)
        if context is None:
            return None
        try:
            return context.app.extensions[EXTENSION_KEY].cache.functions[self]  # type: ignore[no-any-return]
        except KeyError:
            return self._bind(context.app)

    def _bind(self, app: Any) -> _Bound | None:
        engine = engine_of(self._name)
        bound = None
        if engine is not None:
            policy = Policy(
                lifetimes=self._lifetimes,
                encoder=self._make_encoder(),
                tally=engine.tally(self._name),
                is_near=self._is_near,
            )
            bound = _Bound(engine, policy)
        app.extensions[EXTENSION_KEY].cache.functions[self] = bound
        return bound

    def _call(self, bound: _Bound, key: str, args: Any, kwargs: Any, *, is_refresh: bool) -> Call:
        tags = tuple([bounded(tag) for tag in self._tags(args, kwargs)])
        return Call(key, tags, bound.policy, is_refresh=is_refresh)

    def _load(self, bound: _Bound, key: str, args: Any, kwargs: Any, *, is_refresh: bool = False) -> R:
        steps = bound.aside.steps(self._call(bound, key, args, kwargs, is_refresh=is_refresh))
        function = self.uncached
        return cast("R", run(steps, lambda: function(*args, **kwargs)))


class CachedCoroutine(CachedFunction[P, Coroutine[Any, Any, T]], Generic[P, T]):
    """What `@cached` makes of a coroutine function. Waiting for another's load leaves the event loop free."""

    def _load(
        self, bound: _Bound, key: str, args: Any, kwargs: Any, *, is_refresh: bool = False
    ) -> Coroutine[Any, Any, T]:
        steps = bound.aside.steps(self._call(bound, key, args, kwargs, is_refresh=is_refresh))
        function = cast("Callable[..., Awaitable[T]]", self.uncached)
        return run_async(steps, lambda: function(*args, **kwargs))

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The kept result, or that of the coroutine function."""
        bound = self._bound()
        if bound is None:
            return await self.uncached(*args, **kwargs)
        key = bounded(self._key(args, kwargs))
        if bound.is_near:
            value = bound.aside.find_near(key, bound.policy)
            if value is not MISSING:
                return cast("T", value)
        return await self._load(bound, key, args, kwargs)


class CachedMethod(Generic[P, R]):
    """A cached function of a class, on one object."""

    __slots__ = ("__self__", "__wrapped__")

    def __init__(self, function: CachedFunction[P, R], instance: Any) -> None:
        self.__wrapped__ = function
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """The kept result for this object, or that of the function."""
        return self.__wrapped__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """`fresh`, `refresh`, `invalidate`, `key`, `uncached`, each with the object as first argument."""
        found = getattr(self.__wrapped__, name)
        if name in ("fresh", "refresh", "invalidate", "key", "uncached"):
            return functools.partial(found, self.__self__)
        return found
