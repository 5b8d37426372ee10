"""Turns banned addresses away in front of the app, and sees who is to be banned.

The answer is a 403, not a 429: clients that retry a 429 by themselves are those that are banned, and a 403 ends that;
who reads the log can tell a ban from a limit; and some are banned for what they asked, not how often. `Retry-After` says
when it is over.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ..._json import dump

if TYPE_CHECKING:
    from ..._boundary import Exchange
    from ..._contribution import FrontAnswer
    from .bans import Bans
    from .scanner_paths import ScannerPaths

CODE: Final = "BANNED"
MESSAGE: Final = "Your address has sent too many requests that were refused, and is banned for a while."
STATUS: Final = "403 FORBIDDEN"
JSON_TYPE, PROBLEM_TYPE = "application/json", "application/problem+json"
PAGE_TYPE: Final = "text/html; charset=utf-8"
PAGE: Final = (
    f"<!doctype html>\n<title>403 Forbidden</title>\n<h1>Forbidden</h1>\n<p>{MESSAGE}</p>\n".encode()
)
# Who speaks for others says so in one of these.
FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
PROXY_FIX: Final = "werkzeug.proxy_fix.orig"  # somebody has looked at them: the address is the client's
# The body around the request's id.
Parts = tuple[bytes, bytes]


class BanGate:
    """For one app. `count` is called for each request turned away.

    `knows_proxies` says that the settings have a word on proxies: without, the address of a request that was forwarded
    may be that of a proxy, and to ban it would be to ban everybody.
    """

    def __init__(
        self,
        bans: Bans,
        *,
        paths: ScannerPaths | None,
        knows_proxies: bool,
        as_problem: bool,
        count: Callable[[], Any],
    ) -> None:
        self._bans = bans
        self._paths = paths
        self._knows_proxies = knows_proxies
        self._as_problem = as_problem
        self._count = count
        self._envelope = _envelope_parts()

    def front(self, exchange: Exchange) -> FrontAnswer | None:
        """The answer to a banned address, None for all others."""
        left = self._bans.seconds_left(exchange.address)
        if not left:
            return None
        self._count()
        environ, request_id = exchange.environ, exchange.request_id
        accept = environ.get("HTTP_ACCEPT", "")
        if self._as_problem or ("problem" in accept and _prefers_problem(accept)):
            body, mimetype = dump(_problem(environ, request_id)), PROBLEM_TYPE
        elif "html" in accept and _prefers_page(accept):
            body, mimetype = PAGE, PAGE_TYPE
        elif request_id is None:
            body, mimetype = dump({"error": {"code": CODE, "message": MESSAGE}}), JSON_TYPE
        else:
            before, after = self._envelope
            body, mimetype = before + request_id.encode() + after, JSON_TYPE
        headers = [
            ("Content-Type", mimetype),
            ("Content-Length", str(len(body))),
            ("Retry-After", str(math.ceil(left))),
        ]
        return STATUS, headers, () if environ["REQUEST_METHOD"] == "HEAD" else (body,)

    def finished(self, exchange: Exchange) -> None:
        """See what became of a request."""
        status = exchange.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            if (address := self._culprit(exchange)) is not None:
                self._bans.note_refusal(address)
        elif status == HTTPStatus.NOT_FOUND and self._paths is not None:
            path = self._paths.named_by(exchange)
            if path is not None and (address := self._culprit(exchange)) is not None:
                self._bans.note_path(address, path)

    def _culprit(self, exchange: Exchange) -> str | None:
        """The address that a ban would be for; None where it may be somebody else's."""
        environ = exchange.environ
        # A wrapper further in has put another address there: the one that came in is a proxy's.
        if environ.get("REMOTE_ADDR") != exchange.address:
            return None
        # Another site's page has made a visitor's browser ask: an image, or a form.
        if environ.get("HTTP_SEC_FETCH_SITE") == "cross-site":
            return None
        if not self._knows_proxies and PROXY_FIX not in environ and any(map(environ.__contains__, FORWARDED)):
            return None
        return exchange.address


def _envelope_parts() -> Parts:
    mark = "\x7f"
    before, _, after = dump({"error": {"code": CODE, "message": MESSAGE, "request_id": mark}}).rpartition(
        mark.encode()
    )
    return before, after


def _problem(environ: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
    body = {
        "type": "about:blank",
        "title": HTTPStatus.FORBIDDEN.phrase,
        "status": HTTPStatus.FORBIDDEN.value,
        "detail": MESSAGE,
        "instance": path,
        "code": CODE,
    }
    return body if request_id is None else {**body, "request_id": request_id}


def _prefers_page(accept: str) -> bool:
    wanted = parse_accept_header(accept, MIMEAccept)
    return wanted.quality("text/html") > wanted.quality(JSON_TYPE)


def _prefers_problem(accept: str) -> bool:
    wanted = parse_accept_header(accept, MIMEAccept)
    named = any(value.lower() == PROBLEM_TYPE for value, quality in wanted if quality)
    return named and wanted.quality(PROBLEM_TYPE) >= wanted.quality(JSON_TYPE)
