"""Answers a caller who is refused again in front of the app: Flask does not hear of it.

A caller in a loop asks for the same route again and again. The first 429 goes the whole way and is kept here; until
there is room, who asks for that route by the same method gets the same answer for a tenth of the cost, whatever the path's
arguments and the query are. Who it is, is told by all that a limit by address, actor or API key can depend on: only these
are kept. A refusal by address is for all credentials. Whatever else differs goes the long way, which refuses just as well.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from .._boundary import report_fault
from .._contribution import ACTOR_ASKED_KEY, ACTOR_ID_KEY, ACTOR_MATTERS_KEY, REQUEST_ID_KEY
from ..errors import RateLimitError, is_content_with_json
from .places import exact
from .recent_entries import RecentEntries
from .refusals import buckets_in

if TYPE_CHECKING:
    from .._boundary import Exchange
    from .._contribution import FrontAnswer
    from .places import Place

REFUSED_KEY: Final = "flask_backend_patterns.refused"  # in the WSGI environment: a `Refused`

MAX_ENTRIES: Final = 4_096
MAX_BODY: Final = 4_096  # bytes
MAX_CALLER: Final = 4_096  # characters of what tells callers apart
MAX_VARIANTS: Final = 32  # of a bucket: who varies more than that is not worth keeping
MAX_SECONDS: Final = 5.0  # then the app is asked again: credentials may have been revoked, or roles changed
# A request that left a note of another kind there is counted or answered in a way that is not known here.
KNOWN_NOTES: Final = frozenset(
    {REFUSED_KEY, REQUEST_ID_KEY, ACTOR_ID_KEY, ACTOR_ASKED_KEY, ACTOR_MATTERS_KEY}
)
NOTES_PREFIX: Final = "flask_backend_patterns."
# Known not to tell of a path or a query: an answer with others is repeated for just this path and query.
_PLAIN_NAMES: Final = """
    access-control-allow-credentials access-control-allow-headers access-control-allow-methods
    access-control-allow-origin access-control-expose-headers access-control-max-age allow cache-control connection
    content-length content-security-policy content-type date permissions-policy ratelimit ratelimit-policy
    referrer-policy retry-after server server-timing strict-transport-security vary x-content-type-options
    x-frame-options x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset x-request-id x-xss-protection
"""
PLAIN_HEADERS: Final = frozenset(_PLAIN_NAMES.split())
# Made anew for each answer.
FRESH_HEADERS: Final = frozenset({"x-request-id", "retry-after", "content-length", "server-timing", "date"})
COUNTED_DOWN: Final = frozenset({"ratelimit", "x-ratelimit-reset"})
LATEST_RESET: Final = 100_000_000  # a larger number is no duration, but a moment
PROBLEM_START: Final = b'{"type"'
ERROR_FIELDS: Final = frozenset({"code", "message", "details", "request_id"})
PROBLEM_FIELDS: Final = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
)
# The seconds of a RateLimit field, outside of its quoted names (RFC 9651, 3.3.3).
RESET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|;t=(\d+)')

# Who asks, and how.
Caller: TypeAlias = "tuple[str | None, ...]"
Headers: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a request was refused: to be put at `REFUSED_KEY` by who refuses it, if every request like it will be too.

    `keys` are those of the buckets, `until` is when it may be asked again (by `time.monotonic`). `count` is called for each
    further one that is refused without asking them. `is_by_address`: whatever the credentials are.
    """

    keys: tuple[str, ...]
    until: float
    count: Callable[[], Any]
    is_by_address: bool = False


class _Kept:
    """A refusal that has been sent, ready to be sent again."""

    __slots__ = (
        "_at",
        "_headers",
        "_shown",
        "actor_id",
        "after",
        "before",
        "ends",
        "refused",
        "route",
        "status",
    )

    def __init__(self, exchange: Exchange, refused: Refused, body: tuple[bytes, bytes], now: float) -> None:
        self.refused = refused
        self.route = exchange.route
        self.actor_id = exchange.environ.get(ACTOR_ID_KEY)
        self.status = f"{HTTPStatus.TOO_MANY_REQUESTS.value} {HTTPStatus.TOO_MANY_REQUESTS.phrase.upper()}"
        self.before, self.after = body
        self.ends = min(refused.until, now + MAX_SECONDS)
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


def _no_rule(environ: dict[str, Any]) -> None:
    """Nothing is known of routes."""
    del environ


