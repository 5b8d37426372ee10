"""Answers a caller who is refused again in front of the app: Flask does not hear of it.

A caller in a loop asks the very same thing again and again. The first 429 goes the whole way and is kept here; until
there is room, who sends the same request gets the same answer for a tenth of the cost. What makes requests the same is
all that a limit by address, actor or API key can depend on: so only these may be kept. Whatever differs in the least goes
the long way, which refuses just as well.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._boundary import report_fault
from .._contribution import ACTOR_ASKED_KEY, ACTOR_ID_KEY, REQUEST_ID_KEY
from ..errors import RateLimitError
from .recent_entries import RecentEntries
from .refusals import buckets_in

if TYPE_CHECKING:
    from .._boundary import Exchange
    from .._contribution import FrontAnswer

REFUSED_KEY: Final = "flask_backend_patterns.refused"  # in the WSGI environment: a `Refused`

MAX_ENTRIES: Final = 4_096
MAX_BODY: Final = 4_096  # bytes
MAX_CALLER: Final = 4_096  # characters of what tells callers apart
# A request that left a note of another kind there is counted or answered in a way that is not known here.
KNOWN_NOTES: Final = frozenset({REFUSED_KEY, REQUEST_ID_KEY, ACTOR_ID_KEY, ACTOR_ASKED_KEY})
NOTES_PREFIX: Final = "flask_backend_patterns."
# Made anew for each answer.
FRESH_HEADERS: Final = frozenset({"x-request-id", "retry-after", "content-length", "server-timing", "date"})
COUNTED_DOWN: Final = frozenset({"ratelimit", "x-ratelimit-reset"})
LATEST_RESET: Final = 100_000_000  # a larger number is no duration, but a moment
ERROR_FIELDS: Final = frozenset({"code", "message", "details", "request_id"})
PROBLEM_FIELDS: Final = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
)
# The seconds of a RateLimit field, outside of its quoted names (RFC 9651, 3.3.3).
RESET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|;t=(\d+)')

Caller: TypeAlias = tuple[str | None, ...]
Headers: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a request was refused: to be put at `REFUSED_KEY` by who refuses it, if every request like it will be too.

    `keys` are those of the buckets, `until` is when it may be asked again (by `time.monotonic`). `count` is called for each
    further one that is refused without asking them.
    """

    keys: tuple[str, ...]
    until: float
    count: Callable[[], Any]


class _Kept:
    """A refusal that has been sent, ready to be sent again."""

    __slots__ = ("_at", "_headers", "_shown", "actor_id", "after", "before", "refused", "route", "status")

    def __init__(self, exchange: Exchange, refused: Refused, body: tuple[bytes, bytes], now: float) -> None:
        self.refused = refused
        self.route = exchange.route
        self.actor_id = exchange.environ.get(ACTOR_ID_KEY)
        self.status = f"{HTTPStatus.TOO_MANY_REQUESTS.value} {HTTPStatus.TOO_MANY_REQUESTS.phrase.upper()}"
        self.before, self.after = body
        self._at = now
        self._headers = [item for item in exchange.headers if item[0].lower() not in FRESH_HEADERS]
        self._shown: tuple[int, Headers] = (-1, [])

    def headers(self, now: float) -> Headers:
        """A list to be added to; what tells seconds is right to the second."""
        left = math.ceil(self.refused.until - now)
        seconds, shown = self._shown
        if seconds != left:
            passed = int(now - self._at)
            shown = [(name, _counted_down(name, value, passed)) for name, value in self._headers]
            shown.append(("Retry-After", str(left)))
            self._shown = (left, shown)
        return shown.copy()


