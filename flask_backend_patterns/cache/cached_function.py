"""What `@cached` makes of functions, coroutine functions and methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from flask.globals import _cv_app

from .._config import SetupError
from .._state import EXTENSION_KEY
from .access import encoder_for, engine_of, unwrapped
from .batches import Batch
from .declared_function import require_no_view, require_plain_function
from .keys import bounded
from .names import tag_name
from .near_cache import MISSING
from .pending_write import PendingWrite
from .personal import CallerWatch
from .policy import Call, Lifetimes, NotStored, Policy
from .steps import run, run_async
from .templates import (
    Arguments,
    Tags,
    Template,
    fixed_tags,
    key_builder,
    key_of_arguments,
    shape_of,
    tags_builder,
)

if TYPE_CHECKING:
    from flask import Flask

    from .aside import CacheAside

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
K = TypeVar("K")

ASKED_HINT = (
    "What it returns depends on who calls, so it was kept for nobody: pass the id as an argument, which is then part of the "
    "key, or give key= a function that asks."
)


class Bound:
    """A cached function on one app."""

    __slots__ = ("aside", "is_near", "is_personal", "policy")

    def __init__(self, aside: CacheAside, policy: Policy) -> None:
        self.aside = aside
        self.policy = policy
        self.is_near = policy.is_near
        self.is_personal = False  # it has once asked who calls


class CachedFunction(Generic[P, R]):
    """What `@cached` makes of a function; `uncached` is the function itself."""

    def __init__(  # noqa: PLR0913 - the options of `cached`
        self,
        function: Callable[P, R | NotStored[R]],
        *,
        lifetimes: Lifetimes,
        key: Template | None,
        tags: Tags,
        name: str | None,
        schema: Any,
        types: tuple[Any, ...],
        near: bool,
    ) -> None:
        full_name = name_of(function)
        lifetimes.check(f"@cached on {full_name}")
        require_plain_function(function, full_name, has_key=key is not None)
        arguments = Arguments(inspect.signature(function), where=full_name)
        self.uncached = function
        self._full_name = full_name
        self._key = key_of_arguments(full_name, arguments) if key is None else key_builder(key, arguments)
        self._key_shape = None if key is None else shape_of(key, where=full_name)
        self._may_ask_caller = callable(key)
        self._tags = tags_builder(tags, arguments)
        fixed = fixed_tags(tags, arguments)
        self._fixed_tags = None if fixed is None else tuple([tag_name(tag) for tag in fixed])
        self._lifetimes = lifetimes
        self._name = name or full_name
        self._make_encoder = functools.partial(encoder_for, function, schema, types)
        self._is_near = near
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The kept result, or that of the function."""
        bound = self._bound()
        if bound is None:
            return self._call_uncached(args, kwargs)
        key = bounded(self._key(args, kwargs))
        tags = self._fixed_tags
        if tags is None:
            tags = self._tags_of(args, kwargs)
        if bound.is_near:
            value = bound.aside.find_near(key, tags, bound.policy)
            if value is not MISSING:
                return cast("R", value)
        return self._load(bound, Call(key, tags, bound.policy), args, kwargs)

    def fresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As a call, but past what this process keeps near: the store is asked."""
        return self._asked(args, kwargs, is_refresh=False)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load anew, and keep that. Who asks at the same time shares the load."""
        return self._asked(args, kwargs, is_refresh=True)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result for these arguments, everywhere."""
        engine = engine_of(self._name)
        if engine is not None:
            engine.invalidate(keys=[self.key(*args, **kwargs)])

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of the result for these arguments."""
        return bounded(self._key(args, kwargs))

    def write_through(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Keep `value` as the result for these arguments; see `write_through`."""
        bound = self._bound()
        if bound is not None:
            bound.aside.write(self._call(bound, args, kwargs), value)

    def write_through_after_commit(
        self, session: Any, value: R, /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Keep `value` once what `session` is doing is committed; see `write_through_after_commit`."""
        from .session_work import work_of

        bound = self._bound()
        if bound is not None:
            call = self._call(bound, args, kwargs)
            write = PendingWrite(bound.aside, call, value, call.policy.encode(value))
            work_of(session).current.add_write(write)

    def get_many(self: CachedFunction[[K], R], arguments: Iterable[K]) -> dict[K, R]:
        """The results for each of `arguments` of a function that takes one; the store is asked once for all of them."""
        return self._many((), arguments)

    # Of class methods and static methods what is known is the result: which of the two it is, is not.
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CachedFunction[..., R]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> CachedMethod[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else CachedMethod(self, instance)

    def _call_uncached(self, args: Any, kwargs: Any) -> R:
        """As where nothing is cached: the value, also of `NotStored`."""
        return cast("R", unwrapped(self.uncached(*args, **kwargs)))

    def _bound(self) -> Bound | None:
        context = _cv_app.get(None)
        if context is None:
            return None
        try:
            return context.app.extensions[EXTENSION_KEY].cache.functions[id(self)][0]  # type: ignore[no-any-return]
        except KeyError:
            return self._bind(context.app)

    def _bind(self, app: Flask) -> Bound | None:
        engine = engine_of(self._name)
        bound = None
        require_no_view(app, self, self._full_name)
        if engine is not None:
            policy = Policy(
                lifetimes=self._lifetimes,
                encoder=self._make_encoder(),
                tally=engine.tally(self._name),
                is_near=self._is_near,
            )
            bound = Bound(engine, policy)
        state = app.extensions[EXTENSION_KEY].cache
        if self._key_shape is not None:
            state.note_key(self._key_shape, full_name=self._full_name, name=self._name)
        state.note_function(self, bound)
        return bound

    def _tags_of(self, args: Any, kwargs: Any) -> tuple[str, ...]:
        if self._fixed_tags is not None:
            return self._fixed_tags
        return tuple([tag_name(tag) for tag in self._tags(args, kwargs)])

    def _call(self, bound: Bound, args: Any, kwargs: Any, *, is_refresh: bool = False) -> Call:
        key = bounded(self._key(args, kwargs))
        return Call(key, self._tags_of(args, kwargs), bound.policy, is_refresh=is_refresh)

    def _asked(self, args: Any, kwargs: Any, *, is_refresh: bool) -> R:
        bound = self._bound()
        if bound is None:
            return self._call_uncached(args, kwargs)
        return self._load(bound, self._call(bound, args, kwargs, is_refresh=is_refresh), args, kwargs)

    def _load(self, bound: Bound, call: Call, args: Any, kwargs: Any) -> R:
        return cast("R", run(bound.aside.steps(call), lambda: self._loaded(bound, args, kwargs)))

    def _loaded(self, bound: Bound, args: Any, kwargs: Any) -> Any:
        if self._may_ask_caller:
            return self.uncached(*args, **kwargs)
        with CallerWatch() as watch:
            value = self.uncached(*args, **kwargs)
        return self._unless_personal(bound, watch, value)

    def _unless_personal(self, bound: Bound, watch: CallerWatch, value: Any) -> Any:
        if watch.is_asked:
            bound.is_personal = True  # what it looks at may be known already the next time, and not be seen
        if not bound.is_personal or type(value) is NotStored:
            return value
        bound.aside.warn("cached_asks_caller", self._name, hint=ASKED_HINT)
        return NotStored(value)

    def _many(self, first: tuple[Any, ...], arguments: Iterable[Any]) -> dict[Any, Any]:
        wanted = list(dict.fromkeys(arguments))
        bound = self._bound()
        if bound is None:
            return {one: self._call_uncached((*first, one), {}) for one in wanted}
        batch = Batch(bound.aside, {one: self._call(bound, (*first, one), {}) for one in wanted})

        def load() -> dict[Any, Any]:
            return {one: self._loaded(bound, (*first, one), {}) for one in list(batch.missing)}

        known = run(batch.steps(), load)
        return {one: known[one] for one in wanted if one in known}


class CachedCoroutine(CachedFunction[P, Coroutine[Any, Any, T]], Generic[P, T]):
    """What `@cached` makes of a coroutine function. Waiting for another's load leaves the event loop free."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The kept result, or that of the coroutine function."""
        bound = self._bound()
        if bound is None:
            return await self._call_uncached(args, kwargs)
        key, tags = bounded(self._key(args, kwargs)), self._tags_of(args, kwargs)
        if bound.is_near:
            value = bound.aside.find_near(key, tags, bound.policy)
            if value is not MISSING:
                return cast("T", value)
        return await self._load(bound, Call(key, tags, bound.policy), args, kwargs)

    def write_through(self, value: T, /, *args: P.args, **kwargs: P.kwargs) -> None:  # type: ignore[override]  # what is awaited
        """Keep `value` as the result for these arguments; see `write_through`."""
        super().write_through(cast("Any", value), *args, **kwargs)

    def write_through_after_commit(  # type: ignore[override]  # as above
        self, session: Any, value: T, /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Keep `value` once what `session` is doing is committed; see `write_through_after_commit`."""
        super().write_through_after_commit(session, cast("Any", value), *args, **kwargs)

    def _call_uncached(self, args: Any, kwargs: Any) -> Coroutine[Any, Any, T]:
        return self._opened(cast("Callable[..., Awaitable[Any]]", self.uncached)(*args, **kwargs))

    async def _opened(self, loading: Awaitable[Any]) -> T:
        return cast("T", unwrapped(await loading))

    def _load(self, bound: Bound, call: Call, args: Any, kwargs: Any) -> Coroutine[Any, Any, T]:
        return run_async(bound.aside.steps(call), lambda: self._loaded_async(bound, args, kwargs))

    async def _loaded_async(self, bound: Bound, args: Any, kwargs: Any) -> Any:
        function = cast("Callable[..., Awaitable[Any]]", self.uncached)
        if self._may_ask_caller:
            return await function(*args, **kwargs)
        with CallerWatch() as watch:
            value = await function(*args, **kwargs)
        return self._unless_personal(bound, watch, value)

    def _many(self, first: tuple[Any, ...], arguments: Iterable[Any]) -> dict[Any, Any]:
        del first, arguments
        raise SetupError(f"{self._full_name}.get_many: coroutine functions have none; gather their calls.")


class CachedMethod(Generic[P, R]):
    """A cached function of a class, on one object: each has that object as its first argument."""

    __slots__ = ("__self__", "__wrapped__")

    def __init__(self, function: CachedFunction[Any, R], instance: Any) -> None:
        self.__wrapped__: Any = function
        self.__self__ = instance

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The kept result for this object, or that of the function."""
        return cast("R", self.__wrapped__(self.__self__, *args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        """What the function has beside."""
        return getattr(self.__wrapped__, name)

    def fresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """See `CachedFunction.fresh`."""
        return cast("R", self.__wrapped__.fresh(self.__self__, *args, **kwargs))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """See `CachedFunction.refresh`."""
        return cast("R", self.__wrapped__.refresh(self.__self__, *args, **kwargs))

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The method itself."""
        return cast("R", self.__wrapped__.uncached(self.__self__, *args, **kwargs))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """See `CachedFunction.invalidate`."""
        self.__wrapped__.invalidate(self.__self__, *args, **kwargs)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """See `CachedFunction.key`."""
        return cast("str", self.__wrapped__.key(self.__self__, *args, **kwargs))

    def write_through(self, value: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """See `CachedFunction.write_through`."""
        self.__wrapped__.write_through(value, self.__self__, *args, **kwargs)

    def write_through_after_commit(
        self, session: Any, value: Any, /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """See `CachedFunction.write_through_after_commit`."""
        self.__wrapped__.write_through_after_commit(session, value, self.__self__, *args, **kwargs)

    def get_many(self: CachedMethod[[K], R], arguments: Iterable[K]) -> dict[K, R]:
        """See `CachedFunction.get_many`."""
        return cast("dict[K, R]", self.__wrapped__._many((self.__self__,), arguments))  # noqa: SLF001 - its own


def name_of(function: Any) -> str:
    """The module and name of a function; `SetupError` for what is none."""
    inner = getattr(function, "__func__", function)
    if not callable(inner) or not hasattr(inner, "__qualname__"):
        raise SetupError(f"@cached goes on functions and methods, not on {function!r}.")
    return f"{inner.__module__}.{inner.__qualname__}"
