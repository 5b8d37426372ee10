"""What the commands need from the features; handed over when they are installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class ExportDocument(Protocol):
    """Gives the OpenAPI document of a Flask app."""

    def __call__(self, app: Any, *, document_format: str = ..., api_prefix: str | None = ...) -> bytes:
        """The document in UTF-8, ending in a newline; `SetupError` says why there is none."""


class AuditedRoute(Protocol):
    """One rule and method of an app."""

    @property
    def location(self) -> str:
        """The rule, behind the host or subdomain that it is bound to."""

    @property
    def method(self) -> str:
        """In capitals."""

    @property
    def endpoint(self) -> str:
        """Flask's name of it."""

    @property
    def columns(self) -> Mapping[str, str]:
        """What is declared: column -> text."""

    @property
    def documented(self) -> bool | None:
        """Whether it is in the OpenAPI document; None where that cannot be asked."""

    @property
    def declared(self) -> bool:
        """Whether it is said who may call it."""

    @property
    def is_public(self) -> bool:
        """Whether a declaration lets everybody in."""

    @property
    def is_undeclared(self) -> bool:
        """Whether it should be said who may call it, and is not."""

    @property
    def bypassed(self) -> tuple[str, ...]:
        """Kinds of declarations that enforce nothing."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts about the rule itself."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""


class RouteFinding(Protocol):
    """A fault of a route, whose `str` says what to do."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""


class RouteAudit(Protocol):
    """Lists the routes of an app and finds faults in them."""

    @property
    def conditions(self) -> Mapping[str, str]:
        """The faults there are: name -> meaning."""

    def table(self, app: Any) -> Sequence[AuditedRoute]:
        """Every route, by rule and method."""

    def callable_by(self, app: Any, entries: Iterable[Any], roles: Sequence[str]) -> Sequence[AuditedRoute]:
        """Those of `entries` that somebody with all of `roles` may call; `SetupError` where nobody can tell."""

    def findings(self, app: Any, entries: Iterable[Any], names: Iterable[str]) -> Sequence[RouteFinding]:
        """The faults called `names` that `entries`, taken from `table`, have; `SetupError` where nobody can tell."""


class Ban(Protocol):
    """A ban that is in force."""

    @property
    def network(self) -> str:
        """An address, or the /64 of one."""

    @property
    def seconds(self) -> float:
        """How long it still lasts."""

    @property
    def reason(self) -> str:
        """In a few words."""


class Clearing(Protocol):
    """Shows and lifts limits, in all processes."""

    def clear(self, caller: str, *, name: str | None = None) -> int:
        """How many counts there were; `ValueError` for what is no caller, `CacheError` when it cannot be done."""

    def show(self, caller: str, *, name: str | None = None) -> Sequence[tuple[str, Any, Any]]:
        """What limits are called, their rates and where they stand; raises as `clear` does."""


class Bans(Protocol):
    """The bans of an app, in all its processes. Everything raises `CacheError` when they cannot be asked."""

    def listed(self) -> Sequence[Ban]:
        """Those that end last first."""

    def add(self, address: str, *, seconds: float | None = None) -> Ban:
        """Ban; `ValueError` for what is no address, or exempt."""

    def lift(self, address: str) -> bool:
        """End a ban; whether there was one. `ValueError` for what is no address."""
