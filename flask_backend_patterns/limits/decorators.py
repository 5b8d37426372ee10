"""`@rate_limit`: how often a view, a blueprint, a function or a block of code may be asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from http import HTTPMethod
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from flask import current_app, has_app_context
from flask.sansio.blueprints import Blueprint as AnyBlueprint

from .._blueprint_declarations import declare_on_blueprint
from .._config import SetupError
from .._state import state_of
from .._view_arguments import FromPath
from ..guard import declare
from .calling_code import calling_function, place_of
from .declaration import (
    BLUEPRINT,
    CLASS,
    FUNCTION,
    RATES_KEY,
    AddressRateLimit,
    RateLimit,
    Rates,
    RatesFunction,
    Unlimited,
)
from .named_rates import note_declared
from .rates import parse_rates
from .route_limits import checked_cost
from .settings import ADDRESS, HEADER_PREFIX, KEY_WORDS, STRATEGIES, is_key_word, is_name

if TYPE_CHECKING:
    from types import TracebackType

    from flask import Blueprint

Target = TypeVar("Target", bound="Callable[..., Any] | Blueprint")

METHODS: Final = frozenset(HTTPMethod)


class Limiting:
    """What `rate_limit` gives: a decorator, and a context manager; any number of threads may use one."""

    def __init__(self, declared: RateLimit | Unlimited) -> None:
        self._declared = declared
        # Where a block stands -> its declaration. One object stands in few places.
        self._blocks: dict[str, RateLimit] = {}

    @property
    def __name__(self) -> str:
        """Asked by who takes it for a view: `SetupError`."""
        raise SetupError(
            'Write @rate_limit("100/minute"): what stands there is taken for a function that gives the rates.'
        )

    def as_default(self) -> RateLimit:
        """The same as a limit of the settings."""
        if not isinstance(self._declared, RateLimit):
            raise SetupError("None is no rate.")
        return replace(self._declared, is_default=True)

    def __call__(self, target: Target) -> Target:
        """Declare it on a view, a view class, a blueprint, or a function that is called while a request is served."""
        note_declared(getattr(self._declared, "name", None))
        if isinstance(target, AnyBlueprint):
            declared = replace(self._declared, width=BLUEPRINT)
            declare_on_blueprint(cast("Blueprint", target), declared, check=_nothing_to_check)
            return cast("Target", target)
        if not callable(target):
            raise SetupError(f"@rate_limit goes on views, functions and blueprints, not on {target!r}.")
        declared = replace(self._declared, width=CLASS if isinstance(target, type) else FUNCTION)
        if isinstance(declared, RateLimit):
            declared = replace(declared, origin=place_of(target))
        decorate: Callable[[Any], Any] = declare(declared)
        return cast("Target", decorate(target))

    def __enter__(self) -> Self:
        """Count the block; raises `RateLimitError` when it has been entered too often."""
        self._count(calling_function())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is given back: a block that fails has been entered too."""

    async def __aenter__(self) -> Self:
        """The same in async code. To ask Redis blocks the event loop for a moment, as a round trip does."""
        self._count(calling_function())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `__exit__`."""

    def _count(self, caller: str) -> None:
        if not isinstance(self._declared, RateLimit):
            return
        state = state_of(current_app) if has_app_context() else None
        if state is None:
            raise SetupError(
                "`with rate_limit(...)` needs an app context whose app has BackendPatterns; "
                "in a job or a script put it under `with app.app_context():`."
            )
        if state.limits is not None:
            place = self._declared.name or caller
            declared = self._blocks.get(place)
            if declared is None:
                declared = self._blocks[place] = replace(self._declared, origin=place)
            state.limits.enforcement.decide_block(declared)


def rate_limit(  # noqa: PLR0913 - each an option of its own, keyword only
    rates: str | Callable[..., Any] | EllipsisType | None = ...,
    *,
    key: str | Callable[..., Any] = "actor",
    name: str | None = None,
    cost: int | Callable[..., Any] = 1,
    when: Callable[..., Any] | None = None,
    tiers: Mapping[str, str | None] | None = None,
    strategy: str | None = None,
    methods: Iterable[str] | None = None,
) -> Limiting:
    """Answer callers 429 who come more often than `rates` say: `"100/minute"`, or several as `"10/second; 100/minute"`.

    `rates` may be a function of path arguments, asked in each request, that gives such a text, or None for no limit: what
    it gives that is neither is your error (`ValueError`). What `BACKEND_LIMITS_RATES` has for `name` comes before all of
    it; with a `name` alone it has to have it.

    `key` says who counts as one: `"actor"` (who is authenticated, else the address), `"address"`, `"api_key"` (else as
    `"actor"`), `"header:X-Name"` (else the address), or a function of path arguments that gives text. Each method of
    each route is counted apart, unless `name` is given: all that has the same name and rates then counts together.
    `cost` is what a request weighs, `when` says whether it counts at all; both may be functions of path arguments.
    `tiers` are rates by role, None for none: of those that fit the widest counts in place of `rates`. `strategy` is
    `fixed-window`, `sliding-window-counter` or `gcra`. `methods` are those it is for: all but OPTIONS by default.

    On a view, a method, a `View` class, a blueprint; on a function it counts the calls of it. `with rate_limit(...):`
    counts a block, and raises `RateLimitError`. `rate_limit(None)` takes a view out of the
    limits of its class, its blueprint and `BACKEND_LIMITS_DEFAULT`, a blueprint out of the latter.
    """
    chosen = _methods(methods)
    if rates is None:
        if (key, name, cost, when, tiers, strategy) != ("actor", None, 1, None, None, None):
            raise SetupError("@rate_limit(None) limits nothing: it takes methods= and nothing else.")
        return Limiting(Unlimited(methods=chosen))
    called = f"@rate_limit({'' if rates is ... else repr(rates)})"
    given = _wrong_rates(rates, name=name, tiers=tiers) or _problems(
        key=key, name=name, cost=cost, when=when, strategy=strategy
    )
    if given:
        raise SetupError(f"{called}: {given}")
    # Who calls has to be known for a tier, whatever is counted.
    is_early = not tiers and isinstance(key, str) and (key == ADDRESS or key.startswith(HEADER_PREFIX))
    kind = AddressRateLimit if is_early else RateLimit
    base: Rates | RatesFunction | None = None
    if rates is not ...:
        base = rates if callable(rates) else _rates(rates)
    by_role = read_tiers(tiers)
    fixed = (base if isinstance(base, tuple) else None, *dict(by_role).values())
    smallest = min((rate.amount for given in fixed for rate in given or ()), default=None)
    if isinstance(cost, int) and smallest is not None and cost > smallest:
        raise SetupError(f"{called}: cost={cost} is more than {smallest}, so it never fits; raise the rate.")
    return Limiting(
        kind(
            rates=base,
            key=key,
            name=name,
            cost=FromPath(cost) if callable(cost) else checked_cost(cost),
            when=FromPath(when) if when is not None else None,
            tiers=by_role,
            strategy=strategy,
            methods=chosen,
        )
    )


def read_tiers(tiers: Any) -> tuple[tuple[str, Rates | None], ...]:
    """Rates by role; `SetupError` says what is wrong."""
    if tiers is None:
        return ()
    if not isinstance(tiers, Mapping) or not all(isinstance(role, str) and role for role in tiers):
        raise SetupError(
            f"the tiers of a rate limit are rates by role, such as {{'partner': '1000/minute'}}, not {tiers!r}."
        )
    return tuple((role, None if text is None else _rates(text)) for role, text in tiers.items())


def _rates(text: Any) -> Rates:
    try:
        return parse_rates(text)
    except (ValueError, TypeError) as error:
        raise SetupError(f"@rate_limit: {error}") from None


def _wrong_rates(rates: Any, *, name: Any, tiers: Any) -> str:
    """A sentence about rates that are neither a text nor a function that can be asked."""
    if rates is ... and name is None:
        return f'write rates such as "100/minute", or the name= of some in {RATES_KEY}.'
    if not callable(rates):
        return ""
    if isinstance(rates, type) or not isinstance(rates, Hashable):
        return "that is no function; write rates, or a function that gives them."
    return "tiers= goes with rates that are a text; a function can ask itself who calls." if tiers else ""


def _problems(*, key: Any, name: Any, cost: Any, when: Any, strategy: Any) -> str:
    """A sentence about the first that is wrong."""
    is_function = callable(key) and isinstance(key, Hashable)
    if not is_function and not (isinstance(key, str) and is_key_word(key)):
        return f"key={key!r}; write one of {', '.join(KEY_WORDS)}, header:X-Name, or a function."
    if name is not None and not is_name(name):
        return f"name={name!r}; write up to 64 printable ASCII characters."
    if not callable(cost) and (isinstance(cost, bool) or not isinstance(cost, int) or cost < 1):
        return f"cost={cost!r}; write a whole number, at least 1, or a function that gives one."
    if when is not None and not callable(when):
        return f"when={when!r}; write a function that says whether the request counts."
    if strategy is not None and strategy not in STRATEGIES:
        return f"strategy={strategy!r}; write one of {', '.join(STRATEGIES)}."
    return ""


def _methods(methods: Any) -> frozenset[str] | None:
    if methods is None:
        return None
    chosen = [methods] if isinstance(methods, str) else list(methods)
    if not chosen or not all(isinstance(item, str) and item.upper() in METHODS for item in chosen):
        raise SetupError(
            f'@rate_limit(methods={methods!r}): write methods, as in ["GET", "POST"]; there are {", ".join(sorted(METHODS))}.'
        )
    return frozenset(item.upper() for item in chosen)


def _nothing_to_check(view: Any) -> None:
    """Limits do not contradict each other."""
    del view
