"""A response as it is kept: status, headers, body; and which responses are kept (RFC 9111, 3)."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from flask import current_app
from flask.globals import _cv_app
from werkzeug.datastructures import Headers

from ..near_cache import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response

    from ..near_cache import Missing
    from .vary import Vary

# Understood as they are by any cache. 206 is a part; 3xx and errors may be over in a moment.
KEPT_STATUSES: Final = frozenset({200, 203, 204})
# They belong to one answer, one connection or one client, not to the resource (RFC 9111, 3.1).
LEFT_OUT: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("proxy-authentication-info", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
        *("date", "server", "content-length", "age", "cache-status", "server-timing", "retry-after"),
        *("x-request-id", "traceparent", "tracestate", "ratelimit", "ratelimit-policy", "set-cookie"),
        *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "idempotency-replayed"),
        *("set-cookie2", "authentication-info", "clear-site-data"),
    }
)
# What a 304 carries of them (RFC 9110, 15.4.5).
OF_UNCHANGED: Final = frozenset(
    {"cache-control", "content-location", "etag", "expires", "last-modified", "link", "vary"}
)
FORMAT: Final = b"\x01"
STATUS: Final = "status"  # why most of what is not kept is not
_LINE_ENDS: Final = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response without what belongs to one answer; `stored_at` is in seconds since the epoch."""

    status: int
    stored_at: float
    etag: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


_Kept: TypeAlias = tuple[int, float, str, tuple[tuple[str, str], ...], bytes]


class ResponseEncoder:
    """Turns responses into bytes and back: the version of this format, then MessagePack. See `policy.Encoder`."""

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Kept).decode

    def encode(self, value: StoredResponse) -> bytes:
        """The bytes that are kept."""
        return FORMAT + self._encode((value.status, value.stored_at, value.etag, value.headers, value.body))

    def decode(self, payload: bytes) -> StoredResponse | Missing:
        """What was kept; `MISSING` for what `encode` cannot have given, such as the format of another release."""
        if payload[:1] != FORMAT:
            return MISSING
        try:
            kept = StoredResponse(*self._decode(memoryview(payload)[1:]))
        except msgspec.MsgspecError:
            return MISSING
        return kept if _is_sound(kept) else MISSING


def _is_sound(kept: StoredResponse) -> bool:
    """Whether it can be sent: what stands in the store is not taken on trust."""
    if kept.status not in KEPT_STATUSES or not math.isfinite(kept.stored_at):
        return False
    texts = [kept.etag, *(text for header in kept.headers for text in header)]
    return _LINE_ENDS.search("".join(texts)) is None


def reason_against(response: Response, vary: Vary, *, max_bytes: int) -> str | None:
    """Why `response` must not be given to others, as a token for `Cache-Status`; None when it may (PITFALLS C2)."""
    if response.status_code not in KEPT_STATUSES:
        return STATUS
    if response.direct_passthrough or response.is_streamed:
        return "streamed"
    reason = next(
        (
            reason
            for name, find in _ABOUT_HEADERS
            if name in response.headers and (reason := find(response, vary))
        ),
        None,
    )
    return reason or ("too-large" if len(response.get_data()) > max_bytes else None)


def capture(response: Response, vary: Vary, now: float) -> StoredResponse:
    """What is kept of it; puts `ETag` and `Vary` on the response too, so that the first answer is as the later ones."""
    body = response.get_data()
    etag = response.get_etag()[0]
    if etag is None:
        etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        response.set_etag(etag)
    add_vary(response, vary)
    return StoredResponse(
        status=response.status_code,
        stored_at=now,
        etag=etag,
        headers=tuple((name, text) for name, text in response.headers if name.lower() not in LEFT_OUT),
        body=body,
    )


def add_vary(response: Response, vary: Vary) -> None:
    """Join what the responses of the view differ by to what the view itself has said."""
    names = {name.lower(): name for name in (*_vary_names(response), *vary.field_names())}
    response.headers["Vary"] = "*" if "*" in names else ", ".join(names.values())


def replay(stored: StoredResponse, extra: Sequence[tuple[str, str]]) -> Response:
    """A response equal to the first one, with the `extra` headers of this answer."""
    headers = _headers([*stored.headers, *extra, ("Content-Length", str(len(stored.body)))])
    response = _cv_app.get().app.response_class([stored.body], stored.status, headers)
    if not stored.body and not any(name.lower() == "content-type" for name, _ in stored.headers):
        del response.headers["Content-Type"]  # the default, which a 204 has not
    return response


def replay_unchanged(stored: StoredResponse, extra: Sequence[tuple[str, str]]) -> Response:
    """The 304 for a client that has it."""
    kept = [item for item in stored.headers if item[0].lower() in OF_UNCHANGED]
    response = current_app.response_class(status=304)
    response.headers = _headers([*kept, *extra])
    return response


def _headers(items: list[tuple[str, str]]) -> Headers:
    """Without looking at each again: that takes as long as all the rest of a hit, and they have been sent before."""
    headers = Headers()
    headers._list = items  # noqa: SLF001 - what its constructor fills
    return headers


def _reason_in_directives(response: Response, vary: Vary) -> str | None:
    """What the view itself says about caches; `private` does not keep it from those who are told apart."""
    said: Any = response.cache_control  # True, None, or the names of header fields
    if said.no_store:
        return "no-store"
    if said.no_cache not in {None, False}:
        return "no-cache"
    if said.private not in {None, False} and not vary.is_for_one:
        return "private"
    return None


def _reason_in_vary(response: Response, vary: Vary) -> str | None:
    """A field that the response says it differs by, and `vary_on` does not."""
    known = {name.lower() for name in vary.field_names()}
    names = [name.lower() for name in _vary_names(response)]
    if "*" in names:
        return "vary-all"
    return None if known.issuperset(names) else "vary"


def _vary_names(response: Response) -> list[str]:
    lines = response.headers.getlist("Vary")
    return [name.strip() for line in lines for name in line.split(",") if name.strip()]


def _reason_in_origin(response: Response, vary: Vary) -> str | None:
    """Whether it is open to one site only (Fetch, 3.2.3)."""
    is_for_all = response.headers["Access-Control-Allow-Origin"] == "*" or "Origin" in vary.headers
    return None if is_for_all else "origin"


def _reason_in_encoding(_: Response, vary: Vary) -> str | None:
    return None if "Accept-Encoding" in vary.headers else "content-encoding"


# Header -> what says whether it stands against keeping the response.
_ABOUT_HEADERS: Final[tuple[tuple[str, Callable[[Response, Vary], str | None]], ...]] = (
    ("Content-Range", lambda _response, _vary: "partial"),
    ("Set-Cookie", lambda _response, _vary: "set-cookie"),
    ("Set-Cookie2", lambda _response, _vary: "set-cookie"),
    ("Cache-Control", _reason_in_directives),
    ("Vary", _reason_in_vary),
    ("Access-Control-Allow-Origin", _reason_in_origin),
    ("Content-Encoding", _reason_in_encoding),
)
