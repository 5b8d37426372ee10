"""What a feature may hand to the extension, so that features need not know each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from flask import Request, Response

    from ._boundary import Exchange

# In the WSGI environment.
REQUEST_ID_KEY = "flask_backend_patterns.request_id"
ACTOR_ID_KEY = (
    "flask_backend_patterns.actor_id"  # there once it was asked who calls; empty for anonymous callers
)

# Sees each response's header list before it is sent, and the names (in lower case) that are already on it; adds, and
# joins `Vary`, but changes nothing that the app has set.
HeaderPass: TypeAlias = "Callable[[Exchange, list[tuple[str, str]], set[str]], None]"
# Answers a GET or HEAD of its path before the app sees it; None leaves the request to the app.
Answer: TypeAlias = "Callable[[Request], Response | None]"
# Called at the start and, exactly once, at the end of each request, whatever happened in between; must not raise.
RequestHook: TypeAlias = "Callable[[Exchange], None]"


class EventLog(Protocol):
    """Where features write their log events: a name in snake_case or dotted, and fields."""

    def info(self, event: str, **fields: Any) -> Any:
        """Something happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Something should be looked at."""

    def error(self, event: str, **fields: Any) -> Any:
        """Something failed; `exc_info` takes the exception."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """A dependency's check: `run` returns facts to show (or None) and raises when the dependency is unfit.

    A failed check that is not `critical` makes the answer `warn` instead of `fail`.
    """

    name: str
    run: Callable[[], dict[str, Any] | None]
    critical: bool = True


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """One feature's part in the life of a request; `remedy` says how to move its `answers` when a path is taken."""

    begin: RequestHook | None = None
    headers: HeaderPass | None = None
    finished: RequestHook | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    remedy: str = ""