class FrontRefusals:
    """The refusals that this process has sent lately, by caller and request. Thread-safe, bounded.

    `headers` are all that can carry credentials, beside cookies.
    """

    def __init__(
        self,
        headers: Iterable[str] = ("Authorization",),
        *,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: RecentEntries[Caller, _Kept] = RecentEntries(max_entries)
        self._clock = clock
        named = dict.fromkeys("HTTP_" + name.upper().replace("-", "_") for name in headers)
        self._variables = (
            *("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "wsgi.url_scheme"),
            *("HTTP_HOST", "SERVER_NAME", "HTTP_COOKIE", "HTTP_ACCEPT", "HTTP_ORIGIN", *named),
            "HTTP_X_HTTP_METHOD_OVERRIDE",
        )

    def answer(self, exchange: Exchange) -> FrontAnswer | None:
        """The refusal for this request, if one like it was refused and there is no room yet."""
        if not len(self._kept):
            return None
        caller = self._caller(exchange)
        kept = self._kept.get(caller)
        if kept is None:
            return None
        now = self._clock()
        if now >= kept.refused.until:
            self._kept.discard(caller)
            return None
        kept.refused.count()
        return self._sent_again(kept, exchange, now)

    def keep(self, exchange: Exchange, body: Iterable[bytes]) -> Iterable[bytes]:
        """See `BodyPass`: remembers a refusal that may be sent again."""
        if REFUSED_KEY not in exchange.environ or exchange.status != HTTPStatus.TOO_MANY_REQUESTS:
            return body
        if not _is_small(exchange.headers):
            return body
        try:
            content = b"".join(body)
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()
        try:
            self._remember(exchange, content)
        except Exception:  # noqa: BLE001 - nothing of ours after the view turns a done request into a failure
            report_fault()
        return [content]

    def hear(self, keys: tuple[str, ...] | None) -> None:
        """A listener for the feed: forget what rests on the buckets named by `feed_key`, everything for None."""
        buckets = buckets_in(keys)
        if buckets is None:
            self._kept.clear()
        elif buckets:
            self.forget(*buckets)

    def forget(self, *keys: str) -> None:
        """Somebody has made room in these buckets."""
        gone = [caller for caller, kept in self._kept.items() if not set(keys).isdisjoint(kept.refused.keys)]
        self._kept.discard(*gone)

    def _caller(self, exchange: Exchange) -> Caller:
        find = exchange.environ.get
        return (exchange.address, *map(find, self._variables))

    def _sent_again(self, kept: _Kept, exchange: Exchange, now: float) -> FrontAnswer:
        exchange.route = kept.route
        if kept.actor_id is not None:
            exchange.environ[ACTOR_ID_KEY] = kept.actor_id
        headers = kept.headers(now)
        if exchange.environ["REQUEST_METHOD"] == "HEAD":
            return kept.status, headers, ()
        body = kept.before + (exchange.request_id or "").encode() + kept.after
        headers.append(("Content-Length", str(len(body))))
        return kept.status, headers, (body,)

    def _remember(self, exchange: Exchange, content: bytes) -> None:
        refused: Refused = exchange.environ[REFUSED_KEY]
        now = self._clock()
        # An address that a wrapper further in has put right is not what the next request is known by.
        has_moved = exchange.environ.get("REMOTE_ADDR") != exchange.address
        if has_moved or refused.until <= now or not _may_be_repeated(exchange):
            return
        body = (b"", b"") if exchange.environ["REQUEST_METHOD"] == "HEAD" else _parts(content, exchange)
        caller = self._caller(exchange)
        if body is not None and sum(map(len, filter(None, caller))) <= MAX_CALLER:
            self._kept.put(caller, _Kept(exchange, refused, body, now))


def _is_small(headers: Headers) -> bool:
    """Whether the app says that the body is: who does not say may be streaming."""
    sizes = [value for name, value in headers if name.lower() == "content-length"]
    return len(sizes) == 1 and sizes[0].isdecimal() and int(sizes[0]) <= MAX_BODY


def _may_be_repeated(exchange: Exchange) -> bool:
    """Whether nothing is known of this answer that is for this one request only."""
    for name, value in exchange.headers:
        lower = name.lower()
        if lower in ("set-cookie", "content-encoding", "etag"):
            return False
        if lower == "x-request-id" and value != exchange.request_id:
            return False
    return all(key in KNOWN_NOTES for key in exchange.environ if key.startswith(NOTES_PREFIX))


def _parts(content: bytes, exchange: Exchange) -> tuple[bytes, bytes] | None:
    """What stands before and after the request's id; None for a body that is not of our own making."""
    try:
        body = json.loads(content)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    inner = body.get("error") if body.keys() == {"error"} else body
    fields = PROBLEM_FIELDS if inner is body else ERROR_FIELDS
    if not isinstance(inner, dict) or not inner.keys() <= fields or inner.get("code") != RateLimitError.code:
        return None
    if inner.get("request_id") != exchange.request_id:
        return None
    if exchange.request_id is None:
        return content, b""
    shown = re.split(rb'(?<="request_id":")' + re.escape(exchange.request_id.encode()) + b'(?=")', content)
    return (shown[0], shown[1]) if len(shown) == 2 else None  # noqa: PLR2004 - one before, one after


def _counted_down(name: str, value: str, passed: int) -> str:
    """A header that tells in how many seconds something is: now that `passed` of them are over."""
    if name.lower() not in COUNTED_DOWN or not passed:
        return value
    if value.isdecimal():
        return str(max(0, int(value) - passed)) if int(value) < LATEST_RESET else value

    def later(found: re.Match[str]) -> str:
        return found[0] if found[1] is None else f";t={max(0, int(found[1]) - passed)}"

    return RESET.sub(later, value)
