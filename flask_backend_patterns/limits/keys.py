"""Whom a limit counts: a short text for each caller, the same in every process."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._view_arguments import FromPath
from .networks import Networks, network_of
from .settings import ACTOR, ADDRESS, API_KEY, HEADER_PREFIX

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .protocols import Caller
    from .request_limits import RequestLimits

# What may stand in a key as it is; `#` begins a hash.
PLAIN: Final = re.compile(r"[!\"$-~][!-~]{0,63}")
MAX_KNOWN_ADDRESSES: Final = 10_000
# The forms in which proxies say for whom they ask.
FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
PROXY_FIX: Final = (
    "werkzeug.proxy_fix.orig"  # somebody has looked at these headers: the address is the client's
)
WITHOUT_PREFIX: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})  # PEP 3333
EVERYBODY: Final = "everybody"  # outside of requests there is no caller to tell from others

# The text for a request's caller; None for who is not limited.
CallerKey = Callable[["RequestLimits"], str | None]


class CallerKeys:
    """Names callers, for one app; shared by threads.

    `identify` gives the authenticated caller. `exempt` are never limited by address. `knows_proxies` says that somebody
    has thought of the proxies in front of the app.
    """

    def __init__(
        self,
        *,
        identify: Callable[[], Caller | None],
        exempt: Networks,
        knows_proxies: bool,
        log: EventLog,
    ) -> None:
        self.identify = identify
        self._exempt = exempt
        self._log = log
        self._warns = not knows_proxies
        # REMOTE_ADDR -> its key. Emptied when it is full, since anybody may fill it.
        self._known: dict[str, str | None] = {}

    def of(self, key: str | Callable[..., Any]) -> CallerKey:
        """What reads `key`, a word of the settings or a function, off a request."""
        if not isinstance(key, str):
            return _by_function(key)
        if key.startswith(HEADER_PREFIX):
            return self._by_header(key.removeprefix(HEADER_PREFIX))
        return {ACTOR: self.actor, ADDRESS: self.address, API_KEY: self.api_key}[key]

    def address(self, current: RequestLimits) -> str | None:
        """By the client's address, or its /64; None where it is exempt."""
        environ = current.environ
        if environ is None:
            return EVERYBODY
        if self._warns and PROXY_FIX not in environ:
            self._warn_of_proxies(environ)
        remote: str = environ.get("REMOTE_ADDR") or "-"
        try:
            return self._known[remote]
        except KeyError:
            found = self._read(remote)
        if len(self._known) >= MAX_KNOWN_ADDRESSES:
            self._known = {}
        self._known[remote] = found
        return found

    def actor(self, current: RequestLimits) -> str | None:
        """By the id of who is authenticated, else by address."""
        caller = current.caller()
        return self.address(current) if caller is None else f"u:{bounded(caller.id)}"

    def api_key(self, current: RequestLimits) -> str | None:
        """By the API key, for callers that have authenticated by one; else as `actor`."""
        caller = current.caller()
        if caller is not None and caller.method == API_KEY and caller.credential_id:
            return f"k:{bounded(caller.credential_id)}"
        return self.actor(current)

    def _by_header(self, name: str) -> CallerKey:
        variable = variable_of(name)

        def by_header(current: RequestLimits) -> str | None:
            value = (current.environ or {}).get(variable)
            return f"h:{bounded(value)}" if value else self.address(current)  # leaving it out is no way round

        return by_header

    def _read(self, remote: str) -> str | None:
        return None if self._exempt.hold(remote) else f"a:{bounded(network_of(remote))}"

    def _warn_of_proxies(self, environ: dict[str, Any]) -> None:
        found = next((name for name in FORWARDED if name in environ), None)
        if found is None:
            return
        self._warns = False
        self._log.warning(
            "forwarded_headers_untrusted",
            header=found.removeprefix("HTTP_").replace("_", "-").title(),
            address=environ.get("REMOTE_ADDR"),
            hint="Limits by address count this address for everybody behind it. Set BACKEND_SECURITY_TRUSTED_PROXIES "
            "to the number of proxies in front of the app; to 0 if there are none, and somebody tries to forge an address.",
        )


def variable_of(header: str) -> str:
    """Where the WSGI environment has `header`."""
    name = header.upper().replace("-", "_")
    return name if name in WITHOUT_PREFIX else "HTTP_" + name


def bounded(text: str) -> str:
    """`text` where it is short and printable, else a hash of it."""
    if PLAIN.fullmatch(text):
        return text
    return "#" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _by_function(function: Callable[..., Any]) -> CallerKey:
    by_arguments = FromPath(function)

    def by_function(current: RequestLimits) -> str | None:
        value = current.value_of(by_arguments)
        if isinstance(value, (int, UUID)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            name = getattr(function, "__name__", repr(function))
            raise TypeError(
                f"key={name} of a rate limit gave {type(value).__name__}; it has to give text or a whole number."
            )
        return f"f:{bounded(value)}"

    return by_function
