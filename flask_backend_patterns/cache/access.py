"""The cache by plain functions: read or load, write, forget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, has_app_context

from .._config import SetupError
from .._state import state_of
from .batches import Batch
from .encoding import Encoding
from .keys import HashedName, UnstableKeyError, bounded
from .names import tag_name
from .near_cache import MISSING
from .policy import Call, Lifetimes, NotStored, Policy
from .steps import run, run_async

if TYPE_CHECKING:
    from .aside import CacheAside

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def get_or_load(  # noqa: PLR0913 - each an option of its own
    key: str,
    load: Callable[[], V | NotStored[V]],
    *,
    ttl: float = 300,
    tags: Iterable[str] = (),
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    fresh: bool = False,
    name: str = "get_or_load",
    schema: Any = None,
    types: Iterable[Any] = (),
    near: bool = True,
) -> V:
    """The value of `key`, else what `load()` returns, which is then kept. Options as of `cached`.

    With `fresh` it reads past what this process keeps near. When `load` returns `NotStored(value)`, the caller gets the
    value and nothing is kept. Coroutines: `get_or_load_async`.
    """
    engine = engine_of("get_or_load")
    if engine is None:
        return cast("V", unwrapped(load()))
    lifetimes = Lifetimes(ttl=ttl, stale=stale, none_ttl=none_ttl, jitter=jitter)
    call = _call(key, tags, _policy(engine, lifetimes, name, schema=schema, types=types, near=near))
    value = engine.find_near(call.key, call.tags, call.policy) if near and not fresh else MISSING
    return cast("V", run(engine.steps(call), load) if value is MISSING else value)


async def get_or_load_async(  # noqa: PLR0913 - as above
    key: str,
    load: Callable[[], Awaitable[V | NotStored[V]]],
    *,
    ttl: float = 300,
    tags: Iterable[str] = (),
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    fresh: bool = False,
    name: str = "get_or_load",
    schema: Any = None,
    types: Iterable[Any] = (),
    near: bool = True,
) -> V:
    """As `get_or_load`; waiting for another's load leaves the event loop free."""
    engine = engine_of("get_or_load_async")
    if engine is None:
        return cast("V", unwrapped(await load()))
    lifetimes = Lifetimes(ttl=ttl, stale=stale, none_ttl=none_ttl, jitter=jitter)
    call = _call(key, tags, _policy(engine, lifetimes, name, schema=schema, types=types, near=near))
    value = engine.find_near(call.key, call.tags, call.policy) if near and not fresh else MISSING
    return cast("V", await run_async(engine.steps(call), load) if value is MISSING else value)


def get_many_or_load(  # noqa: PLR0913 - as above
    names: Iterable[K],
    load_many: Callable[[list[K]], Mapping[K, V]],
    *,
    key: Callable[[K], str] | None = None,
    ttl: float = 300,
    tags: Callable[[K], Iterable[str]] | Iterable[str] = (),
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    fresh: bool = False,
    name: str = "get_many_or_load",
    schema: Any = None,
    types: Iterable[Any] = (),
    near: bool = True,
) -> dict[K, V]:
    """The values of `names`, in their order; `load_many` gets all that are missing, at once and once.

    What `load_many` leaves out has no value: it is left out here, and asked for again the next time. `key` gives the key
    of a name (`"item:{}".format`), which else is the name itself; `tags` those of a name, or of all. The store is read
    by one question. What another process is loading at the moment is loaded here, too.
    """
    if key is not None and not callable(key):
        raise SetupError(
            f"get_many_or_load takes a function for key=: key={key!r}.format for a text with {{}}."
        )
    wanted = list(dict.fromkeys(names))
    engine = engine_of("get_many_or_load")
    if engine is None:
        found = load_many(wanted) if wanted else {}
        return {one: found[one] for one in wanted if one in found}
    lifetimes = Lifetimes(ttl=ttl, stale=stale, none_ttl=none_ttl, jitter=jitter)
    policy = _policy(engine, lifetimes, name, schema=schema, types=types, near=near)
    shared = tags if callable(tags) else tuple(tags)
    calls: dict[Hashable, Call] = {}
    for one in wanted:
        own_key = key(one) if key is not None else cast("str", one)
        calls[one] = _call(own_key, shared(one) if callable(shared) else shared, policy, is_fresh=fresh)
    batch = Batch(engine, calls)
    known = run(batch.steps(), lambda: load_many(cast("list[K]", list(batch.missing))))
    return {one: known[one] for one in wanted if one in known}


