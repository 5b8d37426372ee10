"""Says once, in the log, why the responses of a view are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flask import Request

    from ..._contribution import EventLog

ABOUT_CALLERS: Final = {
    "identity": "It was asked who calls, so the answer may be for one caller only. Say vary_on=['actor'] or ['roles'], or "
    "['shared'] when all callers get the same; and put what authenticates above @cached_view.",
    "authentication-inside": "Callers are authenticated below @cached_view, where a cached answer would not ask. Put that "
    "decorator above @cached_view, or take @require_auth.",
    "credentials": "The request has an Authorization header, and nothing says whether everybody gets the same answer. "
    "Say vary_on=['shared'] when they do; else @require_auth with vary_on=['actor'].",
    "cookies": "The view reads cookies, so the answer may be for one visitor only. Say vary_on=['cookie:<name>'] for each "
    "of them that counts.",
    "session": "The session was used, so the answer may be for one visitor only. Do without it, or say by a function in "
    "vary_on what of it counts.",
}
ABOUT_RESPONSES: Final = {
    "set-cookie": "The view sets a cookie.",
    "no-store": "The view says Cache-Control: no-store.",
    "no-cache": "The view says Cache-Control: no-cache.",
    "private": "The view says Cache-Control: private; say vary_on=['actor'].",
    "vary-all": "The view says Vary: *.",
    "vary": "The view says Vary with a header that vary_on lacks; add 'header:<name>'.",
    "origin": "The response is for one origin; say vary_on=['header:Origin'].",
    "content-encoding": "The view encodes its body itself; say vary_on=['header:Accept-Encoding'].",
    "streamed": "The response is a stream or a file.",
    "uncommitted": "The request has changed something by a session that watch_changes follows, and not committed it. Commit "
    "before the view returns, or write in another request.",
    "too-large": "The body is larger than BACKEND_CACHE_MAX_VALUE_BYTES.",
}


class Remarks:
    """Those of one app."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._said: set[tuple[str | None, str]] = set()

    def note(self, request: Request, reason: str) -> None:
        """A response of this endpoint was not kept; faults are errors, what a view decides is a warning."""
        said = (request.endpoint, reason)
        hint = ABOUT_CALLERS.get(reason) or ABOUT_RESPONSES.get(reason)
        if hint is None or said in self._said:
            return
        self._said.add(said)
        write = self._log.error if reason in ABOUT_CALLERS else self._log.warning
        write("view_not_cached", endpoint=request.endpoint, reason=reason, hint=hint)
