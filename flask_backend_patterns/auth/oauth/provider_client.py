"""HTTP with a provider: bounded in time and size, no redirects, no retries, JSON or nothing."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import orjson

from .refusals import ProviderAnswerError, ProviderUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 512 * 1024
HTTP_OK: Final = 200
HTTP_SERVER_ERROR: Final = 500


class ProviderClient:
    """Fetches JSON objects. Thread-safe; keeps no connection open, so it may be shared by forked processes.

    `timeout_seconds` is for one exchange as a whole; `clock` counts seconds.
    """

    def __init__(
        self, *, timeout_seconds: float = TIMEOUT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._client: httpx.Client | None = None

    def fetch(self, url: str, *, bearer: str | None = None) -> dict[str, Any]:
        """The JSON object at `url`; raises `ProviderUnreachableError` and `ProviderAnswerError`."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        status, answer = self._exchange("GET", url, headers, None)
        if status != HTTP_OK:
            raise ProviderAnswerError(f"status {status} from {url}")
        return answer

    def post(
        self, url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object; `basic` are id and secret, encoded as RFC 6749, 2.3.1 has it. Raises as `fetch`."""
        headers = {}
        if basic is not None:
            pair = ":".join(quote(part, safe="") for part in basic)
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        return self._exchange("POST", url, headers, dict(form))

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], form: dict[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity"}
        deadline = self._clock() + self._timeout_seconds
        try:
            with self._open().stream(method, url, headers=headers, data=form) as response:
                body = self._read(response, deadline)
        except (httpx.TimeoutException, httpx.NetworkError, httpx.ProxyError) as error:
            raise ProviderUnreachableError from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderAnswerError(f"{type(error).__name__} from {url}") from error
        if response.status_code >= HTTP_SERVER_ERROR:
            raise ProviderAnswerError(f"status {response.status_code} from {url}")
        return response.status_code, _object_in(response, body, url)

    def _open(self) -> httpx.Client:
        client = self._client
        if client is None:  # two threads may both make one; the last stays, the other is garbage
            client = self._client = httpx.Client(
                timeout=self._timeout_seconds,
                follow_redirects=False,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return client

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        # As it came: compressed, a small answer could become a very large one.
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ProviderAnswerError(f"more than {MAX_BYTES} bytes from {response.url}")
            if self._clock() > deadline:
                raise ProviderUnreachableError
        return bytes(body)


def _object_in(response: httpx.Response, body: bytes, url: str) -> dict[str, Any]:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ProviderAnswerError(f"a compressed answer from {url}")
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise ProviderAnswerError(f"status {response.status_code}, {media_type or 'no type'!r} from {url}")
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderAnswerError(f"no JSON from {url}") from error
    if not isinstance(answer, dict):
        raise ProviderAnswerError(f"no JSON object from {url}")
    return answer