class FrontRefusals:
    """The refusals that this process has sent lately, by caller and request. Thread-safe, bounded.

    `headers` are all that can carry credentials, beside cookies.
    """

    def __init__(
        self,
        headers: Iterable[str] = ("Authorization",),
        *,
        rule_of: Callable[[dict[str, Any]], str | None] = _no_rule,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: RecentEntries[tuple[Caller, Place], _Kept] = RecentEntries(max_entries)
        # Who has been refused anything, and until when at the latest: others are not looked at any further.
        self._callers: RecentEntries[Caller, float] = RecentEntries(max_entries)
        # Bucket -> how many answers of it were kept, and until when they are.
        self._variants: RecentEntries[str, tuple[int, float]] = RecentEntries(max_entries)
        self._rule_of = rule_of
        self._clock = clock
        named = dict.fromkeys("HTTP_" + name.upper().replace("-", "_") for name in headers)
        self._credentials = ("HTTP_COOKIE", *named)

    def answer(self, exchange: Exchange) -> FrontAnswer | None:
        """The refusal for this request, if one like it was refused and there is no room yet."""
        if not len(self._callers):
            return None
        now = self._clock()
        caller = self._caller(exchange.environ, exchange.address)
        kept = self._found(caller, exchange, now) or self._found(
            self._authenticated(caller, exchange.environ), exchange, now
        )
        if kept is None:
            return None
        kept.refused.count()
        return self._sent_again(kept, exchange, now)

    def keep(self, exchange: Exchange, body: Iterable[bytes]) -> Iterable[bytes]:
        """See `BodyPass`: remembers a refusal that may be sent again."""
        refused: Refused | None = exchange.environ.get(REFUSED_KEY)
        if refused is None or exchange.status != HTTPStatus.TOO_MANY_REQUESTS:
            return body
        if self._varies(refused) or not _is_small(exchange.headers):
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
            self._callers.clear()
            self._variants.clear()
        elif buckets:
            self.forget(*buckets)

    def forget(self, *keys: str) -> None:
        """Somebody has made room in these buckets."""
        cleared = set(keys)
        gone = [known for known, kept in self._kept.items() if not cleared.isdisjoint(kept.refused.keys)]
        self._kept.discard(*gone)
        self._variants.discard(*keys)

    def _found(self, caller: Caller, exchange: Exchange, now: float) -> _Kept | None:
        ends = self._callers.get(caller)
        if ends is None:
            return None
        if now >= ends:
            self._callers.discard(caller)
            return None
        kept = self._kept.get((caller, exact(exchange.environ)))
        if kept is None:
            rule = self._rule_of(exchange.environ)
            kept = None if rule is None else self._kept.get((caller, rule))
        return kept if kept is not None and now < kept.ends else None

    def _caller(self, environ: dict[str, Any], address: str | None) -> Caller:
        find = environ.get
        return (
            address,
            find("REQUEST_METHOD"),
            find("SCRIPT_NAME"),
            find("wsgi.url_scheme"),
            find("HTTP_HOST"),
            find("SERVER_NAME"),
            _wish(find("HTTP_ACCEPT")),
            find("HTTP_ORIGIN"),
            find("HTTP_X_HTTP_METHOD_OVERRIDE"),
        )

    def _authenticated(self, caller: Caller, environ: dict[str, Any]) -> Caller:
        return (*caller, *map(environ.get, self._credentials))

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
        environ = exchange.environ
        refused: Refused = environ[REFUSED_KEY]
        now = self._clock()
        # What a wrapper further in has put right is not what the next request is known by.
        has_moved = environ.get("REMOTE_ADDR") != exchange.address
        if has_moved or refused.until <= now or not _may_be_repeated(exchange):
            return
        body = (b"", b"") if environ["REQUEST_METHOD"] == "HEAD" else _parts(content, exchange)
        if body is None:
            return
        caller = self._caller(environ, exchange.address)
        if not refused.is_by_address or ACTOR_ID_KEY in environ:
            caller = self._authenticated(caller, environ)
        place = self._place(exchange, content)
        told = (*caller, *place) if isinstance(place, tuple) else caller
        if sum(map(len, filter(None, told))) > MAX_CALLER:
            return
        kept = _Kept(exchange, refused, body, now)
        self._kept.put((caller, place), kept)
        count, ends = self._variants.get(refused.keys[0]) or (0, kept.ends)
        self._variants.put(refused.keys[0], (count + 1, ends) if now < ends else (1, kept.ends))
        self._callers.put(caller, max(kept.ends, self._callers.get(caller) or 0.0))

    def _varies(self, refused: Refused) -> bool:
        count, ends = self._variants.get(refused.keys[0]) or (0, 0.0)
        return count >= MAX_VARIANTS and self._clock() < ends

    def _place(self, exchange: Exchange, content: bytes) -> Place:
        """The rule where neither headers nor body tell of the path or the query."""
        is_plain = all(name.lower() in PLAIN_HEADERS for name, _ in exchange.headers)
        if is_plain and not content.startswith(PROBLEM_START):
            rule = self._rule_of(exchange.environ)
            if rule is not None and rule == exchange.route:
                return rule
        return exact(exchange.environ)


def _wish(accept: str | None) -> str | None:
    """What is wished for; empty for all that mean plain JSON."""
    return "" if is_content_with_json(accept) else accept


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
        body = orjson.loads(content)
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
    return (content, b"") if exchange.request_id is None else _around(content, exchange.request_id)


def _around(content: bytes, request_id: str) -> tuple[bytes, bytes] | None:
    shown = content.split(b'"request_id":"' + request_id.encode() + b'"')
    return (shown[0] + b'"request_id":"', b'"' + shown[1]) if len(shown) == 2 else None  # noqa: PLR2004 - one before, one after


def _counted_down(name: str, value: str, passed: int) -> str:
    """A header that tells in how many seconds something is: now that `passed` of them are over."""
    if name.lower() not in COUNTED_DOWN or not passed:
        return value
    if value.isdecimal():
        return str(max(0, int(value) - passed)) if int(value) < LATEST_RESET else value

    def later(found: re.Match[str]) -> str:
        return found[0] if found[1] is None else f";t={max(0, int(found[1]) - passed)}"

    return RESET.sub(later, value)
