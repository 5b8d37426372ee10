"""What is declared on a view about caching, compiled once for each of its paths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import current_app
from flask.globals import _cv_app

from ..._config import SetupError
from ..._state import state_of
from ...declarations import Phase
from ...guard import declarations_of, guard_of, wrapped_by
from ..policy import Lifetimes, Policy
from .answers import cache_name
from .declaration import CachedView
from .request_key import RequestKey
from .safety import require_safe
from .stored_response import ResponseEncoder
from .vary import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Request

    from ...declarations import Declaration
    from ..policy import Tally
    from .naming import PathNaming

# What has to come before a cached answer, or it would not be asked at all.
BEFORE: Phase = Phase.AUTHORIZATION


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewRule:
    """How the responses of one endpoint are cached."""

    declared: CachedView
    key: RequestKey
    naming: PathNaming
    policy: Policy
    cache_name: str


class ViewRules:
    """Those of one app; shared by threads."""

    def __init__(self, tally: Callable[[str], Tally]) -> None:
        self._tally = tally
        self._encoder = ResponseEncoder()
        # (endpoint, rule, method) -> the view that was looked at, and its rule; views can be replaced.
        self._known: dict[tuple[str, str, str], tuple[Any, ViewRule]] = {}

    def find(self, request: Request, declared: CachedView) -> ViewRule | None:
        """The rule for `request`; None when another declaration, nearer to the view, decides.

        Raises `SetupError` when what is declared on the view is not safe.
        """
        endpoint, rule = request.endpoint, request.url_rule
        if endpoint is None or rule is None:
            return None
        view = _cv_app.get().app.view_functions.get(endpoint)  # `current_app` is a proxy, and slow
        key = (endpoint, rule.rule, request.method)
        known = self._known.get(key)
        if known is None or known[0] is not view:
            known = (view, self._compiled(view, request, declared))
            self._known[key] = known
        found = known[1]
        return found if found.declared is declared else None

    def _compiled(self, view: Any, request: Request, asked: CachedView) -> ViewRule:
        endpoint, method = request.endpoint or "", request.method
        declarations = declarations_of(view, method)
        cached = [item for item in declarations if isinstance(item, CachedView)]
        declared = cached[-1] if any(item is asked for item in cached) else asked
        require_safe(declarations, method, endpoint)
        _require_outside(view, method, declared, endpoint)
        vary = declared.vary
        if vary.identity in {Identity.ACTOR, Identity.ROLES} and _identification() is None:
            raise SetupError(
                f"@cached_view on {endpoint} varies by {vary.identity.value}, which needs BACKEND_AUTH_ENABLED."
            )
        naming = declared.naming.of_path(request.view_args or {}, f"@cached_view on {endpoint}")
        lifetimes = Lifetimes(ttl=declared.ttl_seconds, stale=declared.stale_seconds, jitter=0.0)
        return ViewRule(
            declared=declared,
            key=RequestKey(endpoint, vary, naming, _find_actor),
            naming=naming,
            policy=Policy(lifetimes=lifetimes, encoder=self._encoder, tally=self._tally(endpoint)),
            cache_name=cache_name(current_app.name),
        )


def _require_outside(view: Any, method: str, declared: CachedView, endpoint: str) -> None:
    """Refuse checks that stand further in than the cache: a cached answer would be given without them."""
    within = _declared_within(view, method, declared)
    skipped = [item for item in within if item.phase <= BEFORE]
    if skipped:
        names = ", ".join(dict.fromkeys(type(item).__name__ for item in skipped))
        raise SetupError(
            f"@cached_view on {endpoint} stands further out than {names}, with something in between that is not ours: a "
            "cached answer would be given without asking. Put @cached_view next to the view, below all of them."
        )


def _declared_within(view: Any, method: str, declared: CachedView) -> Sequence[Declaration]:
    """What is declared further in than the guard that holds `declared`."""
    held = _within(view, method, declared, set())
    view_class = getattr(view, "view_class", None)
    if held is not None or not isinstance(view_class, type):
        return held or ()
    handler = _handler(view_class, method)
    held = _within(handler, method, declared, set())
    if held is not None or handler is None:
        return held or ()
    guard = guard_of(handler)  # which is merged with what is declared on the class
    return declarations_of(handler if guard is None else guard.view, method)


def _handler(view_class: type, method: str) -> Any:
    name = method.lower()
    return getattr(view_class, name, None) or (getattr(view_class, "get", None) if name == "head" else None)


def _within(
    function: Any, method: str, declared: CachedView, seen: set[int]
) -> tuple[Declaration, ...] | None:
    if function is None or id(function) in seen:
        return None
    seen.add(id(function))
    guard = guard_of(function)
    if guard is not None and any(item is declared for item in guard.declarations):
        return declarations_of(guard.view, method)
    inner = (guard.view,) if guard is not None else wrapped_by(function)
    found: Callable[[Any], Any] = partial(_within, method=method, declared=declared, seen=seen)
    return next((held for item in inner if (held := found(item)) is not None), None)


def _identification() -> Any:
    state = state_of(current_app)
    return None if state is None or state.auth is None else state.auth.identification


def _find_actor() -> Any:
    return _identification().actor()
