"""The routes of an app as rows of a table, and which of them are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from .tables import Cell, Style, Table
from .text_layout import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .protocols import AuditedRoute

LEADING: Final = ("method", "rule", "endpoint")
# Columns that are always known, in this order; what else a declaration says comes after them, by name.
KNOWN: Final = (
    *("authentication", "credentials", "roles", "permission", "ownership", "policy"),
    *("limit", "cache", "vary_on", "idempotency", "conditional", "deprecation"),
)
LAST: Final = ("documented", "note")
# Shown only when asked for: most routes say the same, and the note names the others.
ASKED_FOR: Final = frozenset({"documented"})
# What people look for first, so it shares no column with others.
ALONE: Final = ("authentication", "permission")
HEADERS: Final = {"authentication": "AUTH"}
UNDECLARED: Final = "UNDECLARED"
# `<int(max=9):id>`; what is in the brackets may have colons, so the name is what comes last.
CONVERTER_ARGUMENTS: Final = re.compile(r"<(\w+)\([^<>]*\):")
SHORT_LENGTH: Final = 24
PROSE: Final = frozenset({"authentication", "limit"})
ALTERNATIVES: Final = re.compile(r"[|&()]")
RULE, PERMISSION = SORTS = ("rule", "permission")


@dataclass(frozen=True, kw_only=True)
class RouteFilter:
    """Which routes are asked for: all that is said has to hold; of several methods, permissions or roles, one."""

    words: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    undeclared: bool = False

    def passes(self, route: AuditedRoute) -> bool:
        """Whether `route` is asked for."""
        return (
            all(_names(word, route) for word in self.words)
            and (not self.methods or route.method in self.methods)
            and _any_matches(self.permissions, _alternatives(route, "permission"))
            and _any_matches(self.roles, _alternatives(route, "roles"))
            and _any_matches(self.endpoints, (route.endpoint,))
            and (route.is_undeclared or not self.undeclared)
        )


def sorted_routes(routes: Iterable[AuditedRoute], sort: str) -> list[AuditedRoute]:
    """In the order of the rules, as they come, or of the permissions, those without one at the end."""
    if sort == RULE:
        return list(routes)
    return sorted(
        routes, key=lambda route: ("permission" not in route.columns, route.columns.get("permission"))
    )


def columns_in(routes: Iterable[AuditedRoute]) -> list[str]:
    """Every column there is to choose from, in order."""
    said = {column for route in routes for column in route.columns}
    return [*LEADING, *KNOWN, *sorted(said.difference(KNOWN, LEADING, LAST)), *LAST]


def table_of(
    routes: Sequence[AuditedRoute], columns: Sequence[str], encoding: str, *, are_asked_for: bool
) -> Table:
    """The table of `routes` with these columns; method and rule are always there, endpoints only where they fit.

    What the user has asked for is there whatever the width.
    """
    chosen = [*LEADING[:2], *(column for column in columns if column not in LEADING[:2])]
    headers = {column: HEADERS.get(column, shown(column, encoding).upper()) for column in chosen}
    return Table(
        headers=list(headers.values()),
        rows=[[_cell(route, column, encoding) for column in chosen] for route in routes],
        leading=3 if LEADING[2] in chosen[:3] else 2,
        unmerged=frozenset(headers[column] for column in ALONE if column in headers),
        optional=None if are_asked_for else headers.get(LEADING[2]),
    )


def summary(routes: Sequence[AuditedRoute]) -> dict[str, int]:
    """How many there are of each."""
    return {
        "routes": len(routes),
        "declared": sum(not route.is_undeclared for route in routes),
        "public": sum(route.is_public for route in routes),
        "undeclared": sum(route.is_undeclared for route in routes),
    }


def summary_line(shown_routes: Sequence[AuditedRoute], total: int) -> str:
    """One sentence of it, for people."""
    count = summary(shown_routes)
    number = len(shown_routes)
    of_all = "" if number == total else f" of {total}"
    noun = "route" if (total if of_all else number) == 1 else "routes"
    return (
        f"{number}{of_all} {noun}: {count['declared']} declared "
        f"({count['public']} public), {count['undeclared']} undeclared."
    )


def _cell(route: AuditedRoute, column: str, encoding: str) -> Cell:
    text = _text(route, column)
    short = _short(text, column)
    return Cell(
        shown(text, encoding),
        _style(route, column, text),
        short=None if short == text else shown(short, encoding),
    )


def _short(text: str, column: str) -> str:
    """A rule without the arguments of its converters, and the beginning of a long reason; no name is ever cut."""
    if column == "rule":
        return CONVERTER_ARGUMENTS.sub(r"<\1:", text)
    if column not in PROSE or len(text) <= SHORT_LENGTH:
        return text
    return text[: SHORT_LENGTH - 3].rstrip() + "..."


def _text(route: AuditedRoute, column: str) -> str:
    if column in LEADING:
        return {"method": route.method, "rule": route.location, "endpoint": route.endpoint}[column]
    if column == "documented":
        return {True: "yes", False: "no", None: ""}[route.documented]
    if column == "note":
        bypassed = (f"not enforced: {', '.join(route.bypassed)}",) if route.bypassed else ()
        undocumented = ("not documented",) if route.documented is False else ()
        return "; ".join((*bypassed, *undocumented, *route.notes))
    if column == "authentication" and route.is_undeclared:
        return UNDECLARED
    return route.columns.get(column, "")


def _style(route: AuditedRoute, column: str, text: str) -> Style | None:
    style: dict[str, Any] = {}
    if column == "authentication":
        if route.is_undeclared:
            style = {"fg": "red", "bold": True}
        elif route.is_public:
            style = {"fg": "yellow"}
    elif column == "note" and route.bypassed:
        style = {"fg": "red"}
    elif column == "documented" and text == "no":
        style = {"fg": "yellow"}
    elif column == "method":
        style = {"bold": True}
    return style or None


def _names(word: str, route: AuditedRoute) -> bool:
    """Whether `word` is in the rule or the endpoint, in capitals or not; with `*` or `?` it has to match all of one."""
    places = (route.location.lower(), route.endpoint.lower())
    if "*" in word or "?" in word:
        return any(fnmatchcase(place, word.lower()) for place in places)
    return any(word.lower() in place for place in places)


def _alternatives(route: AuditedRoute, column: str) -> list[str]:
    return [part.strip() for part in ALTERNATIVES.split(route.columns.get(column, "")) if part.strip()]


def _any_matches(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns for text in texts)
