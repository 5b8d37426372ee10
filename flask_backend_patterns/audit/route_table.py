"""Every route of an app with what is declared on it: what `flask backend routes` lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from .._bypassed import kinds_of, missed_declarations
from .._implied import declarations_for
from .._state import state_of
from ..guard import declarations_of
from .declared_columns import AUTHENTICATION, common_columns, declared_columns, needs_of
from .documented import DocumentedOperations
from .front_paths import front_paths
from .route_entry import ANY_METHOD, WEBSOCKET, Need, RouteEntry, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Flask
    from werkzeug.routing import Rule

FRONT_ENDPOINT: Final = "(backend)"
# What stands for the methods of a rule that takes any.
USUAL_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Where Python shows an object by its address, which no two runs share.
ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+")


def route_table(app: Flask) -> list[RouteEntry]:
    """Every rule and method of `app`, by rule and method; calls no view and opens no connection.

    HEAD and OPTIONS are left out where Flask answers them by itself. Paths that the package answers in front of the
    app are listed too, with `source` FRONT; rules that only build URLs are not, since no request meets them.
    """
    reader = _RouteReader(app)
    entries = [entry for rule in app.url_map.iter_rules() for entry in reader.entries_of(rule)]
    entries += _front_entries(front_paths(app))
    return sorted(entries, key=lambda entry: entry.sort_key)


def _front_entries(paths: Sequence[str]) -> Iterator[RouteEntry]:
    """One for each path that no other one is the beginning of: a page stands for its files."""
    for path in paths:
        below = sum(other.startswith(f"{path}/") for other in paths)
        if any(path.startswith(f"{other}/") for other in paths):
            continue
        yield RouteEntry(
            rule=path,
            method="GET",
            endpoint=FRONT_ENDPOINT,
            columns={AUTHENTICATION: "answered in front of the app"},
            declared=True,
            source=Source.FRONT,
            notes=(f"and {below} paths below it",) if below else (),
        )


class _RouteReader:
    """Reads the rules of one app, looking once at what they share."""

    def __init__(self, app: Flask) -> None:
        state = state_of(app)
        self._app = app
        self._missed = missed_declarations(app)
        self._documented = DocumentedOperations(app)
        self._policies = None if state is None or state.auth is None else state.auth.policies
        self._public_endpoints = () if state is None else state.settings.auth.public_endpoints

    def entries_of(self, rule: Rule) -> Iterator[RouteEntry]:
        """One for each method that somebody has written down."""
        if rule.build_only:
            return
        view = self._app.view_functions.get(rule.endpoint)
        for method in methods_of(rule, view):
            yield self._entry(rule, method, view)

    def _entry(self, rule: Rule, method: str, view: Any) -> RouteEntry:
        endpoint = str(rule.endpoint)
        columns = self._columns(endpoint, view, method)
        source = self._source(rule, endpoint, columns)
        if source is Source.SETTING:
            columns = {AUTHENTICATION: "public: by setting", **columns}
        elif source is Source.REDIRECT:
            columns = {AUTHENTICATION: "no view: redirects"}
        is_view = source is Source.VIEW
        missed = self._missed.get(endpoint, ())
        return RouteEntry(
            rule=rule.rule,
            method=method,
            endpoint=endpoint,
            columns=columns,
            documented=self._documented.has(rule, method)
            if is_view and method not in UNDOCUMENTABLE
            else None,
            declared=AUTHENTICATION in columns,
            source=source,
            host=_host(self._app, rule),
            subdomain=_subdomain(self._app, rule),
            bypassed=tuple(sorted(kinds_of(missed))),
            shut=any(item.required for item in missed),
            needs=self._needs(view, method) if is_view else (),
            notes=tuple(_notes(rule, view)),
        )

    def _columns(self, endpoint: str, view: Any, method: str) -> dict[str, str]:
        if view is None:
            return {}
        if method == ANY_METHOD:
            each = [self._columns_of(endpoint, view, usual) for usual in USUAL_METHODS]
            merged = common_columns(each)
            if not all(AUTHENTICATION in columns for columns in each):
                merged.pop(AUTHENTICATION, None)  # one open method opens the route
            return merged
        return self._columns_of(endpoint, view, "GET" if method == WEBSOCKET else method)

    def _columns_of(self, endpoint: str, view: Any, method: str) -> dict[str, str]:
        declared = declarations_for(self._app, endpoint, view, method)
        return declared_columns(declared, method, self._policies)

    def _needs(self, view: Any, method: str) -> tuple[Need, ...]:
        if view is None:
            return ()
        methods = USUAL_METHODS if method == ANY_METHOD else ("GET" if method == WEBSOCKET else method,)
        found = (needs_of(declarations_of(view, each), each, self._policies) for each in methods)
        return tuple(dict.fromkeys(need for needs in found for need in needs))

    def _source(self, rule: Rule, endpoint: str, columns: Mapping[str, str]) -> Source:
        if rule.redirect_to is not None:
            return Source.REDIRECT
        if AUTHENTICATION not in columns and any(
            fnmatchcase(endpoint, pattern) for pattern in self._public_endpoints
        ):
            return Source.SETTING
        return Source.VIEW


UNDOCUMENTABLE: Final = frozenset({ANY_METHOD, WEBSOCKET})


def methods_of(rule: Rule, view: Any) -> list[str]:
    """The methods to list for a rule: those Flask adds by itself are left out, unless the view declares them."""
    if rule.methods is None:
        return [WEBSOCKET if rule.websocket else ANY_METHOD]
    methods = set(rule.methods)
    if getattr(rule, "provide_automatic_options", False):
        methods.discard("OPTIONS")
    if "GET" in methods and not hasattr(getattr(view, "view_class", None), "head"):
        methods.discard("HEAD")
    if rule.websocket:
        return [WEBSOCKET]
    return sorted(methods)


def _host(app: Flask, rule: Rule) -> str | None:
    return (rule.host or None) if app.url_map.host_matching else None


def _subdomain(app: Flask, rule: Rule) -> str | None:
    return None if app.url_map.host_matching else (rule.subdomain or None)


def _notes(rule: Rule, view: Any) -> Iterator[str]:
    if rule.redirect_to is not None:
        target = rule.redirect_to
        yield f"redirects to {target if isinstance(target, str) else _name(target)}"
    elif view is None:
        yield "no view function: every request fails"
    if rule.defaults:
        shown = ", ".join(f"{name}={rule.defaults[name]!r}" for name in sorted(rule.defaults))
        yield ADDRESS.sub("", f"defaults {shown}")
    if rule.alias:
        yield "alias"


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
