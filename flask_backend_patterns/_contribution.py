"""What a feature may hand to the extension, so that features need not know each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from flask import Request, Response

    from ._boundary import Exchange

# In the WSGI environment.
REQUEST_ID_KEY = "flask_backend_patterns.request_id"
ACTOR_ID_KEY = (
    "flask_backend_patterns.actor_id"  # there once it was found who calls; empty for anonymous callers
)
# There once what is answered may depend on who calls: somebody other than the counting of requests has asked.
ACTOR_MATTERS_KEY = "flask_backend_patterns.actor_matters"
# There once somebody has asked who calls; who wants to know whether what follows asks, takes it away before.
ACTOR_ASKED_KEY = "flask_backend_patterns.actor_asked"
# What a `Limiter` on our windows refused in this request: (amount, seconds) of the limit -> seconds until it fits.
LIMITER_WAITS_KEY = "flask_backend_patterns.limiter_waits"

# What is on a response: names in lower case -> values, of several lines the last one's.
Present: TypeAlias = dict[str, str]
# Sees each response's header list before it is sent, and what the app has put on it; adds, and joins `Vary`, but changes
# nothing that the app has set. Who adds what others look for puts it into both.
HeaderPass: TypeAlias = "Callable[[Exchange, list[tuple[str, str]], Present], None]"
# Answers a GET or HEAD of its path before the app sees it; None leaves the request to the app.
Answer: TypeAlias = "Callable[[Request], Response | None]"
# The status line, the headers (to which more are added) and the body of a response.
FrontAnswer: TypeAlias = tuple[str, list[tuple[str, str]], Iterable[bytes]]
# Answers a request before the app sees it, without making a `Request` of it; None leaves the request to the app.
Front: TypeAlias = "Callable[[Exchange], FrontAnswer | None]"
# Sees the body of what the app answers once the app has begun to answer; returns it, or another one of the same bytes.
BodyPass: TypeAlias = "Callable[[Exchange, Iterable[bytes]], Iterable[bytes]]"
# Called at the start and, exactly once, at the end of each request, whatever happened in between; must not raise.
RequestHook: TypeAlias = "Callable[[Exchange], None]"


class EventLog(Protocol):
    """Where features write their log events: a name in snake_case or dotted, and fields; `exc_info` takes an exception."""

    def info(self, event: str, **fields: Any) -> Any:
        """Something happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Something should be looked at."""

    def error(self, event: str, **fields: Any) -> Any:
        """Something failed."""


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
    front: Front | None = None
    body: BodyPass | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    remedy: str = ""
