"""`@deprecated`: tells callers that a route goes away, and counts who still uses it.

The headers are added at the edge of the request (`contribution`), so they are on every answer of the route: errors of
the view, refusals by other declarations, an abort in a hook before the view, an answer whose headers the app replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from flask import has_request_context
from flask import request as current_request
from werkzeug.http import http_date

from .._config import SetupError
from .._contribution import Contribution
from ..declarations import Declaration, Documentation, Phase
from ..guard import declarations_of, declare

if TYPE_CHECKING:
    from flask import Flask

    from .._boundary import Exchange
    from .._contribution import EventLog, Present

    Target = TypeVar("Target", bound=Callable[..., Any])

DECLARED_KEY: Final = "flask_backend_patterns.deprecated"  # in the WSGI environment
METRIC_NAME: Final = "backend_deprecated_requests_total"
METRIC_LABELS: Final = ("method", "route", "caller")
MAX_CALLERS: Final = 100
MAX_CALLER_LENGTH: Final = 100
OTHER_CALLERS: Final = "other"
NO_CALLER: Final = "unknown"
# A rule without methods takes any, and those the client makes up are no labels, nor keys of what is remembered.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHODS: Final = "OTHER"
LAST_SECOND: Final = 253_402_300_799  # of the year 9999, the last that an HTTP-date can say
# RFC 3986 has none of these in a URI, and one of them could end the header's value or begin another.
NOT_IN_URLS: Final = frozenset('<>"{}|\\^`')


@dataclass(frozen=True, kw_only=True)
class Deprecated(Declaration):
    """The route is to be left: since when, until when it answers (both Unix seconds), and where to read on (URLs).

    Made by `deprecated`, which checks its values. Nothing changes by itself once `sunset` has passed.
    """

    phase: ClassVar[Phase] = Phase.SHEDDING  # first of all: it refuses nothing, and refusals count as use
    required: ClassVar[bool] = False

    since: int
    sunset: int | None = None
    link: str | None = None
    successor: str | None = None

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Relation and URL of each link (RFC 9745, RFC 8594, RFC 5829)."""
        found = (
            ("deprecation", self.link),
            ("sunset", self.link if self.sunset is not None else None),
            ("successor-version", self.successor),
        )
        return tuple((relation, url) for relation, url in found if url is not None)

    def documentation(self, method: str) -> Documentation:
        """The operation is marked as deprecated; its headers."""
        del method
        headers: dict[str, dict[str, Any]] = {
            "Deprecation": {
                "description": "Since when this is deprecated: `@` and Unix seconds (RFC 9745).",
                "schema": {"type": "string", "examples": [f"@{self.since}"]},
            }
        }
        if self.sunset is not None:
            headers["Sunset"] = {
                "description": "From when on this may stop answering: an HTTP-date (RFC 8594).",
                "schema": {"type": "string", "examples": [http_date(self.sunset)]},
            }
        return Documentation(success_headers=headers, operation={"deprecated": True})

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `deprecation`: since when, until when, and what to call instead."""
        del method
        until = "" if self.sunset is None else f", sunset {_day(self.sunset)}"
        instead = "" if self.successor is None else f", use {self.successor}"
        return {"deprecation": f"since {_day(self.since)}{until}{instead}"}


def deprecated(
    *,
    since: datetime | date | int,
    sunset: datetime | date | int | None = None,
    link: str | None = None,
    successor: str | None = None,
) -> Callable[[Target], Target]:
    """Send `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` on every answer of the view; count who calls it.

    `since` and `sunset` are datetimes with a time zone, dates (their first second in UTC) or Unix seconds. `link` is a
    page about the change, `successor` what to call instead. The view works as before, also after `sunset`: take it out
    yourself. Raises `SetupError` for a datetime without time zone, a sunset before `since`, or a malformed URL.
    """
    declaration = Deprecated(
        since=_seconds("since", since),
        sunset=None if sunset is None else _seconds("sunset", sunset),
        link=_checked_url("link", link),
        successor=_checked_url("successor", successor),
    )
    if declaration.sunset is not None and declaration.sunset < declaration.since:
        raise SetupError(
            f"@deprecated(since={since!r}, sunset={sunset!r}): the sunset is before the deprecation (RFC 9745); "
            "swap the two, or correct the dates."
        )
    return declare(declaration)


def mark_deprecated(declaration: Deprecated) -> None:
    """The enforcer: leaves a note for the edge. The innermost declaration, being the most specific, counts."""
    current_request.environ[DECLARED_KEY] = declaration


def _seconds(name: str, value: Any) -> int:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise SetupError(
                f"@deprecated({name}={value!r}) has no time zone; pass tzinfo=UTC, or a date without a time."
            )
        seconds = int(value.timestamp() // 1)
    elif isinstance(value, date):
        seconds = int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        raise SetupError(f"@deprecated({name}={value!r}): expected a datetime, a date or Unix seconds.")
    if not 0 <= seconds <= LAST_SECOND:
        raise SetupError(f"@deprecated({name}={value!r}): expected a time from 1970 to 9999.")
    return seconds


def _day(seconds: int) -> str:
    """The day in UTC, with the time unless it is the day's beginning."""
    moment = datetime.fromtimestamp(seconds, UTC)
    is_day = not seconds % 86_400
    return moment.date().isoformat() if is_day else moment.isoformat().replace("+00:00", "Z")


def _checked_url(name: str, url: Any) -> str | None:
    if url is None:
        return None
    if not isinstance(url, str) or not url:
        raise SetupError(f"@deprecated({name}={url!r}): expected a URL.")
    if any(not "!" <= character <= "~" for character in url) or NOT_IN_URLS & set(url):
        raise SetupError(
            f"@deprecated({name}={url!r}): a URL has no spaces, quotes, brackets or letters beyond ASCII; "
            "percent-encode them."
        )
    return url