def write_through(  # noqa: PLR0913 - as above
    key: str,
    value: Any,
    *,
    ttl: float = 300,
    tags: Iterable[str] = (),
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    name: str = "write_through",
    schema: Any = None,
    types: Iterable[Any] = (),
) -> None:
    """Keep a value that has just been written where it belongs; whoever is loading it does not overwrite it.

    Two writers at once may come here in another order than there: inside a transaction use
    `write_through_after_commit`, which then keeps neither. With the store away, what it has is forgotten later.
    """
    engine = engine_of("write_through")
    if engine is None:
        return
    call = call_for(
        engine,
        key,
        name=name,
        tags=tags,
        ttl=ttl,
        stale=stale,
        none_ttl=none_ttl,
        jitter=jitter,
        schema=schema,
        types=types,
    )
    engine.write(call, value)


def invalidate(
    *,
    tags: Iterable[str] | None = None,
    keys: Iterable[str] | None = None,
    prefix: str | None = None,
    everything: bool = False,
) -> None:
    """Forget the values that have one of `tags`, or of `keys`, or whose keys begin with `prefix`; or `everything`.

    On return nothing old is read from the store or in this process; the near caches of other processes follow within
    milliseconds. Never raises for a store that is away: it is told once it is back, before this process reads it again.
    """
    if everything is (tags is not None or keys is not None or prefix is not None):
        raise SetupError(
            "Say what invalidate shall forget: tags=[...], keys=[...] or prefix=...; or everything=True alone."
        )
    for names in (tags, keys):
        if isinstance(names, str):
            raise SetupError(f"invalidate takes lists: [{names!r}].")
    engine = engine_of("invalidate")
    if engine is not None and everything:
        engine.invalidate_everything()
    elif engine is not None:
        engine.invalidate(keys=keys or (), tags=tags or (), prefix=prefix)


def call_for(  # noqa: PLR0913 - as above
    engine: CacheAside,
    key: str,
    *,
    name: str,
    tags: Iterable[str] = (),
    ttl: float = 300,
    stale: float = 0,
    none_ttl: float | None = None,
    jitter: float = 0.1,
    schema: Any = None,
    types: Iterable[Any] = (),
) -> Call:
    """The call that the options of `write_through` mean."""
    lifetimes = Lifetimes(ttl=ttl, stale=stale, none_ttl=none_ttl, jitter=jitter)
    return _call(key, tags, _policy(engine, lifetimes, name, schema=schema, types=types))


def engine_of(user: str) -> CacheAside | None:
    """The engine of the current app; None outside an application context, or where the cache is switched off.

    `SetupError` when the app has no BackendPatterns.
    """
    if not has_app_context():
        return None
    state = state_of(current_app)
    if state is None:
        raise SetupError(f"{user} needs BackendPatterns on this app: BackendPatterns(app).")
    return state.cache.aside


def unwrapped(value: Any) -> Any:
    """The value itself, also of a `NotStored`."""
    return value.value if type(value) is NotStored else value


def listed(option: str, values: Any) -> tuple[Any, ...]:
    """An option that takes a list; `SetupError` for a single one."""
    if isinstance(values, (type, str)) or not isinstance(values, Iterable):
        raise SetupError(f"{option} takes a list: {option}=[{getattr(values, '__name__', repr(values))}].")
    return tuple(values)


def encoder_for(function: Callable[..., Any] | None, schema: Any, types: Iterable[Any]) -> Any:
    """How values are encoded: by a marshmallow schema, or by what the function returns and `types`."""
    if schema is not None:
        return Encoding.for_schema(schema)
    return Encoding.for_types(*types) if function is None else Encoding.for_function(function, types)


def _policy(
    engine: CacheAside,
    lifetimes: Lifetimes,
    name: str,
    *,
    schema: Any,
    types: Iterable[Any],
    near: bool = True,
) -> Policy:
    """The policy for these options, made once."""
    classes = listed("types", types)

    def make() -> Policy:
        lifetimes.check(name)
        encoder = encoder_for(None, schema, classes)
        return Policy(lifetimes=lifetimes, encoder=encoder, tally=engine.tally(name), is_near=near)

    return engine.policies.find((lifetimes, name, schema, classes, near), make)


def _call(key: str, tags: Iterable[str], policy: Policy, *, is_fresh: bool = False) -> Call:
    if type(key) not in (str, HashedName) or not key:
        raise UnstableKeyError(
            f"{policy.tally.name}: the key is {key!r}; expected a text (key= makes one of an id)."
        )
    if isinstance(tags, str):
        raise SetupError(f"{policy.tally.name}: tags takes a list: [{tags!r}].")
    return Call(bounded(key), tuple([tag_name(tag) for tag in tags]), policy, is_fresh=is_fresh)
