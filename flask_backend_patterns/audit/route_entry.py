"""One route and method of an app, with what is declared on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

ANY_METHOD: Final = "ANY"
WEBSOCKET: Final = "WEBSOCKET"
PUBLIC: Final = "public"
# The order in which methods of one rule are listed; others come after these, by name.
METHOD_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Source(StrEnum):
    """What answers the route, and so what can be asked of it."""

    VIEW = "view"  # a view of the app: it should be declared
    SETTING = "setting"  # a view that nothing is declared on, let through by BACKEND_AUTH_PUBLIC_ENDPOINTS
    FRONT = "front"  # answered in front of the app: health, metrics, the document
    REDIRECT = "redirect"  # a rule with `redirect_to`: no view runs


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one declaration asks of a caller: one of `roles`, where there are any, and `permission`, where there is one.

    `own_suffices` says that its `:own` form is enough for what is the caller's.
    """

    roles: tuple[str, ...] = ()
    permission: str | None = None
    own_suffices: bool = False


@dataclass(frozen=True, kw_only=True)
class RouteEntry:
    """One rule and method; `method` is in capitals, `ANY` where the rule takes all, `WEBSOCKET` where it takes none.

    `columns` is what the declarations say (`authentication`, `permission`, ...), in the order of enforcement.
    `documented` is None where there is no OpenAPI document, or nothing to document. `bypassed` names the kinds of
    declarations that stand above the route, where they enforce nothing; with `shut` every request is refused for it.
    `needs` all have to be met. `unknown_roles` and `ungranted` (permissions) are filled in when they are asked for:
    what the route needs and the roles of the app do not have. `notes` are facts about the rule itself.
    """

    rule: str
    method: str
    endpoint: str
    columns: Mapping[str, str] = field(default_factory=dict)
    documented: bool | None = None
    declared: bool = False
    source: Source = Source.VIEW
    host: str | None = None
    subdomain: str | None = None
    bypassed: tuple[str, ...] = ()
    shut: bool = False
    needs: tuple[Need, ...] = ()
    unknown_roles: tuple[str, ...] = ()
    ungranted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """The rule, behind the host or subdomain that it is bound to."""
        if self.host is not None:
            return self.host + self.rule
        return self.rule if self.subdomain is None else f"{self.subdomain}.SERVER_NAME{self.rule}"

    @property
    def is_public(self) -> bool:
        """Whether a declaration lets everybody in."""
        return self.source is Source.VIEW and self.columns.get("authentication", "").startswith(PUBLIC)

    @property
    def is_undeclared(self) -> bool:
        """Whether nobody has said who may call it."""
        return self.source is Source.VIEW and not self.declared

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """By rule, then method; the rest settles what is left, so that every run lists alike."""
        known = METHOD_ORDER.index(self.method) if self.method in METHOD_ORDER else len(METHOD_ORDER)
        return (
            self.rule,
            known,
            self.method,
            self.host or "",
            self.subdomain or "",
            self.endpoint,
            self.notes,
        )

    def as_dict(self) -> dict[str, Any]:
        """The same in plain values, for JSON; every key is always there."""
        return {
            "rule": self.rule,
            "method": self.method,
            "endpoint": self.endpoint,
            "host": self.host,
            "subdomain": self.subdomain,
            "source": self.source.value,
            "declared": self.declared,
            "public": self.is_public,
            "documented": self.documented,
            "columns": {name: self.columns[name] for name in sorted(self.columns)},
            "bypassed": list(self.bypassed),
            "notes": list(self.notes),
        }