# --- At the edge ------------------------------------------------------------------------------------------------------


class CounterChild(Protocol):
    """A counter with its labels filled in, as in prometheus-client."""

    def inc(self) -> Any:
        """One more."""


class Counter(Protocol):
    """A counter with labels, as in prometheus-client."""

    def labels(self, *values: str) -> CounterChild:
        """The counter for these values of its labels."""


class Metrics(Protocol):
    """Where counters come from."""

    def counter(self, name: str, documentation: str, labels: Sequence[str]) -> Any:
        """The `Counter` of that name."""


class BoundedNames:
    """Lets the first `limit` names through and calls all later ones `other`, so that a metric cannot grow without end.

    Safe to use from several threads; each process has its own.
    """

    def __init__(self, limit: int = MAX_CALLERS) -> None:
        self._limit = limit
        self._names: set[str] = set()
        self._lock = Lock()

    def bounded(self, name: str) -> str:
        """`name`, or `other` when there are too many already."""
        if name in self._names:
            return name
        with self._lock:
            if name not in self._names and len(self._names) >= self._limit:
                return OTHER_CALLERS
            self._names.add(name)
        return name


class UseCounter:
    """Counts the requests to deprecated routes by method, route and caller.

    `caller` names the caller of the current request; asked when the response starts, so authentication has been.
    """

    def __init__(
        self,
        counter: Counter,
        *,
        caller: Callable[[], str] | None,
        log: EventLog,
        max_callers: int = MAX_CALLERS,
    ) -> None:
        self._counter = counter
        self._caller = caller
        self._log = log
        self._callers = BoundedNames(max_callers)

    def count(self, exchange: Exchange) -> None:
        """Count one request; an `OPTIONS`, which browsers send by themselves, is not a use."""
        method = _known_method(exchange.environ.get("REQUEST_METHOD", ""))
        if method == "OPTIONS":
            return
        name = self._name_caller()[:MAX_CALLER_LENGTH]
        # A lone surrogate in one label would fail every scrape
        caller = self._callers.bounded(name.encode(errors="replace").decode())
        self._counter.labels(method, exchange.route or "", caller).inc()

    def _name_caller(self) -> str:
        if self._caller is None or not has_request_context():
            return NO_CALLER
        try:
            name = self._caller()
        except Exception as error:  # noqa: BLE001 - the app's own function; the answer is ready and goes out
            self._log.error("deprecation_caller_failed", exc_info=error)
            return NO_CALLER
        return NO_CALLER if name is None or name == "" else str(name)


def contribution(
    app: Flask, *, log: EventLog, metrics: Metrics | None = None, caller: Callable[[], str] | None = None
) -> Contribution:
    """The headers of deprecated routes, and the count of their use where there are `metrics`.

    `caller` names the caller of the current request, for a label: the first `MAX_CALLERS` names of a process count
    by themselves, the rest as `other`.
    """
    find = _Finder(app)
    uses = None
    if metrics is not None:
        text = "Requests to deprecated routes."
        uses = UseCounter(metrics.counter(METRIC_NAME, text, METRIC_LABELS), caller=caller, log=log)

    def headers(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        declaration = find(exchange)
        if declaration is None:
            return
        add_headers(declaration, sent, present)
        if uses is not None:
            uses.count(exchange)

    return Contribution(headers=headers)


class _Finder:
    """Finds what is declared on the route of a response: noted by the guard, else (it was not reached) on its view."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._declared: dict[tuple[str, str], Deprecated | None] = {}

    def __call__(self, exchange: Exchange) -> Deprecated | None:
        noted = exchange.environ.get(DECLARED_KEY)
        if isinstance(noted, Deprecated):
            return noted
        request = exchange.request
        if request is None or request.url_rule is None:
            return None
        key = request.url_rule.endpoint, _known_method(request.method)
        if key not in self._declared:
            self._declared[key] = self._find(*key)
        return self._declared[key]

    def _find(self, endpoint: str, method: str) -> Deprecated | None:
        view = self._app.view_functions.get(endpoint)
        if view is None:
            return None
        found = [item for item in declarations_of(view, method) if isinstance(item, Deprecated)]
        return found[-1] if found else None


def _known_method(method: str) -> str:
    return method if method in METHODS else OTHER_METHODS


def add_headers(declaration: Deprecated, sent: list[tuple[str, str]], present: Present) -> None:
    """Add what `declaration` says to the headers of a response; what the app has set itself is kept.

    Links are joined to those that are there (RFC 8288).
    """
    added = {"Deprecation": f"@{declaration.since}"}
    if declaration.sunset is not None:
        added["Sunset"] = http_date(declaration.sunset)
    for name, value in added.items():
        if name.lower() not in present:
            sent.append((name, value))
            present[name.lower()] = value
    positions = [index for index, (name, _) in enumerate(sent) if name.lower() == "link"]
    said = ", ".join(sent[index][1] for index in positions)
    links = ", ".join(
        f'<{url}>; rel="{relation}"' for relation, url in declaration.links if not _has_link(said, relation)
    )
    if not links:
        return
    if positions:
        name, value = sent[positions[-1]]
        present["link"] = f"{value}, {links}" if value else links
        sent[positions[-1]] = (name, present["link"])
    else:
        present["link"] = links
        sent.append(("Link", links))


def _has_link(header: str, relation: str) -> bool:
    """Whether a `Link` header has a link of that relation already; `rel` may be quoted or not."""
    compact = header.lower().replace(" ", "").replace('"', "").replace(",", ";")
    return f"rel={relation}" in compact.split(";")
