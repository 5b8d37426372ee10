"""What must not be declared together: caching that would hand one caller's answer to another (PITFALLS C1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._config import SetupError
from ...declarations import Declaration
from ...guard import declarations_of
from .declaration import CacheControl, CachedView
from .vary import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Columns of the audit that say who may call.
ABOUT_CALLERS: Final = ("authentication", "roles", "permission", "policy", "ownership")
PUBLIC: Final = "public"


def require_safe(declarations: Iterable[Declaration], method: str, view_name: str) -> None:
    """Raise `SetupError` when what is declared on a view contradicts itself, or lacks what tells callers apart."""
    found = tuple(declarations)
    guards = [item for item in found if is_secured(item, method)]
    for item in found:
        if not guards:
            break
        if isinstance(item, CachedView):
            _require_identity(item, guards, view_name)
        elif isinstance(item, CacheControl) and item.directives.is_for_shared_caches:
            raise SetupError(
                f"@cache_control on {view_name} says {item.directives.text}, and {_kinds(guards)} is declared on it: a "
                "shared cache would hand the answer to people who may not have it. Write private=True, max_age=..., or "
                "take @cached_view(vary_on=[...]), which asks who calls before it answers."
            )
    closest = [item for item in found if isinstance(item, CachedView)][-1:]
    controls = [item for item in found if isinstance(item, CacheControl)][-1:]
    for cached in closest:
        for control in controls:
            _require_agreement(cached, control, view_name)


def require_safe_view(view: Any, methods: Iterable[str] = ("GET", "HEAD")) -> None:
    """The same for a view function or class, as far as it is decorated yet."""
    name = getattr(view, "__qualname__", repr(view))
    for method in methods:
        require_safe(declarations_of(view, method), method, name)


def unsafe_views(view_functions: Iterable[tuple[str, Callable[..., Any]]]) -> dict[str, str]:
    """Endpoint -> what is wrong with it."""
    problems = {}
    for endpoint, view in view_functions:
        try:
            for method in ("GET", "HEAD"):
                require_safe(declarations_of(view, method), method, endpoint)
        except SetupError as error:
            problems[endpoint] = str(error)
    return problems


def is_secured(declaration: Declaration, method: str) -> bool:
    """Whether it says that not everybody may call, or that callers may show who they are."""
    if isinstance(declaration, (CachedView, CacheControl)):
        return False
    if declaration.documentation(method).secured:
        return True
    said = declaration.audit(method)
    texts = [said[column] for column in ABOUT_CALLERS if said.get(column)]
    return any(not text.startswith(PUBLIC) for text in texts)


def _require_identity(cached: CachedView, guards: Sequence[Declaration], view_name: str) -> None:
    if not cached.vary.says_who:
        raise SetupError(
            f"@cached_view on {view_name}: {_kinds(guards)} is declared on it too, so its answers may differ from caller "
            'to caller. Say by what: vary_on=["actor"] (each caller gets their own), ["roles"], a function of path '
            'arguments, or ["shared"] when everybody who may call gets the same.'
        )
    scoped = [item for item in guards if getattr(item, "scoped", False)]
    if scoped and not (cached.vary.identity is Identity.ACTOR or cached.vary.functions):
        raise SetupError(
            f"@cached_view on {view_name}: with {_kinds(scoped)}(scoped=True) everybody sees what is theirs; say "
            'vary_on=["actor"].'
        )


def _require_agreement(cached: CachedView, control: CacheControl, view_name: str) -> None:
    directives = control.directives
    if directives.is_for_shared_caches and cached.vary.is_personal:
        raise SetupError(
            f"@cache_control on {view_name} says {directives.text}, and @cached_view there varies by "
            f"{', '.join(cached.vary.texts)}, which no shared cache can. Write private=True, max_age=...."
        )


def _kinds(items: Iterable[Declaration]) -> str:
    return ", ".join(dict.fromkeys(type(item).__name__ for item in items))
