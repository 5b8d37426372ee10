"""A response as it is kept: status, headers, body; and which responses are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import current_app
from werkzeug.datastructures import Headers

from ..._config import SetupError
from ...errors import translate
from .declaration import REPLAYED_HEADER

if TYPE_CHECKING:
    from flask import Response

MIN_SERVER_ERROR: Final = 500
# Refusals before anything was done: the same request may succeed later.
PASSING_STATUSES: Final = frozenset({401, 403, 405, 406, 408, 412, 413, 415, 425, 428, 429})
# They belong to one answer, one connection or one client, not to the result.
LEFT_OUT: Final = frozenset(
    {
        *("set-cookie", "date", "server", "content-length", "x-request-id", "connection", "keep-alive"),
        *("transfer-encoding", REPLAYED_HEADER.lower()),
    }
)


@dataclass(frozen=True, kw_only=True)
class StoredResponse:
    """Status, header lines in order, and the body's bytes before any content coding."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header_text(self) -> str:
        """The headers as JSON: a list of pairs."""
        return json.dumps(self.headers)


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """The reverse of `header_text`."""
    return tuple((name, value) for name, value in json.loads(text))


def is_kept(response: Response, error: Exception | None) -> bool:
    """Whether a retry gets this answer: no server error, and no refusal before anything was done."""
    if response.status_code >= MIN_SERVER_ERROR or response.status_code in PASSING_STATUSES:
        return False
    translated = None if error is None else translate(error)
    return translated is None or not translated.refused


def capture(response: Response, *, max_bytes: int) -> StoredResponse:
    """`response` as it is stored; a streamed one is read to its end and stays sendable.

    Raises `SetupError` when the body is larger than `max_bytes`.
    """
    if not response.is_sequence:
        _read_stream(response, max_bytes)
    body = response.get_data()
    _check_size(len(body), max_bytes)
    headers = tuple((name, value) for name, value in response.headers if name.lower() not in LEFT_OUT)
    return StoredResponse(status=response.status_code, headers=headers, body=body)


def replay(stored: StoredResponse) -> Response:
    """The stored answer again, marked as such."""
    response = current_app.response_class(stored.body, status=stored.status)
    response.headers = Headers(list(stored.headers))
    response.headers[REPLAYED_HEADER] = "true"
    return response


def _read_stream(response: Response, max_bytes: int) -> None:
    """Replace the stream by its bytes; it is closed with the response."""
    response.direct_passthrough = False  # a file that the server would have sent by itself
    chunks, size = [], 0
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    for chunk in response.iter_encoded():
        size += len(chunk)
        _check_size(size, max_bytes)
        chunks.append(chunk)
    response.response = chunks


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SetupError(
            f"The response of an @idempotent view has more than {max_bytes} bytes and cannot be stored; answer with "
            "less (a Location to get it from), or raise BACKEND_IDEMPOTENCY_MAX_RESPONSE_BYTES."
        )
