"""`@cached_view` and `@cache_control`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from flask import Blueprint

from ..._blueprint_declarations import declare_on_blueprint
from ..._config import SetupError
from ...guard import declare
from ..templates import Template
from .declaration import CacheControl, CachedView
from .directives import Directives
from .naming import Naming
from .safety import require_safe_view
from .vary import Vary

if TYPE_CHECKING:
    from ...declarations import Declaration

Target = TypeVar("Target")
MAX_TTL_SECONDS: Final = 366 * 86_400


def cached_view(
    ttl: float = 60,
    *,
    vary_on: Iterable[str | Callable[..., Any]] | None = None,
    tags: Iterable[Template] | Callable[..., Sequence[str]] = (),
    stale: float = 0,
    key: Template | None = None,
    clients_may_refresh: bool = False,
) -> Callable[[Target], Target]:
    """Keep the view's GET responses for `ttl` seconds; for `stale` seconds more one request makes a new one meanwhile.

    Authorization and limits run before, on every request. Answers are told apart by endpoint, path, all query
    parameters, host, scheme and `Accept`, and by what `vary_on` lists: `"actor"`, `"roles"`, `"shared"` (all who may call get the
    same), `"header:Accept-Language"`, `"cookie:theme"`, `"query:page"` (then only listed parameters count), and functions of path arguments.
    On a view behind authentication it has to say how callers are told apart.

    `tags` are what `invalidate(tags=...)` forgets it by: `"product:{product_id}"`, filled from the path, or functions of path arguments.
    `key` takes the place of path and query. `clients_may_refresh` honours `Cache-Control: no-cache` of requests, with
    which anybody can have the view run. Not kept: anything but 200, 203 and 204, streams, parts, `Set-Cookie`,
    `no-store`, and what was made with a session.

    Goes on view functions, methods, `View` classes and blueprints. Raises `SetupError` for what contradicts itself, at
    the latest when the view is first requested.
    """
    for name, seconds in (("ttl", ttl), ("stale", stale)):
        _require_seconds(name, seconds, at_least=0 if name == "stale" else 0.001)
    return _declaring(
        CachedView(
            ttl_seconds=ttl,
            stale_seconds=stale,
            vary=Vary.of(vary_on),
            naming=Naming.of(key, tags),
            clients_may_refresh=clients_may_refresh,
        )
    )


def cache_control(  # noqa: PLR0913 - the directives of RFC 9111, keyword only
    *,
    public: bool = False,
    private: bool = False,
    max_age: int | None = None,
    s_maxage: int | None = None,
    stale_while_revalidate: int | None = None,
    stale_if_error: int | None = None,
    no_store: bool = False,
    no_cache: bool = False,
    must_revalidate: bool = False,
    immutable: bool = False,
    no_transform: bool = False,
) -> Callable[[Target], Target]:
    """Tell browsers and shared caches how long they may keep the view's GET responses; seconds are whole numbers.

    Sent with successes and redirects, but never with `Set-Cookie` (there it is `private, no-cache`), and not where the
    view sets `Cache-Control` itself. `public` and `s_maxage` are refused, by `SetupError`, on a view behind
    authentication: a shared cache asks nobody who they are.
    """
    return _declaring(
        CacheControl(
            directives=Directives(
                public=public,
                private=private,
                no_store=no_store,
                no_cache=no_cache,
                must_revalidate=must_revalidate,
                immutable=immutable,
                no_transform=no_transform,
                max_age=max_age,
                s_maxage=s_maxage,
                stale_while_revalidate=stale_while_revalidate,
                stale_if_error=stale_if_error,
            )
        )
    )


def _declaring(declaration: Declaration) -> Callable[[Target], Target]:
    decorate: Callable[[Any], Any] = declare(declaration)
    name = "cached_view" if isinstance(declaration, CachedView) else "cache_control"

    def apply(target: Target) -> Target:
        if isinstance(target, Blueprint):
            declare_on_blueprint(target, declaration, check=require_safe_view)
            return cast("Target", target)
        if not callable(target):
            raise SetupError(f"@{name} goes on views and blueprints, not on {target!r}.")
        decorated = decorate(target)
        require_safe_view(decorated)
        return cast("Target", decorated)

    return apply


def _require_seconds(name: str, seconds: Any, *, at_least: float) -> None:
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not math.isfinite(seconds) or not at_least <= seconds <= MAX_TTL_SECONDS:
        raise SetupError(
            f"@cached_view({name}={seconds!r}): expected seconds, {at_least:g} to {MAX_TTL_SECONDS}."
        )
